import Glibc
import LinuxHeaders

/// A table in the family netdev that sends the frames of one device on to another, as they come in and before
/// anything but taps and queueing disciplines has seen them (`nft_fwd_netdev` in net/netfilter).
public struct IngressForwarding: Hashable, Sendable {
    /// The name of the table.
    public var table: String
    /// The name of the device that the frames come in by.
    public var device: String
    /// The index of the one that they leave by.
    public var destination: Int32
    /// Whether frames with a VLAN tag stay what they are.
    public var onlyUntagged: Bool

    public init(table: String, from device: String, to destination: Int32, onlyUntagged: Bool = false) {
        self.table = table
        self.device = device
        self.destination = destination
        self.onlyUntagged = onlyUntagged
    }

    /// Behind every filter: what they drop is not sent on.
    static let priority: Int32 = 0x7fff_0000
}

extension NftablesSocket {
    /// Installs it, in place of a table of the same name.
    ///
    /// - Throws: `NftablesError`; `EOPNOTSUPP` or `ENOENT` where the kernel cannot do it.
    public mutating func install(_ forwarding: IngressForwarding) throws(NftablesError) {
        let table = Table(.netdev, forwarding.table)
        let hook = Hook.ingress(IngressForwarding.priority, devices: [forwarding.device])
        try commit { transaction in
            // Made first, so that there is one to delete.
            transaction.add(table)
            transaction.delete(table)
            transaction.add(table)
            transaction.add(ChainDefinition("ingress", in: table, hook: hook))
            transaction.add(rule: forwarding.expressions, to: "ingress", of: table)
        }
    }

    /// Removes it; nothing happens where it is not there.
    public mutating func remove(forwarding table: String) throws(NftablesError) {
        do throws(NftablesError) {
            try commit { $0.delete(Table(.netdev, table)) }
        } catch {
            if error.errno != ENOENT { throw error }
        }
    }
}

extension IngressForwarding {
    fileprivate var expressions: [Expression] {
        var expressions: [Expression] = []
        if onlyUntagged {
            // The type in the Ethernet header; a tag that the driver took off is seen here all the same.
            expressions.append(.payload(.link, offset: 12, length: 2, destination: .first))
            for type in [ETH_P_8021Q, ETH_P_8021AD] {
                let octets = [UInt8(type >> 8), UInt8(type & 0xff)]
                expressions.append(.compare(.first, operation: .notEqual, value: octets))
            }
        }
        let index = unsafe withUnsafeBytes(of: destination) { unsafe [UInt8]($0) }
        return expressions + [.immediate(index, destination: .first), .forward(device: .first)]
    }
}
