public import DrawbridgeModel
public import NetworkTypes

/// Which addresses of a network are whose. A guest is known by its hardware address, and gets the same addresses again
/// whenever it comes, until they are needed for somebody else: then those go first that were away for longest.
public struct AddressBook: Hashable, Sendable, Codable {
    /// What a guest has, or had when it was there last.
    public struct Holding: Hashable, Sendable, Codable {
        public var mac: MACAddress
        /// At most one of each family, IPv4 first.
        public var addresses: [IPAddress]
        /// The vif that it was connected by.
        public var vif: VifID
        /// The name by which others find it.
        public var name: String

        public init(mac: MACAddress, addresses: [IPAddress], vif: VifID, name: String) {
            self.mac = mac
            self.addresses = addresses
            self.vif = vif
            self.name = name
        }
    }

    /// In the order in which they were given, the latest last.
    public private(set) var holdings: [Holding] = []

    /// Nobody has any.
    public init() {}

    /// What this guest has, or had.
    public subscript(mac: MACAddress) -> Holding? { holdings.first { $0.mac == mac } }

    /// The addresses that were somebody else's in an earlier book.
    public func reassigned(since earlier: AddressBook) -> Set<IPAddress> {
        var owners: [IPAddress: MACAddress] = [:]
        for holding in earlier.holdings { for address in holding.addresses { owners[address] = holding.mac } }
        return holdings.reduce(into: []) { result, holding in
            result.formUnion(holding.addresses.filter { owners[$0].map { $0 != holding.mac } ?? false })
        }
    }

    /// Gives a guest an address of each family that the network has and that is not asked for.
    ///
    /// - Parameters:
    ///   - asked: what the guest is told to have; single addresses of the network are given to it and to nobody else.
    ///   - isInUse: whether the guest of this hardware address is connected.
    /// - Returns: what the guest has beyond what was asked.
    /// - Throws: `refused` where every address is in use, or one that is asked for is the host's or another's.
    public mutating func give(
        to vif: VifID, mac: MACAddress, name: String, asked: [Prefix], of space: AddressSpace,
        isInUse: (MACAddress) -> Bool
    ) throws(PlanningError) -> [Prefix] {
        var own: [IPAddress] = []
        var given: [Prefix] = []
        for prefix in space.addresses.sorted(by: { $0.family == .ipv4 && $1.family != .ipv4 }) {
            let told = asked.filter { $0.family == prefix.family }
            if let first = told.first(where: { $0.length == $0.family.bits && prefix.contains($0.address) }) {
                try claim(first.address, for: mac, at: vif, in: prefix, of: space, isInUse: isInUse)
                own.append(first.address)
            }
            guard told.isEmpty else { continue }
            let address = try choose(
                for: mac, at: vif, in: prefix, besides: own, of: space, isInUse: isInUse)
            own.append(address)
            given.append(Prefix(host: address))
        }
        holdings.removeAll { $0.mac == mac }
        holdings.append(Holding(mac: mac, addresses: own, vif: vif, name: name))
        return given
    }

    /// Takes an address for a guest that is told to have it.
    private mutating func claim(
        _ address: IPAddress, for mac: MACAddress, at vif: VifID, in prefix: Prefix, of space: AddressSpace,
        isInUse: (MACAddress) -> Bool
    ) throws(PlanningError) {
        func refused(_ cause: String) -> PlanningError {
            .refused(
                DrawbridgeError(
                    .invalidArgument, "\(vif): ip", "\(address) \(cause)", advice: "give it another"))
        }
        if address == prefix.address { throw refused("is the host's own address on \(prefix.network)") }
        if address == space.router { throw refused("is the router's address on \(prefix.network)") }
        if !prefix.isHost(address) { throw refused("is no address of a guest on \(prefix.network)") }
        for index in holdings.indices
        where holdings[index].addresses.contains(address) && holdings[index].mac != mac {
            if isInUse(holdings[index].mac) { throw refused("is that of \(holdings[index].vif)") }
            holdings[index].addresses.removeAll { $0 == address }
        }
        holdings.removeAll { $0.addresses.isEmpty }
    }

    private mutating func choose(
        for mac: MACAddress, at vif: VifID, in prefix: Prefix, besides own: [IPAddress],
        of space: AddressSpace,
        isInUse: (MACAddress) -> Bool
    ) throws(PlanningError) -> IPAddress {
        let reserved = space.reservations.filter { $0.mac != mac }.flatMap(\.addresses)
        if let kept = space.reservations.first(where: { $0.mac == mac })?.addresses
            .first(where: { prefix.contains($0) })
        {
            try claim(kept, for: mac, at: vif, in: prefix, of: space, isInUse: isInUse)
            return kept
        }
        if let kept = self[mac]?.addresses.first(where: {
            space.gives($0, of: prefix) && !reserved.contains($0)
        }) {
            return kept
        }
        var taken = Set(holdings.flatMap(\.addresses))
        taken.formUnion(reserved)
        taken.insert(prefix.address)
        // The IPv6 address ends as the IPv4 one does, where that is free: people remember it by that.
        if prefix.family == .ipv6, let first = own.first, let ipv4 = space.address(.ipv4),
            let twin = prefix.host(first.offset(in: ipv4)), !taken.contains(twin)
        {
            return twin
        }
        var offset = space.pool.map { $0.lowerBound.offset(in: prefix) } ?? 1
        while let address = prefix.host(offset), space.pool.map({ address <= $0.upperBound }) ?? true {
            if !taken.contains(address), address != space.router { return address }
            offset += 1
        }
        // Those that are not there any more give way, the one that was away for longest first.
        if let index = holdings.firstIndex(where: { holding in
            !isInUse(holding.mac)
                && holding.addresses.contains { space.gives($0, of: prefix) && !reserved.contains($0) }
        }), let address = holdings[index].addresses.first(where: { prefix.contains($0) }) {
            holdings.remove(at: index)
            return address
        }
        throw .refused(
            DrawbridgeError(
                .conflict, "\(vif)", "every address of \(space.words(for: prefix)) is given to somebody",
                advice: "make \(space.pool == nil ? "the subnet" : "the pool") larger, or remove a vif"))
    }
}

extension AddressSpace {
    /// Whether a guest may be given this address unasked.
    fileprivate func gives(_ address: IPAddress, of prefix: Prefix) -> Bool {
        prefix.isHost(address) && address != prefix.address && address != router
            && (pool?.contains(address) ?? true)
    }

    /// What addresses are given of, in words.
    fileprivate func words(for prefix: Prefix) -> String {
        pool.map { "\($0.lowerBound)-\($0.upperBound)" } ?? "\(prefix.network)"
    }
}

extension Prefix {
    /// Whether a guest can have this address of the network: neither the network's own nor everybody's.
    func isHost(_ address: IPAddress) -> Bool {
        contains(address) && address != network.address && (family == .ipv6 || address != last)
    }

    /// The address at a distance from the network's own; nil beyond its last host.
    func host(_ offset: UInt64) -> IPAddress? {
        let address: IPAddress
        switch network.address {
        case .ipv4(let base):
            guard offset <= UInt64(UInt32.max - base.value) else { return nil }
            address = .ipv4(IPv4Address(value: base.value + UInt32(offset)))
        case .ipv6(let base): address = .ipv6(IPv6Address(value: base.value + UInt128(offset)))
        }
        return offset > 0 && isHost(address) ? address : nil
    }
}

extension IPAddress {
    /// How far it is from the address of a network that holds it.
    fileprivate func offset(in prefix: Prefix) -> UInt64 {
        switch (self, prefix.network.address) {
        case (.ipv4(let own), .ipv4(let base)): UInt64(own.value &- base.value)
        case (.ipv6(let own), .ipv6(let base)): UInt64(truncatingIfNeeded: own.value &- base.value)
        default: 0
        }
    }
}
