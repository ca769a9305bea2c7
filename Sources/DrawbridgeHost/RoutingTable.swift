public import DrawbridgeModel
import Netlink
public import NetworkTypes
import Nftables

/// Drawbridge's own table for routed and NAT networks: which guests reach what through the host, and which of them go
/// out by the host's address. A fixed ruleset of three rules; a vif is elements of its sets.
enum RoutingTable {
    static let table = Table(.inet, "drawbridge")
    /// The version of the rules: a table of another one is replaced.
    static let comment = "Drawbridge routing 1"
    static let forward = ChainDefinition("forward", in: table, hook: .forward(0))
    static let postrouting: ChainDefinition = {
        var chain = ChainDefinition("postrouting", in: table, hook: .postrouting(100))
        chain.type = "nat"
        return chain
    }()
    /// Every vif that is routed to.
    static let guests = TypedSet<LinkName>("guests", in: table)
    /// The vifs that reach no other.
    static let isolated = TypedSet<LinkName>("isolated", in: table)
    /// The vifs that reach nothing but their uplink.
    static let confined = TypedSet<LinkName>("confined", in: table)
    /// The uplinks of NAT networks by their vifs.
    static let exits = TypedSet<LinkName, LinkName>("exits", in: table)

    private static let input = Expression.meta(key: .inputName, destination: .first)
    private static let output = Expression.meta(key: .outputName, destination: .first)
    /// The key of `exits`: two names of 16 octets.
    private static let both = [
        input, Expression.meta(key: .outputName, destination: Register(word: 4)),
    ]
    private static func isIn(_ set: String, isInverted: Bool = false) -> Expression {
        .lookup(set: set, source: .first, isInverted: isInverted)
    }

    static let forwardRules: [[Expression]] = [
        [input, isIn("isolated"), output, isIn("guests"), .counter, .drop],
        [input, isIn("confined")] + both + [isIn("exits", isInverted: true), .counter, .drop],
    ]
    static let postroutingRules: [[Expression]] = [both + [isIn("exits"), .counter, .masquerade]]
}

/// A vif as the table of routed networks knows it.
public struct RoutedGuest: Hashable, Sendable {
    /// The host's end.
    public var device: LinkName
    /// Whether it reaches other guests.
    public var reachesGuests: Bool
    /// The interface behind whose address its guest goes out, and besides which it reaches nothing; nil for a guest
    /// that is routed as it is.
    public var exit: LinkName?

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
            for set in [RoutingTable.guests, RoutingTable.isolated, RoutingTable.confined] {
                transaction.add(set.definition)
            }
            transaction.add(RoutingTable.exits.definition)
            transaction.add(RoutingTable.forward)
            transaction.add(RoutingTable.postrouting)
            for rule in RoutingTable.forwardRules { transaction.add(rule: rule, to: "forward", of: table) }
            for rule in RoutingTable.postroutingRules {
                transaction.add(rule: rule, to: "postrouting", of: table)
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
            for set in ["guests", "isolated", "confined", "exits"] {
                transaction.flush(set: set, of: RoutingTable.table)
            }
            for guest in guests { transaction.add(guest) }
        }
    }

    /// Deletes the table, once no routed network is left.
    public mutating func removeRouting() throws(DrawbridgeError) {
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
        guard let exit = guest.exit else { return }
        add(guest.device, to: RoutingTable.confined)
        add((guest.device, exit), to: RoutingTable.exits)
    }

    /// What is added can be deleted, whether it was there or not.
    fileprivate mutating func forget(_ guest: RoutedGuest) {
        for set in [RoutingTable.guests, RoutingTable.isolated, RoutingTable.confined] {
            add(guest.device, to: set)
            delete(guest.device, of: set)
        }
        guard let exit = guest.exit else { return }
        add((guest.device, exit), to: RoutingTable.exits)
        delete((guest.device, exit), of: RoutingTable.exits)
    }
}
