import Glibc
import LinuxHeaders
public import Netlink

extension NftablesSocket {
    /// Carries out a transaction, all of it or nothing.
    /// - Parameters:
    ///   - generation: The generation of the ruleset that it was made for; nil for any.
    ///   - body: Adds the requests; nothing is sent where it adds none.
    public mutating func commit(
        generation: UInt32? = nil, _ body: (inout NftablesTransaction) -> Void
    ) throws(NftablesError) {
        var transaction = NftablesTransaction(generation: generation)
        body(&transaction)
        try commit(&transaction)
    }

    /// Carries out a transaction, all of it or nothing; once.
    public mutating func commit(_ transaction: inout NftablesTransaction) throws(NftablesError) {
        guard !transaction.isEmpty else { return }
        transaction.finish()
        do throws(NetlinkError) {
            // The end of a batch is not acknowledged by every kernel; the last request is, once all is done.
            try connection.commit(&transaction.buffer, acknowledged: transaction.requests.count - 1)
        } catch {
            let place = error.index.flatMap { transaction.requests.indices.contains($0) ? $0 : nil }
            throw NftablesError(request: place.map { transaction.requests[$0] }, cause: error)
        }
    }

    /// The number that counts every change of the ruleset.
    public mutating func generation() throws(NetlinkError) -> UInt32 {
        var request = MessageBuffer(capacity: 64)
        request.message(type: Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(NFT_MSG_GETGEN.rawValue)) {
            $0.header(nfgenmsg(nfgen_family: 0, version: 0, res_id: 0))
        }
        var found: UInt32?
        try connection.commit(&request) { _, message throws(NetlinkError) in
            found = message.nftables?.attributes.number(1) ?? found
        }
        guard let found else { throw .malformed("the kernel did not tell its generation") }
        return found
    }

    /// Every table.
    public mutating func tables() throws(NetlinkError) -> [Table] {
        try dump(NFT_MSG_GETTABLE, Decoding.table)
    }

    /// Whether a table is there, and whose: its flags.
    public mutating func flags(of table: Table) throws(NetlinkError) -> TableFlags? {
        let all = try dump(NFT_MSG_GETTABLE, family: table.family) { family, attributes in
            attributes.text(1) == table.name && family == table.family
                ? TableFlags(rawValue: attributes.number(2) ?? 0) : nil
        }
        return all.first
    }

    /// What a table is; nil where it is not there.
    public mutating func state(of table: Table) throws(NetlinkError) -> TableState? {
        let all = try dump(NFT_MSG_GETTABLE, family: table.family) { family, attributes in
            attributes.text(1) == table.name && family == table.family
                ? TableState(
                    flags: TableFlags(rawValue: attributes.number(2) ?? 0), comment: attributes.comment(6),
                    owner: attributes.number(7)) : nil
        }
        return all.first
    }

    /// The chains of a table.
    public mutating func chains(of table: Table) throws(NetlinkError) -> [Chain] {
        try dump(NFT_MSG_GETCHAIN, family: table.family, Decoding.chain).filter { $0.table == table }
    }

    /// The rules of a table, or of one chain of it.
    public mutating func rules(of table: Table, chain: String? = nil) throws(NetlinkError) -> [Rule] {
        try dump(NFT_MSG_GETRULE, family: table.family, Decoding.rule) { request in
            request.put(1, string: table.name)
            if let chain { request.put(2, string: chain) }
        }
    }

    /// The sets and maps of a table, without their elements.
    public mutating func sets(of table: Table) throws(NetlinkError) -> [NamedSet] {
        try dump(NFT_MSG_GETSET, family: table.family, Decoding.set) { $0.put(1, string: table.name) }
    }

    /// The elements of a set with their counters.
    /// - Throws: `refused` with ENOENT where the set is not there.
    public mutating func elements(
        of set: String, in table: Table
    ) throws(NetlinkError) -> [SetElement] {
        let lists = try dump(
            NFT_MSG_GETSETELEM, family: table.family, { _, attributes in Decoding.elements(attributes) },
            naming: { request in
                request.put(1, string: table.name)
                request.put(2, string: set)
            })
        return lists.flatMap { $0 }
    }

    /// The elements of these keys, as many as are there: one request each, all in one send.
    public mutating func elements(
        _ keys: [SetKey], of set: String, in table: Table
    ) throws(NetlinkError) -> [SetElement] {
        var request = MessageBuffer()
        for key in keys {
            request.message(type: Int(NFNL_SUBSYS_NFTABLES) << 8 | Int(NFT_MSG_GETSETELEM.rawValue)) {
                message in
                message.header(nfgenmsg(nfgen_family: table.family.rawValue, version: 0, res_id: 0))
                message.put(1, string: table.name)
                message.put(2, string: set)
                message.nest(3) { $0.put(1, SetElement(key)) }
            }
        }
        var found: [SetElement] = []
        do throws(NetlinkError) {
            try connection.commit(&request) { _, message throws(NetlinkError) in
                if let answer = message.nftables { found += Decoding.elements(answer.attributes) }
            }
        } catch {
            // A key that is not there.
            guard error.refusals.allSatisfy({ $0.errno == ENOENT }), !error.refusals.isEmpty else {
                throw error
            }
        }
        return found
    }

    /// The named objects of a table with what they have counted.
    public mutating func objects(of table: Table) throws(NetlinkError) -> [NamedObject] {
        try dump(NFT_MSG_GETOBJ, family: table.family, Decoding.object) { $0.put(1, string: table.name) }
    }

    /// Whether the kernel knows a table that has an owner and stays when it goes (Linux 6.9). Nothing is left
    /// behind by the question.
    public mutating func knowsPersistentOwner() throws(NftablesError) -> Bool {
        let probe = Table(.netdev, "drawbridge-probe-\(getpid())")
        do throws(NftablesError) {
            try commit { transaction in
                transaction.add(probe, flags: [.owner, .persist])
                transaction.delete(probe)
            }
            return true
        } catch {
            if error.errno == EOPNOTSUPP || error.errno == EINVAL { return false }
            throw error
        }
    }
}

extension Message {
    /// The family and attributes of a message of nf_tables.
    var nftables: (family: Family, attributes: AttributeTable)? {
        guard let header = header(as: nfgenmsg.self) else { return nil }
        let octets = unsafe payload.withUnsafeBytes { unsafe [UInt8]($0.dropFirst(4)) }
        return (Family(rawValue: header.nfgen_family), AttributeTable(octets[...]))
    }
}
