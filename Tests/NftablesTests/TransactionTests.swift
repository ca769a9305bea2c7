import Netlink
import NetworkTypes
import TestSupport
import Testing

@testable import Nftables

/// Transactions against a kernel, with nft(8) as the witness.
@Suite struct TransactionTests {
    static let table = Table(.netdev, "guests")
    static let senders = TypedSet<LinkName, MACAddress>(
        "senders", in: table, isCounting: true, comment: "who sends")
    static let vif = LinkName("vif1.0")!
    static let mac = MACAddress("00:16:3e:00:00:01")!

    @Test("what is made is what nft lists")
    func witness() async throws {
        let text = try await withTestNamespace {
            try run("ip", "link", "add", "vif1.0", "type", "veth", "peer", "name", "other0")
            var socket = try NftablesSocket()
            let chain = ChainDefinition(
                "in", in: Self.table, hook: .ingress(-500, devices: ["vif1.0"]), dropsByDefault: true)
            var ranges = SetDefinition("ranges", in: Self.table, key: [.linkName, .ipv4Address])
            ranges.flags = [.interval]
            var modes = SetDefinition("modes", in: Self.table, key: [.linkName])
            modes.data = .verdict
            var seen = SetDefinition("seen", in: Self.table, key: [.linkName])
            seen.data = .value(.ipv6Address)
            seen.flags = [.dynamic, .timeout]
            seen.size = 1000
            try socket.commit { transaction in
                transaction.add(Self.table, comment: "ours")
                transaction.add(ObjectDefinition("total", in: Self.table, .counter(packets: 0, bytes: 0)))
                transaction.add(ObjectDefinition("slow", in: Self.table, .limit(Limit(5, burst: 7))))
                transaction.add(Self.senders.definition)
                transaction.add(ranges)
                transaction.add(seen)
                transaction.add(modes)
                transaction.add(ChainDefinition("strict", in: Self.table))
                transaction.add(chain)
                transaction.add((Self.vif, Self.mac), to: Self.senders)
                transaction.add(
                    [
                        SetElement(
                            SetKey(Self.vif, IPv4Address("192.0.2.0")!),
                            end: SetKey(Self.vif, IPv4Address("192.0.2.255")!))
                    ], to: "ranges", of: Self.table)
                transaction.add(
                    [SetElement(SetKey(Self.vif), data: .verdict(.goto("strict")))], to: "modes",
                    of: Self.table)
                transaction.add(
                    rule: [
                        .meta(key: .inputName, destination: .first),
                        .verdictMap(set: "modes", source: .first),
                    ], to: "in", of: Self.table, comment: "by mode")
                transaction.add(
                    rule: [
                        .meta(key: .inputName, destination: .first),
                        .payload(.link, offset: 6, length: 6, destination: Register(word: 4)),
                        .lookup(set: "senders", source: .first, isInverted: true),
                        .limit(Limit(10)), .log(Log(prefix: "spoof ")), .object(.counter, name: "total"),
                        .drop,
                    ], to: "strict", of: Self.table)
            }
            return try run("nft", "list", "ruleset")
        }
        for part in [
            "comment \"ours\"", "type ifname . ether_addr", "counter", "comment \"who sends\"",
            "\"vif1.0\" . 00:16:3e:00:00:01 counter packets 0 bytes 0", "\"vif1.0\" . 192.0.2.0/24",
            "\"vif1.0\" : goto strict",
            "type filter hook ingress device \"vif1.0\" priority -500; policy drop;",
            "iifname vmap @modes comment \"by mode\"",
            "iifname . @ll,48,48 != @senders limit rate 10/second log prefix \"spoof \" counter name \"total\" drop",
            "type ifname : ipv6_addr", "size 1000", "rate 5/second burst 7 packets",
        ] {
            #expect(text.contains(part), "\(part) is not in \(text)")
        }
    }

    @Test("a transaction that fails names the request and changes nothing")
    func atomic() async throws {
        let (error, left) = try await withTestNamespace {
            var socket = try NftablesSocket()
            var caught: NftablesError?
            do throws(NftablesError) {
                try socket.commit { transaction in
                    transaction.add(Self.table)
                    transaction.add(Self.senders.definition)
                    transaction.add((Self.vif, Self.mac), to: Self.senders)
                    transaction.delete([SetElement(SetKey(Self.vif, Self.mac))], of: "absent", of: Self.table)
                    transaction.add(ChainDefinition("after", in: Self.table))
                }
            } catch { caught = error }
            return (caught, try socket.tables())
        }
        #expect(error?.description == "delete element: netdev guests absent: No such file or directory")
        #expect(left.isEmpty)
    }

    @Test("a transaction for an older generation is refused, and so is a name the kernel does not take")
    func generations() async throws {
        try await withTestNamespace {
            var socket = try NftablesSocket()
            let before = try socket.generation()
            try socket.commit(generation: before) { $0.add(Self.table) }
            #expect(try socket.generation() == before + 1)
            let error = #expect(throws: NftablesError.self) {
                try socket.commit(generation: before) { $0.delete(Self.table) }
            }
            #expect(error?.isOutdated == true)
            #expect(try socket.tables() == [Self.table])
        }
    }

    @Test("devices join and leave a chain that is there; one that is yet to come may be named")
    func devices() async throws {
        try await withTestNamespace {
            try run("ip", "link", "add", "v1", "type", "veth", "peer", "name", "p1")
            var socket = try NftablesSocket()
            let chain = ChainDefinition("in", in: Self.table, hook: .ingress(-500))
            func devices() throws -> Set<String> { Set(try socket.chains(of: Self.table).flatMap(\.devices)) }
            try socket.commit { transaction in
                transaction.add(Self.table)
                transaction.add(chain)
            }
            #expect(try devices().isEmpty)
            try socket.commit { $0.add(devices: ["v1"], to: chain) }
            try socket.commit { $0.add(devices: ["v2"], to: chain) }
            #expect(try devices() == ["v1", "v2"])
            try socket.commit { $0.add(devices: ["v1"], to: chain) }
            try socket.commit { $0.delete(devices: ["v1"], from: chain) }
            #expect(try devices() == ["v2"])
        }
    }

    @Test(
        "more devices than the kernel takes in one request join a chain and leave it, and no listener is overrun"
    )
    func manyDevices() async throws {
        let events = try await withTestNamespace {
            var socket = try NftablesSocket()
            let chain = ChainDefinition("in", in: Self.table, hook: .ingress(-500))
            let names = (0..<600).map { "a-long-name\($0)" }
            let events = try NftablesEvents()
            try socket.commit { transaction in
                transaction.add(Self.table)
                transaction.add(chain)
                transaction.add(devices: names, to: chain)
            }
            #expect(Set(try socket.chains(of: Self.table).flatMap(\.devices)) == Set(names))
            try socket.commit { $0.delete(devices: Array(names.dropFirst()), from: chain) }
            #expect(try socket.chains(of: Self.table).flatMap(\.devices) == [names[0]])
            return events
        }
        var generations = 0
        for await event in events {
            #expect(event != .overrun)
            if case .generation = event { generations += 1 }
            if generations == 2 { break }
        }
    }

    @Test("a table with an owner that persists survives a flush, and its next owner takes it over")
    func owner() async throws {
        try await withTestNamespace {
            var socket = try NftablesSocket()
            try #require(try socket.knowsPersistentOwner())
            #expect(try socket.tables().isEmpty)
            try makeOwned()
            #expect(try socket.flags(of: Self.table) == [.persist])
            try socket.commit { $0.add(Self.table, flags: [.owner, .persist]) }
            try run("nft", "flush", "ruleset")
            #expect(try socket.flags(of: Self.table) == [.owner, .persist])
            #expect(try execute(["nft", "delete table netdev guests"]).status != 0)
            try socket.commit { $0.add(Self.table, flags: [.owner, .persist]) }
            try socket.commit { $0.delete(Self.table) }
            #expect(try socket.tables().isEmpty)
        }
    }

    private func makeOwned() throws {
        var socket = try NftablesSocket()
        try socket.commit { $0.add(Self.table, flags: [.owner, .persist]) }
    }

    @Test("more elements than one message can hold are split, counted and read back by key")
    func many() async throws {
        try await withTestNamespace {
            var socket = try NftablesSocket()
            let set = TypedSet<LinkName, IPv4Address>("many", in: Self.table, isCounting: true)
            let keys = (0..<5000).map { set.key(Self.vif, IPv4Address(value: 0x0a00_0000 + $0)) }
            try socket.commit { transaction in
                transaction.add(Self.table)
                transaction.add(set.definition)
                transaction.add(keys.map { SetElement($0) }, to: "many", of: Self.table)
            }
            let all = try socket.elements(of: "many", in: Self.table)
            #expect(all.count == 5000)
            #expect(all.allSatisfy { $0.counter == Counter(packets: 0, bytes: 0) })
            let absent = set.key(Self.vif, IPv4Address("192.0.2.1")!)
            #expect(
                try socket.elements([keys[7], absent, keys[4999]], of: "many", in: Self.table).count == 2)
        }
    }

    @Test("changes by others are told, with who made them")
    func events() async throws {
        let events = try await withTestNamespace {
            let events = try NftablesEvents()
            try run("nft", "table netdev guests { set names { type ifname; elements = { \"a0\" }; }; }")
            try run("nft", "delete table netdev guests")
            return events
        }
        var seen: [NftablesEvent] = []
        for await event in events {
            seen.append(event)
            if event == .tableDeleted(Self.table) { break }
        }
        #expect(seen.contains(.table(Self.table)))
        #expect(
            seen.contains {
                if case .elements(let list, "names", Self.table) = $0 { list.count == 1 } else { false }
            })
        #expect(seen.contains { if case .generation(_, _, "nft") = $0 { true } else { false } })
    }

    @Test("every expression is read back as it was sent")
    func roundTrip() async throws {
        let one = Register.first
        let two = Register(word: 4)
        let rules: [[Expression]] = [
            [
                .payload(.network, offset: 12, length: 4, destination: one),
                .compare(one, operation: .notEqual, value: [192, 0, 2, 1]),
            ],
            [
                .payload(.link, offset: 14, length: 2, destination: one),
                .bitwise(source: one, destination: one, mask: [0x0f, 0xff], xor: [0, 0]),
                .compare(one, operation: .equal, value: [0, 0]),
            ],
            [
                .extensionHeader(
                    ExtensionHeader(ExtensionHeader.fragment, offset: 2, length: 2), destination: one),
                .range(one, from: [0, 0], to: [1, 0]),
            ],
            [.immediate([1, 2, 3, 4], destination: two), .setMeta(key: .mark, source: two), .counter],
            [.meta(key: .inputName, destination: one), .map(set: "pins", source: one, destination: two)],
            [
                .meta(key: .inputName, destination: one),
                .payload(.network, offset: 8, length: 16, destination: two),
                .update(SetUpdate(.add, set: "pins", key: one, data: two)),
            ],
            [
                .object(.counter, name: "total"), .limit(Limit(3, burst: 9, isOver: true)),
                .log(Log(prefix: "x")), .verdict(.jump("other")),
            ],
            [.meta(key: .protocol, destination: one), .verdict(.return)],
        ]
        let read = try await withTestNamespace {
            var socket = try NftablesSocket()
            var pins = SetDefinition("pins", in: Self.table, key: [.linkName])
            pins.data = .value(.ipv6Address)
            pins.flags = [.dynamic]
            pins.size = 10
            try socket.commit { [pins] transaction in
                transaction.add(Self.table)
                transaction.add(ObjectDefinition("total", in: Self.table, .counter(packets: 0, bytes: 0)))
                transaction.add(pins)
                transaction.add(ChainDefinition("other", in: Self.table))
                transaction.add(ChainDefinition("all", in: Self.table))
                for rule in rules { transaction.add(rule: rule, to: "all", of: Self.table) }
            }
            return try socket.rules(of: Self.table, chain: "all").map(\.expressions)
        }
        #expect(read == rules)
    }
}
