import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

@Suite struct AddressBookTests {
    private func subnet(_ addresses: String...) throws -> Subnet {
        Subnet(addresses: try addresses.map { try #require(Prefix($0)) }, exit: .none, isNAT: false)
    }

    private func mac(_ number: UInt64) -> MACAddress { MACAddress(value: 0x0016_3e00_0000 + number) }

    /// Gives guest `number` what it asks for and the rest, and returns all it has.
    @discardableResult
    private func give(
        _ number: UInt64, _ book: inout AddressBook, _ subnet: Subnet, asked: String...,
        present: Set<UInt64> = []
    ) throws -> [String] {
        try give(number, &book, of: AddressSpace(subnet), asked, present)
    }

    @discardableResult
    private func give(
        _ number: UInt64, _ book: inout AddressBook, of space: AddressSpace, _ asked: [String] = [],
        _ present: Set<UInt64> = []
    ) throws -> [String] {
        let used = Set(present.map(mac))
        _ = try book.give(
            to: VifID(domain: UInt32(number), device: 0), mac: mac(number), name: "g\(number)",
            asked: try asked.map { try #require(Prefix($0)) }, of: space, isInUse: { used.contains($0) })
        return book[mac(number)]?.addresses.map(\.description) ?? []
    }

    @Test(
        "guests get the lowest addresses that are free, an IPv6 one that ends like the IPv4 one, and the same again"
    )
    func sequence() throws {
        var book = AddressBook()
        let subnet = try subnet("fd00::1/64", "10.0.0.1/24")
        #expect(try give(1, &book, subnet) == ["10.0.0.2", "fd00::2"])
        #expect(try give(2, &book, subnet) == ["10.0.0.3", "fd00::3"])
        #expect(try give(1, &book, subnet) == ["10.0.0.2", "fd00::2"])
    }

    @Test("what a guest is told to have is its own, and taken from one that is not there any more")
    func asked() throws {
        var book = AddressBook()
        let subnet = try subnet("10.0.0.1/24")
        try give(1, &book, subnet)
        #expect(throws: PlanningError.self) { try give(2, &book, subnet, asked: "10.0.0.2", present: [1]) }
        #expect(try give(2, &book, subnet, asked: "10.0.0.2") == ["10.0.0.2"])
        #expect(try give(1, &book, subnet) == ["10.0.0.3"])
        for address in ["10.0.0.1", "10.0.0.255", "10.0.0.0"] {
            #expect(throws: PlanningError.self) { try give(3, &book, subnet, asked: address) }
        }
        // What is no single address of the subnet is nobody's business here.
        #expect(try give(3, &book, subnet, asked: "192.0.2.0/28") == [])
    }

    @Test(
        "when all are given, the address that was away for longest goes to another; when all are there, nobody's"
    )
    func exhaustion() throws {
        var book = AddressBook()
        let subnet = try subnet("10.0.0.1/29")
        for number in 1...5 as ClosedRange<UInt64> { try give(number, &book, subnet) }
        try give(1, &book, subnet)
        #expect(try give(6, &book, subnet, present: [1, 3, 4, 5]) == ["10.0.0.3"])
        #expect(throws: PlanningError.self) { try give(7, &book, subnet, present: [1, 3, 4, 5, 6]) }
        #expect(book[mac(2)] == nil)
    }

    @Test("what is reserved goes to the one that it is reserved for")
    func reservations() throws {
        var book = AddressBook()
        var subnet = try subnet("10.0.0.1/29")
        subnet.reservations = [.init(mac: mac(9), addresses: [try #require(IPAddress("10.0.0.2"))])]
        #expect(try give(1, &book, subnet) == ["10.0.0.3"])
        #expect(try give(9, &book, subnet) == ["10.0.0.2"])
        // One that had it before it was reserved has to go elsewhere.
        var old = AddressBook()
        try give(1, &old, try self.subnet("10.0.0.1/29"))
        #expect(try give(1, &old, subnet) == ["10.0.0.3"])
    }

    @Test("the addresses that came to another guest since are told, and no others")
    func reassigned() throws {
        var book = AddressBook()
        let subnet = try subnet("10.0.0.1/24", "fd00::1/64")
        try give(1, &book, subnet)
        let before = book
        try give(2, &book, subnet, asked: "fd00::2")
        try give(3, &book, subnet)
        #expect(book.reassigned(since: before).map(\.description) == ["fd00::2"])
        #expect(book.reassigned(since: book).isEmpty)
    }

    // MARK: Of a bridge's pool

    private func handOut(_ pool: String, own: String = "192.0.2.10/24") throws -> HandOut {
        var handOut = HandOut(
            pool: try #require(HandOut.pool(pool)), router: try #require(IPv4Address("192.0.2.1")))
        handOut.own = Prefix(own)
        return handOut
    }

    @Test("of a pool guests are given the lowest that is free, what is kept for them, and nothing beyond it")
    func pool() throws {
        var handOut = try handOut("192.0.2.100-192.0.2.102")
        handOut.reservations = [
            Subnet.Reservation(mac: mac(9), addresses: [try #require(IPAddress("192.0.2.101"))])
        ]
        let space = try #require(AddressSpace(handOut))
        var book = AddressBook()
        #expect(try give(1, &book, of: space) == ["192.0.2.100"])
        #expect(try give(2, &book, of: space) == ["192.0.2.102"])
        #expect(try give(9, &book, of: space) == ["192.0.2.101"])
        #expect(throws: PlanningError.self) { try give(3, &book, of: space, [], [1, 2]) }
        #expect(try give(3, &book, of: space, [], [2]) == ["192.0.2.100"])
        // What a guest is told to have may be outside of it, but not the router's or the host's own, and is given to
        // nobody who is not told.
        #expect(try give(4, &book, of: space, ["192.0.2.20"]) == ["192.0.2.20"])
        for address in ["192.0.2.1", "192.0.2.10", "192.0.2.255"] {
            #expect(throws: PlanningError.self) { try give(5, &book, of: space, [address]) }
        }
        #expect(try give(4, &book, of: space, [], [3]) == ["192.0.2.102"])
    }

    @Test(
        "a pool that the host's addresses do not place is refused with the cause",
        arguments: [
            (
                "198.51.100.1-198.51.100.9",
                "lies in no network that the host has an address of (it has 192.0.2.10/24)"
            ),
            ("192.0.2.100-192.0.3.100", "lies in no network"),
            ("192.0.2.5-192.0.2.20", "holds the host's own address 192.0.2.10"),
            ("192.0.2.200-192.0.2.255", "holds what is no host's address"),
        ])
    func misplacedPool(pool: String, cause: String) throws {
        let host = [try #require(Prefix("2001:db8::1/64")), try #require(Prefix("192.0.2.10/24"))]
        let problem = try #require(try handOut(pool).place(among: host).problem)
        #expect(problem.contains(cause))
        #expect(try handOut("192.0.2.100-192.0.2.110").place(among: host).problem == nil)
        #expect(try handOut("192.0.2.100-192.0.2.110").place(among: host).own == host[1])
        var elsewhere = try handOut("192.0.2.100-192.0.2.110")
        elsewhere.router = try #require(IPv4Address("198.51.100.1"))
        #expect(elsewhere.place(among: host).problem == "the router 198.51.100.1 is not in 192.0.2.0/24")
    }
}
