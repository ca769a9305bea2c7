public import DrawbridgeModel
import Netlink
public import NetworkTypes
import Nftables
import RouteNetlink

/// A port of a bridge by which a guest gets back what it asked the host for.
public struct Hairpin: Hashable, Sendable {
    /// The port's name.
    public var device: LinkName
    /// The port's interface index.
    public var index: Int32
    /// The guest's hardware address: what is for this alone goes back to it.
    public var mac: MACAddress

    /// A port with the guest behind it.
    public init(device: LinkName, index: Int32, mac: MACAddress) {
        self.device = device
        self.index = index
        self.mac = mac
    }
}

/// Keeps what a guest sends from coming back to it by the port that br_netfilter's leading back needs: the kernel's
/// bridge floods such a port with what it sends itself.
///
/// There is such a table only while there are such ports. See docs/subnets.md.
enum HairpinTable {
    static let table = Table(.bridge, "drawbridge")
    /// Ports by which something goes back, each with itself.
    static let ports = TypedSet<LinkName, LinkName>("hairpins", in: table)
    /// The same with the guest's hardware address.
    static let guests = TypedSet<LinkName, LinkName, MACAddress>("led-back", in: table)
    static let chain = ChainDefinition("forward", in: table, hook: .forward(-200))

    private static let both: [Expression] = [
        .meta(key: .inputName, destination: .first),
        .meta(key: .outputName, destination: Register(word: 4)),
    ]
    static let rules: [[Expression]] = [
        both + [
            .payload(.link, offset: 0, length: 6, destination: Register(word: 8)),
            .lookup(set: guests.definition.name, source: .first), .verdict(.accept),
        ],
        both + [.lookup(set: ports.definition.name, source: .first), .verdict(.drop)],
    ]
}

extension HostAccess {
    /// Whether br_netfilter has rules for what is routed decide on what bridges pass on, and so has the bridge itself
    /// carry what a port of the host's leads to one of its guests.
    public func bridgesAreRouted() -> Bool {
        ["iptables", "ip6tables"].contains {
            text(ofFile: "/proc/sys/net/bridge/bridge-nf-call-\($0)")?.first == "1"
        }
    }

    /// Has these ports give back what is led to their own guests, and no others of those that are known.
    ///
    /// - Parameter known: the ports that may have done so until now.
    /// - Throws: `kernel` where nf_tables knows no bridges. A port that is none any more is left alone.
    public mutating func setHairpins(_ hairpins: [Hairpin], known: [Int32]) throws(DrawbridgeError) {
        let state = try hairpinState()
        guard state != nil || !hairpins.isEmpty else { return }
        // What comes back is dropped from before it could come until after.
        if !hairpins.isEmpty { try replaceHairpinTable(with: hairpins, state) }
        let wanted = Set(hairpins.map(\.index))
        var batch = RouteBatch()
        for index in wanted.union(known).sorted() {
            let isOn = wanted.contains(index)
            guard let link = try link(index: index), link.portKind == "bridge", link.port?.hairpin != isOn
            else { continue }
            var settings = LinkSettings()
            settings.port = BridgePortSettings()
            settings.port?.hairpin = isOn
            batch.set(index, settings)
        }
        if batch.count > 0 {
            traffic.sends += 1
            traffic.changes += batch.count
            do throws(NetlinkError) { _ = try route.commit(&batch) } catch {
                throw DrawbridgeError(error, about: "bridge", doing: "cannot lead back to a guest")
            }
        }
        if hairpins.isEmpty { try replaceHairpinTable(with: [], state) }
    }

    /// Deletes the table.
    mutating func removeHairpins() throws(DrawbridgeError) {
        guard let state = try hairpinState() else { return }
        try replaceHairpinTable(with: [], state)
    }

    private mutating func hairpinState() throws(DrawbridgeError) -> TableState? {
        traffic.reads += 1
        do { return try nftables.state(of: HairpinTable.table) } catch {
            throw DrawbridgeError(.kernel, "bridge", "its table cannot be read: \(error)")
        }
    }

    private mutating func replaceHairpinTable(
        with hairpins: [Hairpin], _ state: TableState?
    ) throws(DrawbridgeError) {
        let table = HairpinTable.table
        // One that an earlier daemon left must be taken over before it can be deleted.
        if let state, state.flags.contains(.persist), state.owner == nil {
            try changeHairpinTable { $0.add(table, flags: state.flags, comment: state.comment) }
        }
        let flags = filterLayout().tableFlags
        try changeHairpinTable { transaction in
            if state != nil { transaction.delete(table) }
            guard !hairpins.isEmpty else { return }
            transaction.add(table, flags: flags)
            transaction.add(HairpinTable.ports.definition)
            transaction.add(HairpinTable.guests.definition)
            transaction.add(HairpinTable.chain)
            for rule in HairpinTable.rules {
                transaction.add(rule: rule, to: HairpinTable.chain.name, of: table)
            }
            for one in hairpins {
                transaction.add((one.device, one.device), to: HairpinTable.ports)
                transaction.add((one.device, one.device, one.mac), to: HairpinTable.guests)
            }
        }
    }

    private mutating func changeHairpinTable(
        _ body: (inout NftablesTransaction) -> Void
    ) throws(DrawbridgeError) {
        var transaction = NftablesTransaction()
        body(&transaction)
        traffic.sends += 1
        traffic.changes += 1
        do throws(NftablesError) { try nftables.commit(&transaction) } catch {
            throw DrawbridgeError(
                .kernel, "bridge", "\(error)",
                advice: "the kernel needs nf_tables for bridges (NF_TABLES_BRIDGE)")
        }
    }
}
