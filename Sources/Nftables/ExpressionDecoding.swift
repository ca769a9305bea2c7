/// How expressions of the kernel become values.
enum ExpressionDecoding {
    static func decode(_ attributes: AttributeTable) -> Expression? {
        guard let name = attributes.text(1) else { return nil }
        let data = attributes.nested(2) ?? AttributeTable([])
        return decode(name, data) ?? .other(name, destination: data.register(name.destinationAttribute))
    }

    private static func decode(_ name: String, _ data: AttributeTable) -> Expression? {
        switch name {
        case "meta":
            guard let key = data.number(2).map(MetaKey.init) else { return nil }
            if let source = data.register(3) { return .setMeta(key: key, source: source) }
            return data.register(1).map { .meta(key: key, destination: $0) }
        case "payload":
            guard let destination = data.register(1), let base = data.number(2).flatMap(PayloadBase.init),
                let offset = data.number(3), let length = data.number(4)
            else { return nil }
            return .payload(base, offset: offset, length: length, destination: destination)
        case "exthdr":
            guard let destination = data.register(1), let type = data.octet(2), let offset = data.number(3),
                let length = data.number(4)
            else { return nil }
            return .extensionHeader(
                ExtensionHeader(
                    type, offset: offset, length: length, isPresence: data.number(5) == 1,
                    kind: data.number(6) ?? 0),
                destination: destination)
        case "ct":
            guard let destination = data.register(1), let key = data.number(2) else { return nil }
            return .connection(
                key: ConnectionKey(rawValue: key), direction: data.octet(3), destination: destination)
        case "fib":
            guard let destination = data.register(1), let result = data.number(2) else { return nil }
            // NFT_FIB_RESULT_ADDRTYPE of NFTA_FIB_F_DADDR alone.
            if result == 3, data.number(3) == 2 { return .destinationType(destination: destination) }
            // NFT_FIB_RESULT_OIF and NFT_FIB_RESULT_OIFNAME.
            guard result == 1 || result == 2 else { return nil }
            return .routeDevice(isName: result == 2, destination: destination)
        case "bitwise":
            guard let source = data.register(1), let destination = data.register(2),
                let mask = data.data(4), let xor = data.data(5)
            else { return nil }
            return .bitwise(source: source, destination: destination, mask: mask, xor: xor)
        case "cmp":
            guard let source = data.register(1), let value = data.data(3),
                let operation = Comparison(rawValue: data.number(2) ?? 0)
            else { return nil }
            return .compare(source, operation: operation, value: value)
        case "range":
            guard let source = data.register(1), let from = data.data(3), let to = data.data(4) else {
                return nil
            }
            return .range(source, from: from, to: to)
        case "lookup":
            guard let set = data.text(1), let source = data.register(2) else { return nil }
            switch data.number(3) {
            case nil: return .lookup(set: set, source: source, isInverted: (data.number(5) ?? 0) & 1 != 0)
            case 0: return .verdictMap(set: set, source: source)
            default: return data.register(3).map { .map(set: set, source: source, destination: $0) }
            }
        case "immediate":
            if data.number(1) == 0 { return data.verdict(2).map(Expression.verdict) }
            guard let destination = data.register(1), let value = data.data(2) else { return nil }
            return .immediate(value, destination: destination)
        case "counter": return .counter(packets: data.longNumber(2) ?? 0, bytes: data.longNumber(1) ?? 0)
        case "limit": return data.limit.map(Expression.limit)
        case "log":
            let group = data.shortNumber(1)
            return .log(Log(prefix: data.text(2), level: group == nil ? data.number(5) : nil, group: group))
        case "objref":
            if let kind = data.number(1), let name = data.text(2) {
                return .object(ObjectKind(rawValue: kind), name: name)
            }
            guard let source = data.register(3), let set = data.text(4) else { return nil }
            return .objectMap(set: set, source: source)
        case "dynset":
            guard let set = data.text(1), let key = data.register(4),
                let operation = data.number(3).flatMap(SetUpdate.Operation.init)
            else { return nil }
            let own = data.nested(7).flatMap { decode($0) }
            return .update(
                SetUpdate(
                    operation, set: set, key: key, data: data.register(5),
                    timeout: data.longNumber(6).flatMap { $0 == 0 ? nil : $0 },
                    expressions: own.map { [$0] } ?? data.expressions(10)))
        case "masq": return .masquerade
        case "nat":
            // Ranges of addresses or ports, and flags beyond those that follow from the rest, are not known here.
            guard let type = data.number(1), let family = data.number(2), let address = data.register(3),
                data.register(4).map({ $0 == address }) ?? true,
                data.register(6) == data.register(5), (data.number(7) ?? 0) & ~3 == 0
            else { return nil }
            return .translate(
                Translation(
                    isOfDestination: type == 1, isIPv6: family == 10, address: address, port: data.register(5)
                ))
        case "match":
            guard let match = data.text(1), let info = data.bytes(3) else { return nil }
            return .match(match, revision: data.number(2) ?? 0, info: Array(info))
        case "fwd": return data.register(1).map { .forward(device: $0) }
        default: return nil
        }
    }
}

extension String {
    /// Which attribute of an expression names the register that it overwrites.
    fileprivate var destinationAttribute: UInt16 {
        switch self {
        case "socket", "tunnel", "hash", "bitwise", "byteorder": 2
        default: 1
        }
    }
}

extension Expression {
    /// The register that it overwrites.
    var destination: Register? {
        switch self {
        case .meta(_, let register), .payload(_, _, _, let register), .extensionHeader(_, let register),
            .connection(_, _, let register), .routeDevice(_, let register), .destinationType(let register),
            .map(_, _, let register),
            .immediate(_, let register), .bitwise(_, let register, _, _):
            register
        case .other("byteorder", _): nil
        case .other(_, let register): register
        default: nil
        }
    }
}

extension AttributeTable {
    func octet(_ type: UInt16) -> UInt8? { bytes(type).flatMap { $0.count == 1 ? $0.first : nil } }

    func shortNumber(_ type: UInt16) -> UInt16? {
        bytes(type).flatMap { $0.count == 2 ? $0.reduce(0) { $0 << 8 | UInt16($1) } : nil }
    }

    /// A verdict (`NFTA_DATA_VERDICT`) within a data attribute.
    func verdict(_ type: UInt16) -> Verdict? {
        nested(type)?.nested(2).flatMap { Self.verdict(in: $0) }
    }

    /// The verdict of its own attributes (`NFTA_VERDICT_*`).
    static func verdict(in verdict: AttributeTable) -> Verdict? {
        guard let code = verdict.number(1) else { return nil }
        switch (Int32(bitPattern: code), verdict.text(2)) {
        case (0, _): return .drop
        case (1, _): return .accept
        case (-1, _): return .continue
        case (-5, _): return .return
        case (-3, let chain?): return .jump(chain)
        case (-4, let chain?): return .goto(chain)
        default: return nil
        }
    }

    /// What a map's element leads to.
    var elementData: SetElement.Data? {
        if let name = text(9) { return .object(name) }
        if let verdict = verdict(2) { return .verdict(verdict) }
        return data(2).map { .value($0) }
    }

    var limit: Limit? {
        guard let rate = longNumber(1), let seconds = longNumber(2) else { return nil }
        return Limit(
            rate, perSeconds: seconds, burst: number(3) ?? 0, isBytes: number(4) == 1,
            isOver: (number(5) ?? 0) & 1 != 0)
    }

    /// A list of expressions.
    func expressions(_ type: UInt16) -> [Expression] {
        var expressions: [Expression] = []
        guard let list = bytes(type) else { return expressions }
        Self.forEach(in: list) { _, content in
            if let expression = ExpressionDecoding.decode(AttributeTable(content)) {
                expressions.append(expression)
            }
        }
        return expressions
    }

    /// A comment as nft(8) keeps it among user data.
    func comment(_ type: UInt16, entry: UInt8 = 0) -> String? {
        guard var rest = bytes(type) else { return nil }
        while rest.count >= 2 {
            let start = rest.startIndex
            let length = Int(rest[start + 1])
            guard rest.count >= 2 + length else { return nil }
            if rest[start] == entry {
                return String(
                    decoding: rest[(start + 2)..<(start + 2 + length)].prefix { $0 != 0 }, as: UTF8.self)
            }
            rest = rest.dropFirst(2 + length)
        }
        return nil
    }
}
