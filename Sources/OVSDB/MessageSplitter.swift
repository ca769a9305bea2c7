/// Finds the ends of JSON texts that follow each other without anything between them (RFC 7047, section 4).
///
/// It only counts brackets outside of strings: whether a text is JSON, its parser says.
struct MessageSplitter {
    /// The most octets that one message may have.
    static let maximumLength = 16 << 20

    private var octets: [UInt8] = []
    /// How far the message at the front has been looked through.
    private var position = 0
    private var depth = 0
    private var isInString = false
    private var isEscaped = false

    mutating func append(_ more: some Sequence<UInt8>) { octets.append(contentsOf: more) }

    /// The next whole message; nil if there is none yet.
    mutating func next() throws(DatabaseError) -> [UInt8]? {
        while position < octets.count {
            let octet = octets[position]
            position += 1
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if octet == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if octet == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch octet {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                guard depth <= 0 else { continue }
                guard depth == 0 else { throw .malformed("it closes what it did not open") }
                let message = Array(octets[..<position])
                octets.removeFirst(position)
                position = 0
                return message
            default:
                guard depth > 0 || octet == 0x20 || (0x09...0x0d).contains(octet) else {
                    throw .malformed("it begins with octet \(octet)")
                }
            }
        }
        guard octets.count <= Self.maximumLength else {
            throw .malformed("a message of more than \(Self.maximumLength >> 20) MiB")
        }
        return nil
    }
}
