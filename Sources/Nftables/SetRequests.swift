import LinuxHeaders
import Netlink

extension NftablesTransaction {
    /// Makes a set or map. One that is there stays, if it is of the same kind.
    public mutating func add(_ set: SetDefinition) {
        let named = NftablesRequest("add set", set.table, set.name)
        // The number by which the rest of a batch could name an anonymous set; the kernel wants one of every set.
        let identity = UInt32(truncatingIfNeeded: requests.count)
        request(NFT_MSG_NEWSET, flags: NLM_F_CREATE, named, set.table.family) { message in
            message.put(1, string: set.table.name)
            message.put(2, string: set.name)
            message.put(3, bigEndian: set.allFlags.rawValue)
            message.put(4, bigEndian: set.keyType)
            message.put(5, bigEndian: UInt32(truncatingIfNeeded: set.keyLength))
            switch set.data {
            case nil: break
            case .verdict:
                message.put(6, bigEndian: UInt32(0xffff_ff00))
                message.put(7, bigEndian: UInt32(16))
            case .value(let type):
                message.put(6, bigEndian: type.number)
                message.put(7, bigEndian: UInt32(truncatingIfNeeded: type.length))
            case .object(let kind): message.put(15, bigEndian: kind.rawValue)
            }
            message.put(10, bigEndian: identity)
            if set.size != nil || set.key.count > 1 {
                message.nest(9) { description in
                    if let size = set.size { description.put(1, bigEndian: size) }
                    guard set.key.count > 1 else { return }
                    description.nest(2) { fields in
                        for type in set.key {
                            fields.nest(1) { $0.put(1, bigEndian: UInt32(truncatingIfNeeded: type.length)) }
                        }
                    }
                }
            }
            if let timeout = set.timeout { message.put(11, bigEndian: timeout) }
            message.put(13, bytes: set.userData)
            if set.expressions.count == 1 { message.put(17, set.expressions[0]) }
            if set.expressions.count > 1 { message.put(18, expressions: set.expressions) }
        }
    }

    /// Deletes a set or map that no rule refers to.
    public mutating func delete(set name: String, of table: Table) {
        request(NFT_MSG_DELSET, NftablesRequest("delete set", table, name), table.family) {
            $0.put(1, string: table.name)
            $0.put(2, string: name)
        }
    }

    /// Adds elements. Those that are there stay; the kernel refuses one that would map a key to something else.
    /// - Parameter isExclusive: Refuses those that are there (`NLM_F_EXCL`).
    public mutating func add(
        _ elements: [SetElement], to set: String, of table: Table, isExclusive: Bool = false
    ) {
        let flags = NLM_F_CREATE | (isExclusive ? NLM_F_EXCL : 0)
        put(elements, NFT_MSG_NEWSETELEM, flags, NftablesRequest("add element", table, set))
    }

    /// Deletes elements; the kernel refuses one that is not there.
    public mutating func delete(_ elements: [SetElement], of set: String, of table: Table) {
        put(elements, NFT_MSG_DELSETELEM, 0, NftablesRequest("delete element", table, set))
    }

    /// Deletes every element of a set.
    public mutating func flush(set name: String, of table: Table) {
        request(NFT_MSG_DELSETELEM, NftablesRequest("flush set", table, name), table.family) {
            $0.put(1, string: table.name)
            $0.put(2, string: name)
        }
    }

    /// Adds an element to a set whose keys the compiler knows.
    public mutating func add<each Part: SetKeyPart>(
        _ key: (repeat each Part), to set: TypedSet<repeat each Part>, data: SetElement.Data? = nil
    ) {
        var element = SetElement(key: SetKey(repeat each key).octets)
        element.data = data
        add([element], to: set.definition.name, of: set.definition.table)
    }

    /// Deletes an element of a set whose keys the compiler knows.
    public mutating func delete<each Part: SetKeyPart>(
        _ key: (repeat each Part), of set: TypedSet<repeat each Part>
    ) {
        delete(
            [SetElement(key: SetKey(repeat each key).octets)], of: set.definition.name,
            of: set.definition.table)
    }

    private mutating func put(
        _ elements: [SetElement], _ kind: nf_tables_msg_types, _ flags: Int32, _ named: NftablesRequest
    ) {
        guard let table = named.table, let set = named.name else { return }
        var index = 0
        while index < elements.count {
            request(kind, flags: flags, named, table.family) { message in
                message.put(1, string: table.name)
                message.put(2, string: set)
                message.nest(3) { list in
                    // A list is one attribute, whose length has 16 bits: the rest goes into another message.
                    let start = list.byteCount
                    while index < elements.count, list.byteCount - start < 60_000 {
                        list.put(1, elements[index])
                        index += 1
                    }
                }
            }
        }
    }
}

extension MessageBuffer {
    mutating func put(_ type: Int, _ element: SetElement) {
        nest(type) { message in
            message.put(1, value: element.key)
            switch element.data {
            case nil: break
            case .value(let octets): message.put(2, value: octets)
            case .verdict(let verdict): message.put(2, verdict: verdict)
            case .object(let name): message.put(9, string: name)
            }
            if element.isIntervalEnd { message.put(3, bigEndian: UInt32(1)) }
            if let timeout = element.timeout { message.put(4, bigEndian: timeout) }
            if let comment = element.comment { message.put(6, comment: comment) }
            if let limit = element.limit { message.put(7, .limit(limit)) }
            if let end = element.keyEnd { message.put(10, value: end) }
        }
    }
}
