import Varlink

/// How a record lies in its file: one line that says what it is, then JSON.
///
///     drawbridge-record 1 baseline 5120 1a2b3c4d
///     {"identity":…
///
/// The line holds the format's version, the kind of record, the number of octets that follow the line, and the
/// CRC-32C of kind and content in eight hexadecimal digits.
enum RecordFile {
    /// The version that is written, and the latest that is read.
    static let format: UInt32 = 1
    private static let magic = "drawbridge-record"

    /// Encodes a record. The same record gives the same octets.
    static func encode(_ record: some Encodable, kind: String) throws -> [UInt8] {
        let content = try JSONValue(encoding: record).octets + [10]
        return Array(header(kind: kind, content: content[...]).utf8) + content
    }

    /// Decodes a record, strictly: whatever differs from what `encode` writes is an error.
    ///
    /// - Parameter file: the file's path, for the error.
    static func decode<Record: Decodable>(
        _ type: Record.Type, kind: String, from bytes: [UInt8], file: String
    ) throws(RecordError) -> Record {
        guard let end = bytes.prefix(256).firstIndex(of: 10) else { throw RecordError(file, .notARecord) }
        let line = String(decoding: bytes[...end], as: UTF8.self)
        let words = line.dropLast().split(separator: " ", omittingEmptySubsequences: false)
        guard words.count >= 2, words[0] == magic, let version = UInt32(words[1]), version > 0 else {
            throw RecordError(file, .notARecord)
        }
        guard version <= format else { throw RecordError(file, .newerFormat(version)) }
        guard words.count == 5, let length = Int(words[3]), length >= 0 else {
            throw RecordError(file, .notARecord)
        }
        let content = bytes[(end + 1)...]
        guard content.count == length else {
            throw RecordError(file, .length(expected: length, found: content.count))
        }
        guard line == header(kind: String(words[2]), content: content) else {
            throw RecordError(file, .checksum)
        }
        guard words[2] == kind else { throw RecordError(file, .otherKind(String(words[2]))) }
        do {
            return try JSONValue(parsing: content).decoded(as: type)
        } catch {
            throw RecordError(file, .content("\(error)"))
        }
    }

    /// The records of a file that holds several, one after the other. A last one that is cut is left out, unless it is
    /// the only one: that is for `decode` to refuse. What is no record at all is part of the one before it.
    static func split(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var parts: [ArraySlice<UInt8>] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let end = rest.prefix(256).firstIndex(of: 10) else { break }
            let words = String(decoding: rest[..<end], as: UTF8.self).split(separator: " ")
            guard words.count == 5, words[0] == magic, let length = Int(words[3]), length >= 0 else { break }
            guard rest.endIndex - (end + 1) >= length else { return parts.isEmpty ? [bytes[...]] : parts }
            parts.append(rest[..<(end + 1 + length)])
            rest = rest[(end + 1 + length)...]
        }
        guard !rest.isEmpty, let last = parts.popLast() else { return parts }
        // A line that was cut within a record's first words is the beginning of a change; anything else is damage.
        let isCut = magic.utf8.starts(with: rest) || (rest.starts(with: magic.utf8) && !rest.contains(10))
        return parts + [isCut ? last : bytes[last.startIndex...]]
    }

    private static func header(kind: String, content: ArraySlice<UInt8>) -> String {
        let digits = String(Checksum.crc32c(Array(kind.utf8) + [0] + content), radix: 16)
        let checksum = String(repeating: "0", count: 8 - digits.utf8.count) + digits
        return "\(magic) \(format) \(kind) \(content.count) \(checksum)\n"
    }
}
