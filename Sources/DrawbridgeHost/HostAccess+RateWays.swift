public import DrawbridgeModel
import Netlink
public import NetworkTypes
import Nftables

/// The way that what a vif receives goes: to the device that limits it.
public struct RateWay: Hashable, Sendable {
    /// The vif's device, by its name and index.
    public var device: LinkName
    public var index: Int32
    /// The index of the device that limits it.
    public var shaper: Int32

    public init(device: LinkName, index: Int32, shaper: Int32) {
        self.device = device
        self.index = index
        self.shaper = shaper
    }
}

/// The table that leads what vifs receive to what limits them: a chain for each on its ingress hook, behind all that
/// filters it.
///
/// Not by an ingress qdisc: that comes before the hook, and what an ifb gives back does not pass either of them again
/// (`skb_skip_tc_classify` in net/core/dev.c), so that a limited vif would not be filtered.
private enum RateTable {
    static let table = Table(.netdev, "drawbridge-rates")

    static func chain(_ device: LinkName) -> ChainDefinition {
        ChainDefinition(device.rawValue, in: table, hook: .ingress(-400, devices: [device.rawValue]))
    }

    static func rule(_ shaper: Int32) -> [Expression] {
        let octets = (0..<4).map {
            UInt8(truncatingIfNeeded: UInt32(bitPattern: shaper).littleEndian >> (8 * $0))
        }
        return [.immediate(octets, destination: .first), .forward(device: .first)]
    }
}

extension HostAccess {
    /// Leads what a vif receives to what limits it, in place of another way; nil for none.
    ///
    /// - Parameter isLast: whether no other vif is limited, so that the table goes with the last way.
    /// - Returns: the way that it goes now; nil where what was to limit it is not there.
    public mutating func lead(
        _ way: RateWay?, insteadOf old: RateWay?, isLast: Bool
    ) throws(DrawbridgeError) -> RateWay? {
        var way = way
        if let wanted = way, try link(index: wanted.shaper) == nil { way = nil }
        guard way != old else { return way }
        let flags = filterLayout().tableFlags
        if let way {
            try changeWays { transaction in
                transaction.add(RateTable.table, flags: flags)
                let chain = RateTable.chain(way.device)
                transaction.add(chain)
                transaction.delete(rule: nil, of: chain.name, of: RateTable.table)
                transaction.add(rule: RateTable.rule(way.shaper), to: chain.name, of: RateTable.table)
            }
        }
        if let old, old.device != way?.device {
            // A chain may have gone with its device.
            try? changeWays { transaction in
                transaction.add(RateTable.table, flags: flags)
                transaction.delete(chain: old.device.rawValue, of: RateTable.table)
            }
        }
        if way == nil, isLast { try removeWays(except: []) }
        return way
    }

    /// Refuses where the kernel cannot lead frames from one device to another, before anything changes.
    public mutating func demandWays() throws(DrawbridgeError) {
        let table = Table(.netdev, "drawbridge-ways-probe")
        do throws(DrawbridgeError) {
            try changeWays { transaction in
                transaction.add(table)
                transaction.add(ChainDefinition("probe", in: table))
                transaction.add(rule: RateTable.rule(1), to: "probe", of: table)
                transaction.delete(table)
            }
        } catch {
            throw DrawbridgeError(
                .unsupported, "rate", "the kernel cannot lead what a vif sends to a limit: \(error.cause)",
                advice: "it needs nf_tables with fwd in the family netdev (nft_fwd_netdev)")
        }
    }

    /// Removes the ways of devices that no vif has, which a daemon that was killed left, and the table with the last.
    public mutating func removeWays(except devices: Set<LinkName>) throws(DrawbridgeError) {
        let flags = filterLayout().tableFlags
        let chains = try readFilter { access throws(NetlinkError) in
            guard try access.nftables.state(of: RateTable.table) != nil else { return [String]?.none }
            return try access.nftables.chains(of: RateTable.table).map(\.name)
        }
        guard let chains else { return }
        let others = chains.filter { name in !devices.contains { $0.rawValue == name } }
        let isUnused = others.count == chains.count
        guard isUnused || !others.isEmpty else { return }
        try changeWays { transaction in
            transaction.add(RateTable.table, flags: flags)
            if isUnused {
                transaction.delete(RateTable.table)
            } else {
                for name in others { transaction.delete(chain: name, of: RateTable.table) }
            }
        }
    }

    private mutating func changeWays(
        _ body: (inout NftablesTransaction) -> Void
    ) throws(DrawbridgeError) {
        var transaction = NftablesTransaction()
        body(&transaction)
        traffic.sends += 1
        // A batch is carried out whole or not at all: one request.
        traffic.changes += 1
        do throws(NftablesError) { try nftables.commit(&transaction) } catch {
            throw DrawbridgeError(.kernel, "rate", "\(error)")
        }
    }
}
