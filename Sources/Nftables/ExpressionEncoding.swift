import LinuxHeaders
import Netlink

extension MessageBuffer {
    /// Adds a list of expressions (`NFTA_LIST_ELEM`) as an attribute.
    mutating func put(_ type: Int, expressions: [Expression]) {
        nest(type) { list in
            for expression in expressions { list.put(1, expression) }
        }
    }

    /// Adds an expression: its name and its own attributes.
    mutating func put(_ type: Int, _ expression: Expression) {
        switch expression {
        case .meta(let key, let destination):
            put(type, "meta") {
                $0.put(1, bigEndian: destination.number)
                $0.put(2, bigEndian: key.rawValue)
            }
        case .setMeta(let key, let source):
            put(type, "meta") {
                $0.put(2, bigEndian: key.rawValue)
                $0.put(3, bigEndian: source.number)
            }
        case .payload(let base, let offset, let length, let destination):
            put(type, "payload") {
                $0.put(1, bigEndian: destination.number)
                $0.put(2, bigEndian: base.rawValue)
                $0.put(3, bigEndian: offset)
                $0.put(4, bigEndian: length)
            }
        case .extensionHeader(let header, let destination):
            put(type, "exthdr") {
                $0.put(1, bigEndian: destination.number)
                $0.put(2, header.type)
                $0.put(3, bigEndian: header.offset)
                $0.put(4, bigEndian: header.length)
                if header.isPresence { $0.put(5, bigEndian: UInt32(1)) }
                if header.kind != 0 { $0.put(6, bigEndian: header.kind) }
            }
        case .connection(let key, let direction, let destination):
            put(type, "ct") {
                $0.put(1, bigEndian: destination.number)
                $0.put(2, bigEndian: key.rawValue)
                if let direction { $0.put(3, direction) }
            }
        case .routeDevice(let isName, let destination):
            put(type, "fib") {
                $0.put(1, bigEndian: destination.number)
                $0.put(2, bigEndian: UInt32(isName ? 2 : 1))
                // NFTA_FIB_F_SADDR: the route back.
                $0.put(3, bigEndian: UInt32(1))
            }
        case .destinationType(let destination):
            put(type, "fib") {
                $0.put(1, bigEndian: destination.number)
                // NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR.
                $0.put(2, bigEndian: UInt32(3))
                $0.put(3, bigEndian: UInt32(2))
            }
        case .bitwise(let source, let destination, let mask, let xor):
            put(type, "bitwise") {
                $0.put(1, bigEndian: source.number)
                $0.put(2, bigEndian: destination.number)
                $0.put(3, bigEndian: UInt32(truncatingIfNeeded: mask.count))
                $0.put(4, value: mask)
                $0.put(5, value: xor)
            }
        case .compare(let register, let operation, let value):
            put(type, "cmp") {
                $0.put(1, bigEndian: register.number)
                $0.put(2, bigEndian: operation.rawValue)
                $0.put(3, value: value)
            }
        case .range(let register, let from, let to):
            put(type, "range") {
                $0.put(1, bigEndian: register.number)
                $0.put(2, bigEndian: UInt32(0))
                $0.put(3, value: from)
                $0.put(4, value: to)
            }
        case .lookup(let set, let source, let isInverted):
            put(type, "lookup") {
                $0.put(1, string: set)
                $0.put(2, bigEndian: source.number)
                if isInverted { $0.put(5, bigEndian: UInt32(1)) }
            }
        case .map(let set, let source, let destination):
            put(type, "lookup") {
                $0.put(1, string: set)
                $0.put(2, bigEndian: source.number)
                $0.put(3, bigEndian: destination.number)
            }
        case .verdictMap(let set, let source):
            put(type, "lookup") {
                $0.put(1, string: set)
                $0.put(2, bigEndian: source.number)
                $0.put(3, bigEndian: UInt32(0))
            }
        case .immediate(let value, let destination):
            put(type, "immediate") {
                $0.put(1, bigEndian: destination.number)
                $0.put(2, value: value)
            }
        case .verdict(let verdict):
            put(type, "immediate") {
                $0.put(1, bigEndian: UInt32(0))
                $0.put(2, verdict: verdict)
            }
        case .counter(let packets, let bytes):
            put(type, "counter") { $0.putCounter(packets, bytes) }
        case .limit(let limit): put(type, "limit") { $0.put(limit) }
        case .log(let log):
            put(type, "log") {
                if let group = log.group { $0.put(1, bigEndian: group) }
                if let prefix = log.prefix { $0.put(2, string: prefix) }
                if let level = log.level { $0.put(5, bigEndian: level) }
            }
        case .object(let kind, let name):
            put(type, "objref") {
                $0.put(1, bigEndian: kind.rawValue)
                $0.put(2, string: name)
            }
        case .objectMap(let set, let source):
            put(type, "objref") {
                $0.put(3, bigEndian: source.number)
                $0.put(4, string: set)
            }
        case .update(let update): put(type, "dynset") { $0.put(update) }
        case .masquerade: put(type, "masq") { _ in }
        case .translate(let translation):
            put(type, "nat") {
                $0.put(1, bigEndian: UInt32(translation.isOfDestination ? 1 : 0))
                $0.put(2, bigEndian: UInt32(translation.isIPv6 ? 10 : 2))
                $0.put(3, bigEndian: translation.address.number)
                if let port = translation.port { $0.put(5, bigEndian: port.number) }
            }
        case .forward(let device): put(type, "fwd") { $0.put(1, bigEndian: device.number) }
        case .match(let name, let revision, let info):
            put(type, "match") {
                $0.put(1, string: name)
                $0.put(2, bigEndian: revision)
                $0.put(3, bytes: info)
            }
        case .other(let name, _):
            fail(.unsupported("an expression \"\(name)\" was read, and cannot be sent"))
        }
    }

    private mutating func put(_ type: Int, _ name: String, _ body: (inout MessageBuffer) -> Void) {
        nest(type) {
            $0.put(1, string: name)
            $0.nest(2, body)
        }
    }

    /// Adds a data attribute that holds octets (`NFTA_DATA_VALUE`).
    mutating func put(_ type: Int, value: [UInt8]) {
        nest(type) { $0.put(1, bytes: value) }
    }

    /// Adds a data attribute that holds a verdict (`NFTA_DATA_VERDICT`).
    mutating func put(_ type: Int, verdict: Verdict) {
        nest(type) {
            $0.nest(2) {
                $0.put(1, bigEndian: verdict.code)
                if let chain = verdict.chain { $0.put(2, string: chain) }
            }
        }
    }

    mutating func putCounter(_ packets: UInt64, _ bytes: UInt64) {
        put(1, bigEndian: bytes)
        put(2, bigEndian: packets)
    }

    mutating func put(_ limit: Limit) {
        put(1, bigEndian: limit.rate)
        put(2, bigEndian: limit.seconds)
        put(3, bigEndian: limit.burst)
        put(4, bigEndian: UInt32(limit.isBytes ? 1 : 0))
        put(5, bigEndian: UInt32(limit.isOver ? 1 : 0))
    }

    private mutating func put(_ update: SetUpdate) {
        put(1, string: update.set)
        put(3, bigEndian: update.operation.rawValue)
        put(4, bigEndian: update.key.number)
        if let data = update.data { put(5, bigEndian: data.number) }
        if let timeout = update.timeout { put(6, bigEndian: timeout) }
        if update.expressions.count == 1 { put(7, update.expressions[0]) }
        if update.expressions.count > 1 {
            // NFT_DYNSET_F_EXPR.
            put(9, bigEndian: UInt32(2))
            put(10, expressions: update.expressions)
        }
    }
}
