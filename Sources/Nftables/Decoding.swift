/// How messages of nf_tables become values. Each takes what follows the `nfgenmsg` header; what is malformed is
/// left out, as the kernel alone writes it.
enum Decoding {
    static func table(_ family: Family, _ attributes: AttributeTable) -> Table? {
        attributes.text(1).map { Table(family, $0) }
    }

    static func chain(_ family: Family, _ attributes: AttributeTable) -> Chain? {
        guard let table = attributes.text(1), let name = attributes.text(3) else { return nil }
        var chain = Chain(table: Table(family, table), name: name)
        if let hook = attributes.nested(4) {
            chain.hook = hook.number(1)
            chain.priority = hook.number(2).map { Int32(bitPattern: $0) }
            // The kernel tells a lone device twice.
            let devices = hook.deviceNames(4)
            chain.devices = devices.isEmpty ? hook.text(3).map { [$0] } ?? [] : devices
            chain.type = attributes.text(7)
            chain.dropsByDefault = attributes.number(5) == 0
        }
        chain.comment = attributes.comment(12)
        return chain
    }

    static func rule(_ family: Family, _ attributes: AttributeTable) -> Rule? {
        guard let table = attributes.text(1), let chain = attributes.text(2),
            let handle = attributes.longNumber(3)
        else { return nil }
        var rule = Rule(table: Table(family, table), chain: chain, handle: handle)
        rule.expressions = attributes.expressions(4)
        rule.comment = attributes.comment(7)
        return rule
    }

    static func set(_ family: Family, _ attributes: AttributeTable) -> NamedSet? {
        guard let table = attributes.text(1), let name = attributes.text(2) else { return nil }
        var set = NamedSet(table: Table(family, table), name: name)
        set.flags = attributes.number(3) ?? 0
        set.keyType = attributes.number(4) ?? 0
        set.comment = attributes.comment(13, entry: 7)
        return set
    }

    static func elements(_ attributes: AttributeTable) -> [SetElement] {
        var elements: [SetElement] = []
        guard let list = attributes.bytes(3) else { return elements }
        AttributeTable.forEach(in: list) { _, content in
            let attributes = AttributeTable(content)
            guard let key = attributes.data(1) else { return }
            var element = SetElement(key: key)
            element.keyEnd = attributes.data(10)
            element.isIntervalEnd = (attributes.number(3) ?? 0) & 1 != 0
            element.data = attributes.elementData
            element.comment = attributes.comment(6)
            element.timeout = attributes.longNumber(4)
            element.expiration = attributes.longNumber(5)
            let own = attributes.nested(7).flatMap { ExpressionDecoding.decode($0) }
            for expression in [own].compactMap({ $0 }) + attributes.expressions(11) {
                switch expression {
                case .counter(let packets, let bytes):
                    element.counter = Counter(packets: packets, bytes: bytes)
                case .limit(let limit): element.limit = limit
                default: break
                }
            }
            elements.append(element)
        }
        return elements
    }

    static func object(_ family: Family, _ attributes: AttributeTable) -> NamedObject? {
        guard let table = attributes.text(1), let name = attributes.text(2), let kind = attributes.number(3)
        else { return nil }
        var object = NamedObject(
            table: Table(family, table), name: name, kind: ObjectKind(rawValue: kind))
        object.comment = attributes.comment(8)
        guard let data = attributes.nested(4) else { return object }
        switch object.kind {
        case .counter:
            object.counter = Counter(packets: data.longNumber(2) ?? 0, bytes: data.longNumber(1) ?? 0)
        case .limit: object.limit = data.limit
        default: break
        }
        return object
    }

    static func flowtable(_ family: Family, _ attributes: AttributeTable) -> Flowtable? {
        guard let table = attributes.text(1), let name = attributes.text(2) else { return nil }
        var flowtable = Flowtable(table: Table(family, table), name: name)
        flowtable.devices = attributes.nested(3)?.deviceNames(3) ?? []
        return flowtable
    }
}
