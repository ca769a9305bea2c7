extension JSONValue {
    /// How deep arrays and objects may lie in each other.
    public static let maximumDepth = 64

    /// Reads one JSON text (RFC 8259), strictly: UTF-8, no key twice in an object, nothing after the value.
    public init(parsing octets: some Collection<UInt8>) throws(JSONError) {
        var parser = JSONParser(octets: Array(octets))
        self = try parser.parseText()
    }
}

private struct JSONParser {
    let octets: [UInt8]
    var position = 0

    init(octets: [UInt8]) { self.octets = octets }

    mutating func parseText() throws(JSONError) -> JSONValue {
        let value = try parseValue(depth: 0)
        skipBlanks()
        guard position == octets.count else { throw error("unexpected text after the value") }
        return value
    }

    private func error(_ problem: String) -> JSONError { JSONError(offset: position, problem: problem) }

    private var current: UInt8? { position < octets.count ? octets[position] : nil }

    private mutating func skipBlanks() {
        while let octet = current, octet == 0x20 || octet == 0x09 || octet == 0x0a || octet == 0x0d {
            position += 1
        }
    }

    private mutating func parseValue(depth: Int) throws(JSONError) -> JSONValue {
        guard depth < JSONValue.maximumDepth else { throw error("nested too deeply") }
        skipBlanks()
        switch current {
        case UInt8(ascii: "{"): return try parseObject(depth: depth)
        case UInt8(ascii: "["): return try parseArray(depth: depth)
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        case let octet? where octet == UInt8(ascii: "-") || isDigit(octet): return try parseNumber()
        case nil: throw error("unexpected end")
        default: throw error("expected a value")
        }
    }

    private mutating func parseWord(_ word: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
        guard octets[position...].starts(with: word.utf8) else { throw error("expected a value") }
        position += word.utf8.count
        return value
    }

    private mutating func parseObject(depth: Int) throws(JSONError) -> JSONValue {
        position += 1
        var members: [String: JSONValue] = [:]
        skipBlanks()
        if current == UInt8(ascii: "}") {
            position += 1
            return .object(members)
        }
        while true {
            skipBlanks()
            guard current == UInt8(ascii: "\"") else { throw error("expected a key") }
            let key = try parseString()
            guard members[key] == nil else { throw error("the key '\(key)' twice in an object") }
            skipBlanks()
            guard current == UInt8(ascii: ":") else { throw error("expected ':'") }
            position += 1
            members[key] = try parseValue(depth: depth + 1)
            skipBlanks()
            switch current {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"):
                position += 1
                return .object(members)
            default: throw error("expected ',' or '}'")
            }
        }
    }

    private mutating func parseArray(depth: Int) throws(JSONError) -> JSONValue {
        position += 1
        var elements: [JSONValue] = []
        skipBlanks()
        if current == UInt8(ascii: "]") {
            position += 1
            return .array(elements)
        }
        while true {
            elements.append(try parseValue(depth: depth + 1))
            skipBlanks()
            switch current {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "]"):
                position += 1
                return .array(elements)
            default: throw error("expected ',' or ']'")
            }
        }
    }

    private mutating func parseNumber() throws(JSONError) -> JSONValue {
        let start = position
        if current == UInt8(ascii: "-") { position += 1 }
        let leading = current
        try parseDigits()
        guard leading != UInt8(ascii: "0") || octets[start..<position].count(where: isDigit) == 1 else {
            throw error("a number with a leading zero")
        }
        var isWhole = true
        if current == UInt8(ascii: ".") {
            isWhole = false
            position += 1
            try parseDigits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            isWhole = false
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            try parseDigits()
        }
        let text = String(decoding: octets[start..<position], as: UTF8.self)
        if isWhole, let integer = Int64(text) { return .integer(integer) }
        if isWhole, let integer = UInt64(text) { return .unsigned(integer) }
        guard let number = Double(text), number.isFinite else { throw error("a number out of range") }
        return .number(number)
    }

    private func isDigit(_ octet: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet) }

    private mutating func parseDigits() throws(JSONError) {
        guard let first = current, isDigit(first) else { throw error("expected a digit") }
        while let octet = current, isDigit(octet) { position += 1 }
    }

    private mutating func parseString() throws(JSONError) -> String {
        position += 1
        let start = position
        while let octet = current, octet >= 0x20, octet != UInt8(ascii: "\""), octet != UInt8(ascii: "\\") {
            position += 1
        }
        // Hardly any text holds an escape.
        if current == UInt8(ascii: "\"") {
            guard let string = String(validating: octets[start..<position], as: UTF8.self) else {
                throw error("a string that is not UTF-8")
            }
            position += 1
            return string
        }
        var text = Array(octets[start..<position])
        while let octet = current {
            switch octet {
            case UInt8(ascii: "\""):
                position += 1
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw error("a string that is not UTF-8")
                }
                return string
            case UInt8(ascii: "\\"):
                position += 1
                try parseEscape(into: &text)
            case 0..<0x20: throw error("a control character in a string")
            default:
                text.append(octet)
                position += 1
            }
        }
        throw error("a string without end")
    }

    private mutating func parseEscape(into text: inout [UInt8]) throws(JSONError) {
        guard let octet = current else { throw error("a string without end") }
        position += 1
        switch octet {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(octet)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var value = try parseHexadecimal()
            if (0xd800..<0xdc00).contains(value) {
                guard octets[position...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) else {
                    throw error("half of a surrogate pair")
                }
                position += 2
                let low = try parseHexadecimal()
                guard (0xdc00..<0xe000).contains(low) else { throw error("half of a surrogate pair") }
                value = 0x10000 + (value - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let scalar = Unicode.Scalar(value) else { throw error("half of a surrogate pair") }
            text.append(contentsOf: String(Character(scalar)).utf8)
        default: throw error("an unknown escape")
        }
    }

    private mutating func parseHexadecimal() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let octet = current, let digit = Character(Unicode.Scalar(octet)).hexDigitValue else {
                throw error("expected four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }
}
