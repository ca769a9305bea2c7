import Glibc
import LinuxHeaders
public import Netlink

/// A socket to nf_tables in the network namespace of the thread that opened it.
public struct NftablesSocket: ~Copyable {
    var connection: NetlinkConnection<NetlinkSocket>

    /// The port that its requests come from, by which their notifications are known.
    public var port: UInt32 { connection.transport.port }

    /// Opens it.
    public init() throws(NetlinkError) {
        connection = NetlinkConnection(try NetlinkSocket(.netfilter))
    }

    /// Reads every table, chain, rule, set with its elements, and flowtable.
    ///
    /// - Throws: `NetlinkError`; a kernel without nf_tables gives an empty ruleset.
    public mutating func ruleset() throws(NetlinkError) -> Ruleset {
        var ruleset = Ruleset()
        do throws(NetlinkError) {
            ruleset.tables = try dump(NFT_MSG_GETTABLE, Decoding.table)
        } catch {
            // EINVAL and EOPNOTSUPP: nothing listens to the subsystem.
            if let code = error.errno, [EINVAL, EOPNOTSUPP, EPROTONOSUPPORT].contains(code) {
                return ruleset
            }
            throw error
        }
        guard !ruleset.tables.isEmpty else { return ruleset }
        ruleset.chains = try dump(NFT_MSG_GETCHAIN, Decoding.chain)
        ruleset.rules = try dump(NFT_MSG_GETRULE, Decoding.rule)
        ruleset.sets = try dump(NFT_MSG_GETSET, Decoding.set)
        ruleset.flowtables = try dump(NFT_MSG_GETFLOWTABLE, Decoding.flowtable)
        for index in ruleset.sets.indices {
            let set = ruleset.sets[index]
            do throws(NetlinkError) {
                ruleset.sets[index].elements = try elements(of: set.name, in: set.table)
            } catch {
                // The set went away since it was listed.
                if error.errno != ENOENT { throw error }
            }
        }
        return ruleset
    }

    mutating func dump<Element>(
        _ kind: nf_tables_msg_types, family: Family = Family(rawValue: 0),
        _ decode: (Family, AttributeTable) -> Element?,
        naming: (inout MessageBuffer) -> Void = { _ in }
    ) throws(NetlinkError) -> [Element] {
        var request = MessageBuffer()
        let type = Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(kind.rawValue)
        request.message(type: type) { request in
            request.header(nfgenmsg(nfgen_family: family.rawValue, version: 0, res_id: 0))
            naming(&request)
        }
        return try connection.dump(&request) { message throws(NetlinkError) in
            message.nftables.flatMap { decode($0.family, $0.attributes) }
        }
    }
}
