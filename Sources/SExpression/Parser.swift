/// Reads S-expressions by the grammar of xend's `xen/xend/sxp.py`.
public struct Parser: Sendable {
    /// Where the grammars of the versions differ.
    public struct Dialect: Hashable, Sendable {
        /// Whether `!` ends an atom.
        public var exclamationSeparates: Bool
        /// Whether an unknown escape yields a single backslash and swallows the character after it; otherwise
        /// it is an error.
        public var unknownEscapeIsBackslash: Bool

        /// Makes a dialect.
        public init(exclamationSeparates: Bool, unknownEscapeIsBackslash: Bool) {
            self.exclamationSeparates = exclamationSeparates
            self.unknownEscapeIsBackslash = unknownEscapeIsBackslash
        }

        /// As in 3.0.3.
        public static let xen303 = Dialect(exclamationSeparates: true, unknownEscapeIsBackslash: false)
        /// As in 4.4, the last version that had xend.
        public static let xen44 = Dialect(exclamationSeparates: false, unknownEscapeIsBackslash: true)
    }

    /// How deep lists may be nested.
    public static let maximumDepth = 200

    /// Reads a whole text.
    public static func parse(_ text: String, dialect: Dialect = .xen303) throws(ParseError) -> Document {
        var parser = Parser(text, dialect)
        return try parser.document()
    }

    private let scalars: [Unicode.Scalar]
    private let dialect: Dialect
    private var position = 0
    private var location = SourceLocation(line: 1, column: 1)
    private var oddities: [Document.Oddity] = []

    private init(_ text: String, _ dialect: Dialect) {
        scalars = Array(text.unicodeScalars)
        self.dialect = dialect
    }

    /// The scalar that is read next; nil at the end, which ctrl-D is too.
    private var next: Unicode.Scalar? {
        guard position < scalars.count, scalars[position] != "\u{4}" else { return nil }
        return scalars[position]
    }

    private mutating func advance() {
        if scalars[position] == "\n" {
            location = SourceLocation(line: location.line + 1, column: 1)
        } else {
            location.column += 1
        }
        position += 1
    }

    private mutating func document() throws(ParseError) -> Document {
        var forms: [Value] = []
        // The lists that are open: a stack of our own, so that no text can exhaust the thread's.
        var open: [(start: SourceLocation, elements: [Value])] = []
        while let scalar = next {
            let start = location
            let value: Value
            switch scalar {
            case _ where Self.isBlank(scalar):
                advance()
                continue
            case "#":
                while let scalar = next, scalar != "\n" { advance() }
                continue
            case "(":
                guard open.count < Self.maximumDepth else {
                    throw ParseError(
                        at: start, "lists are nested deeper than \(Self.maximumDepth)", opened: open[0].start)
                }
                advance()
                open.append((start, []))
                continue
            case ")":
                guard let list = open.popLast() else {
                    throw ParseError(at: start, "syntax error: ')' without a '('")
                }
                advance()
                value = Value(.list(list.elements), at: list.start)
            case "'", "\"":
                value = Value(.string(try string(endedBy: scalar, from: start)), at: start)
            default:
                value = Value(.atom(try atom()), at: start)
            }
            if open.isEmpty { forms.append(value) } else { open[open.count - 1].elements.append(value) }
        }
        if let list = open.last {
            throw ParseError(
                at: location, "unexpected EOF in the list opened at \(list.start)", opened: list.start)
        }
        var document = Document(forms)
        document.oddities = oddities
        return document
    }

    /// A word: at least one character, then all up to a separator.
    private mutating func atom() throws(ParseError) -> String {
        var text = String.UnicodeScalarView()
        while let scalar = next {
            if Self.isBlank(scalar) || !text.isEmpty && isSeparator(scalar) || scalar == "(" || scalar == ")"
            {
                break
            }
            guard (33...126).contains(scalar.value) else {
                throw ParseError(at: location, "invalid character: code \(scalar.value)")
            }
            text.append(scalar)
            advance()
        }
        return String(text)
    }

    /// A quoted text; it may span lines. Escapes name octets, so it is put together as UTF-8.
    private mutating func string(
        endedBy quote: Unicode.Scalar, from start: SourceLocation
    ) throws(ParseError) -> String {
        advance()
        var octets: [UInt8] = []
        while true {
            guard let scalar = next else {
                throw ParseError(
                    at: location, "unexpected EOF in the string opened at \(start)", opened: start)
            }
            if scalar == quote {
                advance()
                break
            }
            if scalar == "\\" {
                octets.append(try escape(in: start))
            } else {
                octets.append(contentsOf: Array(String(scalar).utf8))
                advance()
            }
        }
        guard let text = String(validating: octets, as: UTF8.self) else {
            throw ParseError(at: start, "the escapes of the string do not make valid UTF-8", opened: start)
        }
        return text
    }

    private mutating func escape(in string: SourceLocation) throws(ParseError) -> UInt8 {
        let start = location
        advance()
        func ended() -> ParseError {
            ParseError(at: location, "unexpected EOF in the string opened at \(string)", opened: string)
        }
        guard let scalar = next else { throw ended() }
        if let octet = Self.escapes[scalar] {
            advance()
            return octet
        }
        if scalar == "x" {
            advance()
            var value: UInt8 = 0
            for _ in 0..<2 {
                guard let scalar = next else { throw ended() }
                guard let digit = Self.hexadecimal(scalar) else {
                    throw ParseError(at: start, "invalid hex escape: '\\x' needs two hexadecimal digits")
                }
                value = value << 4 | digit
                advance()
            }
            return value
        }
        if ("0"..."7").contains(scalar) {
            var value: UInt32 = 0
            var count = 0
            while count < 3, let scalar = next, ("0"..."7").contains(scalar) {
                value = value * 8 + scalar.value - 48
                count += 1
                advance()
            }
            if next == nil { throw ended() }
            guard let octet = UInt8(exactly: value) else {
                throw ParseError(at: start, "invalid octal escape: out of range \\\(String(value, radix: 8))")
            }
            return octet
        }
        let shown = (32...126).contains(scalar.value) ? "'\\\(scalar)'" : "'\\' and code \(scalar.value)"
        guard dialect.unknownEscapeIsBackslash else {
            throw ParseError(at: start, "invalid escape \(shown); a backslash is written '\\\\'")
        }
        oddities.append(
            .init(
                location: start,
                message: "unknown escape \(shown) is read as a backslash alone; a backslash is written '\\\\'"
            ))
        advance()
        return 92
    }

    private func isSeparator(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "#", "{", "}", "(", ")", "<", ">", "[", "]", ";": true
        case "!": dialect.exclamationSeparates
        default: Self.isBlank(scalar)
        }
    }

    static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
        scalar == " " || (9...13).contains(scalar.value)
    }

    private static let escapes: [Unicode.Scalar: UInt8] = [
        "a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "\\": 92, "'": 39, "\"": 34,
    ]

    private static func hexadecimal(_ scalar: Unicode.Scalar) -> UInt8? {
        switch scalar {
        case "0"..."9": UInt8(scalar.value - 48)
        case "a"..."f": UInt8(scalar.value - 87)
        case "A"..."F": UInt8(scalar.value - 55)
        default: nil
        }
    }
}
