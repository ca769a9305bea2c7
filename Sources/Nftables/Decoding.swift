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
            chain.devices = (hook.text(3).map { [$0] } ?? []) + hook.deviceNames(4)
        }
        return chain
    }

    static func rule(_ family: Family, _ attributes: AttributeTable) -> Rule? {
        guard let table = attributes.text(1), let chain = attributes.text(2),
            let handle = attributes.longNumber(3)
        else { return nil }
        var rule = Rule(table: Table(family, table), chain: chain, handle: handle)
        if let list = attributes.bytes(4) {
            AttributeTable.forEach(in: list) { _, content in
                if let expression = expression(AttributeTable(content)) {
                    rule.expressions.append(expression)
                }
            }
        }
        return rule
    }

    static func expression(_ attributes: AttributeTable) -> Expression? {
        guard let name = attributes.text(1) else { return nil }
        let data = attributes.nested(2) ?? AttributeTable([])
        switch name {
        case "meta":
            guard let key = data.number(2), let destination = data.register(1) else { break }
            return .meta(key: MetaKey(rawValue: key), destination: destination)
        case "fib":
            // NFT_FIB_RESULT_OIF and NFT_FIB_RESULT_OIFNAME.
            guard let destination = data.register(1), let result = data.number(2), result == 1 || result == 2
            else { break }
            return .routeDevice(isName: result == 2, destination: destination)
        case "cmp":
            guard let source = data.register(1), let value = data.data(3) else { break }
            return .compare(source, operation: data.number(2) ?? 0, value: value)
        case "range":
            guard let source = data.register(1), let from = data.data(3), let to = data.data(4) else { break }
            return .range(source, from: from, to: to)
        case "lookup":
            guard let set = data.text(1), let source = data.register(2) else { break }
            return .lookup(set: set, source: source)
        case "payload", "ct", "rt", "exthdr", "osf", "xfrm", "numgen", "immediate":
            return .other(name, destination: data.register(1))
        case "socket", "tunnel", "hash":
            return .other(name, destination: data.register(2))
        default: break
        }
        // bitwise and byteorder change a value in its register; what it came from stays what it is about.
        return .other(name, destination: nil)
    }

    static func set(_ family: Family, _ attributes: AttributeTable) -> NamedSet? {
        guard let table = attributes.text(1), let name = attributes.text(2) else { return nil }
        var set = NamedSet(table: Table(family, table), name: name)
        set.flags = attributes.number(3) ?? 0
        set.keyType = attributes.number(4) ?? 0
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
            elements.append(element)
        }
        return elements
    }

    static func flowtable(_ family: Family, _ attributes: AttributeTable) -> Flowtable? {
        guard let table = attributes.text(1), let name = attributes.text(2) else { return nil }
        var flowtable = Flowtable(table: Table(family, table), name: name)
        flowtable.devices = attributes.nested(3)?.deviceNames(3) ?? []
        return flowtable
    }
}
