import Glibc
import LinuxHeaders
import Netlink

/// Requests to nf_tables that are carried out all together or not at all.
///
///     try nftables.commit { transaction in
///         transaction.add(device: "vif3.1", to: guests)
///         transaction.add((vif, mac), to: senders)
///     }
public struct NftablesTransaction: ~Copyable {
    var buffer: MessageBuffer
    /// What each message asks, in order.
    var requests: [NftablesRequest] = []

    /// Begins a transaction.
    /// - Parameter generation: The generation of the ruleset that it was made for
    ///   (``NftablesSocket/generation()``); the kernel refuses it where others changed something since.
    public init(generation: UInt32? = nil) {
        buffer = MessageBuffer(capacity: 8192)
        requests.reserveCapacity(16)
        buffer.message(type: Int(NFNL_MSG_BATCH_BEGIN)) { message in
            message.header(Self.batchHeader)
            // NFNL_BATCH_GENID.
            if let generation { message.put(1, bigEndian: generation) }
        }
        requests.append(NftablesRequest("begin"))
    }

    /// Whether it asks for nothing.
    public var isEmpty: Bool { requests.count < 2 }

    /// How many requests it holds.
    public var count: Int { requests.count - 1 }

    /// A number made of all that was asked so far (FNV-1a): the same for the same requests.
    public var fingerprint: UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        let octets = buffer.bytes
        for index in 0..<octets.byteCount {
            hash =
                (hash ^ UInt64(unsafe octets.unsafeLoad(fromByteOffset: index, as: UInt8.self)))
                &* 0x100_0000_01b3
        }
        return hash
    }

    static var batchHeader: nfgenmsg {
        nfgenmsg(nfgen_family: 0, version: 0, res_id: UInt16(NFNL_SUBSYS_NFTABLES).bigEndian)
    }

    /// Ends the batch, once.
    mutating func finish() {
        buffer.message(type: Int(NFNL_MSG_BATCH_END)) { $0.header(Self.batchHeader) }
    }

    mutating func request(
        _ kind: nf_tables_msg_types, flags: Int32 = 0, _ request: NftablesRequest, _ family: Family,
        _ body: (inout MessageBuffer) -> Void
    ) {
        requests.append(request)
        buffer.message(type: Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(kind.rawValue), flags: flags) { message in
            message.header(nfgenmsg(nfgen_family: family.rawValue, version: 0, res_id: 0))
            body(&message)
        }
    }

    // MARK: Tables

    /// Makes a table. One that is there stays, with its flags: an orphan that persists gets this socket as its
    /// owner.
    public mutating func add(_ table: Table, flags: TableFlags = [], comment: String? = nil) {
        request(NFT_MSG_NEWTABLE, flags: NLM_F_CREATE, NftablesRequest("add table", table), table.family) {
            $0.put(1, string: table.name)
            $0.put(2, bigEndian: flags.rawValue)
            if let comment { $0.put(6, comment: comment) }
        }
    }

    /// Deletes a table with all it holds.
    public mutating func delete(_ table: Table) {
        request(NFT_MSG_DELTABLE, NftablesRequest("delete table", table), table.family) {
            $0.put(1, string: table.name)
        }
    }

    // MARK: Chains

    /// Makes a chain. One that is there stays, and a base chain gets the devices that are new to it.
    public mutating func add(_ chain: ChainDefinition) {
        let named = NftablesRequest("add chain", chain.table, chain.name)
        request(NFT_MSG_NEWCHAIN, flags: NLM_F_CREATE, named, chain.table.family) { message in
            message.put(1, string: chain.table.name)
            message.put(3, string: chain.name)
            if let hook = chain.hook {
                message.put(hook)
                message.put(5, bigEndian: UInt32(chain.dropsByDefault ? 0 : 1))
                message.put(7, string: chain.type)
            }
            if let comment = chain.comment { message.put(12, comment: comment) }
        }
    }

    /// Adds devices to a base chain of the netdev family, or to one at ingress (Linux 6.4); those it has already
    /// stay. Since Linux 6.16 a device need not exist yet. Many are more than one request.
    public mutating func add(devices: [String], to chain: ChainDefinition) {
        let named = NftablesRequest("add device to chain", chain.table, chain.name)
        for hook in chain.hooks(of: devices) {
            request(NFT_MSG_NEWCHAIN, flags: NLM_F_CREATE, named, chain.table.family) { message in
                message.put(1, string: chain.table.name)
                message.put(3, string: chain.name)
                message.put(hook)
                message.put(7, string: chain.type)
            }
        }
    }

    /// Takes devices off a base chain; the kernel refuses one that is not on it (Linux 6.4). Many are more than one
    /// request.
    public mutating func delete(devices: [String], from chain: ChainDefinition) {
        let named = NftablesRequest("delete device of chain", chain.table, chain.name)
        for hook in chain.hooks(of: devices) {
            request(NFT_MSG_DELCHAIN, named, chain.table.family) { message in
                message.put(1, string: chain.table.name)
                message.put(3, string: chain.name)
                message.put(hook)
            }
        }
    }

    /// Deletes a chain, which no rule may refer to; its rules go with it.
    public mutating func delete(chain name: String, of table: Table) {
        request(NFT_MSG_DELCHAIN, NftablesRequest("delete chain", table, name), table.family) {
            $0.put(1, string: table.name)
            $0.put(3, string: name)
        }
    }

    // MARK: Rules

    /// Adds a rule at the end of a chain.
    public mutating func add(
        rule expressions: [Expression], to chain: String, of table: Table, comment: String? = nil
    ) {
        let named = NftablesRequest("add rule", table, chain)
        request(NFT_MSG_NEWRULE, flags: NLM_F_CREATE | NLM_F_APPEND, named, table.family) { message in
            message.put(1, string: table.name)
            message.put(2, string: chain)
            message.put(4, expressions: expressions)
            if let comment { message.put(7, comment: comment) }
        }
    }

    /// Adds a rule at the beginning of a chain.
    public mutating func insert(rule expressions: [Expression], in chain: String, of table: Table) {
        let named = NftablesRequest("insert rule", table, chain)
        request(NFT_MSG_NEWRULE, flags: NLM_F_CREATE, named, table.family) { message in
            message.put(1, string: table.name)
            message.put(2, string: chain)
            message.put(4, expressions: expressions)
        }
    }

    /// Deletes one rule, or every rule of a chain.
    public mutating func delete(rule handle: UInt64?, of chain: String, of table: Table) {
        request(NFT_MSG_DELRULE, NftablesRequest("delete rule", table, chain), table.family) { message in
            message.put(1, string: table.name)
            message.put(2, string: chain)
            if let handle { message.put(3, bigEndian: handle) }
        }
    }

    // MARK: Objects

    /// Makes a named object. One that is there stays.
    public mutating func add(_ object: ObjectDefinition) {
        let named = NftablesRequest("add object", object.table, object.name)
        request(NFT_MSG_NEWOBJ, flags: NLM_F_CREATE, named, object.table.family) { message in
            message.put(1, string: object.table.name)
            message.put(2, string: object.name)
            message.put(3, bigEndian: object.kind.rawValue)
            message.nest(4) { data in
                switch object.content {
                case .counter(let packets, let bytes): data.putCounter(packets, bytes)
                case .limit(let limit): data.put(limit)
                }
            }
            if let comment = object.comment { message.put(8, comment: comment) }
        }
    }

    /// Deletes a named object that nothing refers to.
    public mutating func delete(object name: String, _ kind: ObjectKind, of table: Table) {
        request(NFT_MSG_DELOBJ, NftablesRequest("delete object", table, name), table.family) { message in
            message.put(1, string: table.name)
            message.put(2, string: name)
            message.put(3, bigEndian: kind.rawValue)
        }
    }
}

extension MessageBuffer {
    /// Adds a comment as nft(8) keeps it: user data of one entry of type 0, ended by a NUL.
    mutating func put(_ type: Int, comment: String, entry: UInt8 = 0) {
        let text = Array(comment.utf8.prefix(127)) + [0]
        put(type, bytes: [entry, UInt8(text.count)] + text)
    }

    /// Adds a hook with its devices.
    mutating func put(_ hook: Hook) {
        nest(4) { message in
            message.put(1, bigEndian: hook.number)
            message.put(2, bigEndian: hook.priority)
            guard !hook.devices.isEmpty else { return }
            message.nest(4) { for device in hook.devices { $0.put(1, string: device) } }
        }
    }
}

extension ChainDefinition {
    /// The most devices that one request names: the kernel takes 255 (`NFT_NETDEVICE_MAX` in
    /// net/netfilter/nf_tables_api.c), and more than would fit into its notification (`NLMSG_GOODSIZE`) have every
    /// listener told that something was lost.
    private static let mostDevices = 128

    /// The chain's hook for each part of many devices.
    fileprivate func hooks(of devices: [String]) -> [Hook] {
        guard let hook else { return [] }
        return stride(from: 0, to: devices.count, by: Self.mostDevices).map { start in
            var part = hook
            part.devices = Array(devices[start..<min(start + Self.mostDevices, devices.count)])
            return part
        }
    }
}
