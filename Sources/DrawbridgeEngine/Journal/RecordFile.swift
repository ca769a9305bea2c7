import FoundationEssentials

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
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let content = [UInt8](try encoder.encode(record)) + [10]
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
            return try JSONDecoder().decode(type, from: Data(content))
        } catch {
            throw RecordError(file, .content("\(error)"))
        }
    }

    private static func header(kind: String, content: ArraySlice<UInt8>) -> String {
        let digits = String(Checksum.crc32c(Array(kind.utf8) + [0] + content), radix: 16)
        let checksum = String(repeating: "0", count: 8 - digits.utf8.count) + digits
        return "\(magic) \(format) \(kind) \(content.count) \(checksum)\n"
    }
}
