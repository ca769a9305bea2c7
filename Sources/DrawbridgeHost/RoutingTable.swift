public import DrawbridgeModel
import Netlink
public import NetworkTypes
import Nftables

/// What comes for a port of the host's, and where it goes instead.
public struct PortTranslation: Hashable, Sendable {
    public var transport: TransportProtocol
    public var port: UInt16
    /// The guest's address.
    public var address: IPAddress
    public var targetPort: UInt16

    public init(_ transport: TransportProtocol, port: UInt16, to address: IPAddress, port targetPort: UInt16)
    {
        self.transport = transport
        self.port = port
        self.address = address
        self.targetPort = targetPort
    }
}

/// A vif, or the bridge of a subnet, as the table of routed networks knows it.
public struct RoutedGuest: Hashable, Sendable {
    /// The host's end, or the bridge.
    public var device: LinkName
    /// Whether it reaches other guests.
    public var reachesGuests: Bool
    /// The interface behind whose address its guest goes out, and besides which it reaches nothing; nil for a guest
    /// that is routed as it is.
    public var exit: LinkName?
    /// Whether it is the bridge of a subnet, whose guests are connected by it.
    public var isBridge = false
    /// The addresses that its guests go out by; those of the exit where there are none.
    public var sources: [IPAddress] = []

    public init(device: LinkName, reachesGuests: Bool, exit: LinkName? = nil) {
        self.device = device
        self.reachesGuests = reachesGuests
        self.exit = exit
    }
}

extension HostAccess {
    /// Makes the table where it is not there, or is of another version, and takes over one of an earlier daemon's.
    public mutating func prepareRouting() throws(DrawbridgeError) {
        let table = RoutingTable.table
        let flags = filterLayout().tableFlags
        let state = try routingState()
        if let state, state.comment == RoutingTable.comment {
            guard !isRoutingTakenOver, state.flags == flags, !flags.isEmpty else { return }
            try changeRouting { $0.add(table, flags: flags, comment: RoutingTable.comment) }
            isRoutingTakenOver = true
            return
        }
        try changeRouting { transaction in
            if state != nil { transaction.delete(table) }
            transaction.add(table, flags: flags, comment: RoutingTable.comment)
            for set in RoutingTable.sets { transaction.add(set) }
            for (chain, rules) in RoutingTable.chains {
                transaction.add(chain)
                for rule in rules { transaction.add(rule: rule, to: chain.name, of: table) }
            }
        }
        isRoutingTakenOver = true
    }

    /// Lets guests reach what they may, before their routes are there. One that was known under the same name is
    /// changed in the same transaction.
    public mutating func admit(_ guests: [RoutedGuest]) throws(DrawbridgeError) {
        guard !guests.isEmpty else { return }
        try prepareRouting()
        try changeRouting { transaction in
            for guest in guests {
                transaction.forget(guest)
                transaction.add(guest)
            }
        }
    }

    /// Takes guests out of the table, whatever it holds of them.
    public mutating func expel(_ guests: [RoutedGuest]) throws(DrawbridgeError) {
        guard !guests.isEmpty, try routingState() != nil else { return }
        try prepareRouting()
        try changeRouting { transaction in for guest in guests { transaction.forget(guest) } }
    }

    /// Makes the table hold these guests and nobody else, in one transaction: what a daemon that was killed left in it
    /// of a vif that nobody was told of goes.
    public mutating func resetRouting(to guests: [RoutedGuest]) throws(DrawbridgeError) {
        try prepareRouting()
        try changeRouting { transaction in
            for set in RoutingTable.sets where !RoutingTable.isForwards(set) {
                transaction.flush(set: set.name, of: RoutingTable.table)
            }
            for guest in guests { transaction.add(guest) }
        }
    }

    /// Makes the host lead these ports to guests and no others, in one transaction.
    public mutating func setForwards(_ forwards: [PortTranslation]) throws(DrawbridgeError) {
        try prepareRouting()
        try changeRouting { transaction in
            for set in RoutingTable.sets where RoutingTable.isForwards(set) {
                transaction.flush(set: set.name, of: RoutingTable.table)
            }
            for forward in forwards { transaction.add(forward) }
        }
    }

    /// Deletes the table, once no routed network is left, and that of bridges with it.
    public mutating func removeRouting() throws(DrawbridgeError) {
        try removeHairpins()
        isRoutingTakenOver = false
        guard let state = try routingState() else { return }
        // One that an earlier daemon left must be taken over before it can be deleted.
        if state.flags.contains(.persist), state.owner == nil {
            try changeRouting { $0.add(RoutingTable.table, flags: state.flags, comment: state.comment) }
        }
        try changeRouting { $0.delete(RoutingTable.table) }
    }

    private mutating func routingState() throws(DrawbridgeError) -> TableState? {
        traffic.reads += 1
        do { return try nftables.state(of: RoutingTable.table) } catch {
            throw DrawbridgeError(.kernel, "routing", "its table cannot be read: \(error)")
        }
    }

    private mutating func changeRouting(
        _ body: (inout NftablesTransaction) -> Void
    ) throws(DrawbridgeError) {
        var transaction = NftablesTransaction()
        body(&transaction)
        traffic.sends += 1
        // A batch is carried out whole or not at all: one request.
        traffic.changes += 1
        do throws(NftablesError) { try nftables.commit(&transaction) } catch {
            throw DrawbridgeError(
                .kernel, "routing", "\(error)",
                advice: "the kernel needs nf_tables with nat and masquerade (nft_masq, nft_nat)")
        }
    }
}

extension NftablesTransaction {
    fileprivate mutating func add(_ guest: RoutedGuest) {
        add(guest.device, to: RoutingTable.guests)
        if !guest.reachesGuests { add(guest.device, to: RoutingTable.isolated) }
        if guest.isBridge { add((guest.device, guest.device), to: RoutingTable.inside) }
        guard let exit = guest.exit else { return }
        add(guest.device, to: RoutingTable.confined)
        add((guest.device, exit), to: RoutingTable.exits)
        guard guest.isBridge else { return }
        add(guest.device, to: RoutingTable.sheltered)
        for source in guest.sources {
            let data = SetElement.Data.value(source.octets)
            switch source {
            case .ipv4: add((guest.device, exit), to: RoutingTable.sources, data: data)
            case .ipv6: add((guest.device, exit), to: RoutingTable.sources6, data: data)
            }
        }
    }

    /// What is added can be deleted, whether it was there or not.
    fileprivate mutating func forget(_ guest: RoutedGuest) {
        for set in [
            RoutingTable.guests, RoutingTable.isolated, RoutingTable.confined, RoutingTable.sheltered,
        ] {
            add(guest.device, to: set)
            delete(guest.device, of: set)
        }
        if guest.isBridge {
            add((guest.device, guest.device), to: RoutingTable.inside)
            delete((guest.device, guest.device), of: RoutingTable.inside)
        }
        guard let exit = guest.exit else { return }
        add((guest.device, exit), to: RoutingTable.exits)
        delete((guest.device, exit), of: RoutingTable.exits)
        for source in guest.sources {
            let data = SetElement.Data.value(source.octets)
            switch source {
            case .ipv4:
                add((guest.device, exit), to: RoutingTable.sources, data: data)
                delete((guest.device, exit), of: RoutingTable.sources)
            case .ipv6:
                add((guest.device, exit), to: RoutingTable.sources6, data: data)
                delete((guest.device, exit), of: RoutingTable.sources6)
            }
        }
    }

    fileprivate mutating func add(_ forward: PortTranslation) {
        var target = forward.address.octets + Port(forward.targetPort).keyOctets
        target += [UInt8](repeating: 0, count: -target.count & 3)
        let key = (Transport(forward.transport), Port(forward.port))
        switch forward.address {
        case .ipv4: add(key, to: RoutingTable.forwards, data: .value(target))
        case .ipv6: add(key, to: RoutingTable.forwards6, data: .value(target))
        }
    }
}
