import Glibc
import LinuxHeaders
public import Netlink

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
    /// - Throws: `NetlinkError`; `EOPNOTSUPP` or `ENOENT` where the kernel cannot do it.
    public mutating func install(_ forwarding: IngressForwarding) throws(NetlinkError) {
        try transact { batch in
            // Made first, so that there is one to delete.
            batch.table(forwarding.table, NFT_MSG_NEWTABLE)
            batch.table(forwarding.table, NFT_MSG_DELTABLE)
            batch.table(forwarding.table, NFT_MSG_NEWTABLE)
            batch.ingressChain(forwarding)
            batch.rule(forwarding)
        }
    }

    /// Removes it; nothing happens where it is not there.
    public mutating func remove(forwarding table: String) throws(NetlinkError) {
        do throws(NetlinkError) {
            try transact { $0.table(table, NFT_MSG_DELTABLE) }
        } catch {
            if error.errno != ENOENT { throw error }
        }
    }

    private mutating func transact(_ build: (inout MessageBuffer) -> Void) throws(NetlinkError) {
        var batch = MessageBuffer()
        batch.message(type: Int(NFNL_MSG_BATCH_BEGIN)) { $0.batchHeader() }
        build(&batch)
        batch.message(type: Int(NFNL_MSG_BATCH_END)) { $0.batchHeader() }
        // The end of a batch is not acknowledged by every kernel; what stands before it is.
        let last = batch.messageCount - 2
        try connection.commit(&batch, acknowledged: last)
    }
}

extension MessageBuffer {
    fileprivate mutating func batchHeader() {
        header(nfgenmsg(nfgen_family: 0, version: 0, res_id: UInt16(NFNL_SUBSYS_NFTABLES).bigEndian))
    }

    private mutating func request(
        _ kind: nf_tables_msg_types, flags: Int32 = 0, _ body: (inout MessageBuffer) -> Void
    ) {
        message(type: Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(kind.rawValue), flags: flags) { message in
            message.header(nfgenmsg(nfgen_family: Family.netdev.rawValue, version: 0, res_id: 0))
            body(&message)
        }
    }

    fileprivate mutating func table(_ name: String, _ kind: nf_tables_msg_types) {
        request(kind, flags: kind == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0) {
            $0.put(.kernel(NFTA_TABLE_NAME), string: name)
        }
    }

    fileprivate mutating func ingressChain(_ forwarding: IngressForwarding) {
        request(NFT_MSG_NEWCHAIN, flags: NLM_F_CREATE) { message in
            message.put(.kernel(NFTA_CHAIN_TABLE), string: forwarding.table)
            message.put(.kernel(NFTA_CHAIN_NAME), string: "ingress")
            message.nest(.kernel(NFTA_CHAIN_HOOK)) { hook in
                hook.put(.kernel(NFTA_HOOK_HOOKNUM), bigEndian: UInt32(NF_NETDEV_INGRESS.rawValue))
                hook.put(.kernel(NFTA_HOOK_PRIORITY), bigEndian: IngressForwarding.priority)
                hook.put(.kernel(NFTA_HOOK_DEV), string: forwarding.device)
            }
            message.put(.kernel(NFTA_CHAIN_TYPE), string: "filter")
        }
    }

    fileprivate mutating func rule(_ forwarding: IngressForwarding) {
        request(NFT_MSG_NEWRULE, flags: NLM_F_CREATE | NLM_F_APPEND) { message in
            message.put(.kernel(NFTA_RULE_TABLE), string: forwarding.table)
            message.put(.kernel(NFTA_RULE_CHAIN), string: "ingress")
            message.nest(.kernel(NFTA_RULE_EXPRESSIONS)) { expressions in
                if forwarding.onlyUntagged {
                    // The type in the Ethernet header; a tag that the driver took off is seen here all the same.
                    expressions.expression("payload") { data in
                        data.put(.kernel(NFTA_PAYLOAD_DREG), bigEndian: UInt32(NFT_REG_1.rawValue))
                        data.put(
                            .kernel(NFTA_PAYLOAD_BASE), bigEndian: UInt32(NFT_PAYLOAD_LL_HEADER.rawValue))
                        data.put(.kernel(NFTA_PAYLOAD_OFFSET), bigEndian: UInt32(12))
                        data.put(.kernel(NFTA_PAYLOAD_LEN), bigEndian: UInt32(2))
                    }
                    for type in [ETH_P_8021Q, ETH_P_8021AD] {
                        expressions.expression("cmp") { data in
                            data.put(.kernel(NFTA_CMP_SREG), bigEndian: UInt32(NFT_REG_1.rawValue))
                            data.put(.kernel(NFTA_CMP_OP), bigEndian: UInt32(NFT_CMP_NEQ.rawValue))
                            data.nest(.kernel(NFTA_CMP_DATA)) { value in
                                value.put(.kernel(NFTA_DATA_VALUE), bigEndian: UInt16(type))
                            }
                        }
                    }
                }
                expressions.expression("immediate") { data in
                    data.put(.kernel(NFTA_IMMEDIATE_DREG), bigEndian: UInt32(NFT_REG_1.rawValue))
                    data.nest(.kernel(NFTA_IMMEDIATE_DATA)) {
                        $0.put(.kernel(NFTA_DATA_VALUE), forwarding.destination)
                    }
                }
                expressions.expression("fwd") { data in
                    data.put(.kernel(NFTA_FWD_SREG_DEV), bigEndian: UInt32(NFT_REG_1.rawValue))
                }
            }
        }
    }

    private mutating func expression(_ name: String, _ body: (inout MessageBuffer) -> Void) {
        nest(.kernel(NFTA_LIST_ELEM)) { element in
            element.put(.kernel(NFTA_EXPR_NAME), string: name)
            element.nest(.kernel(NFTA_EXPR_DATA), body)
        }
    }
}

extension Int {
    /// The number of an attribute.
    fileprivate static func kernel<Attribute: RawRepresentable<UInt32>>(_ attribute: Attribute) -> Int {
        Int(attribute.rawValue)
    }
}
