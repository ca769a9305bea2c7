/// The attributes of an nf_tables message: numbers in network order, texts that end with NUL.
struct AttributeTable {
    private var contents: [UInt16: ArraySlice<UInt8>] = [:]

    /// Reads as many whole attributes as there are; of several of one type the last is kept.
    init(_ bytes: ArraySlice<UInt8>) {
        Self.forEach(in: bytes) { type, content in contents[type] = content }
    }

    /// Calls `body` for each whole attribute in turn.
    static func forEach(in bytes: ArraySlice<UInt8>, _ body: (UInt16, ArraySlice<UInt8>) -> Void) {
        var rest = bytes
        while rest.count >= 4 {
            let start = rest.startIndex
            let length = Int(UInt16(littleEndian: UInt16(rest[start]) | UInt16(rest[start + 1]) << 8))
            let type = UInt16(rest[start + 2]) | UInt16(rest[start + 3]) << 8
            guard length >= 4, length <= rest.count else { return }
            // The two upper bits say that it nests and that it is in network order.
            body(type & 0x3fff, rest[(start + 4)..<(start + length)])
            rest = rest.dropFirst((length + 3) & ~3)
        }
    }

    /// The attributes within one.
    func nested(_ type: UInt16) -> AttributeTable? { contents[type].map(AttributeTable.init) }

    func bytes(_ type: UInt16) -> ArraySlice<UInt8>? { contents[type] }

    func number(_ type: UInt16) -> UInt32? {
        contents[type].flatMap { $0.count == 4 ? $0.reduce(0) { $0 << 8 | UInt32($1) } : nil }
    }

    func longNumber(_ type: UInt16) -> UInt64? {
        contents[type].flatMap { $0.count == 8 ? $0.reduce(0) { $0 << 8 | UInt64($1) } : nil }
    }

    func text(_ type: UInt16) -> String? {
        contents[type].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    func register(_ type: UInt16) -> Register? { number(type).flatMap(Register.init(number:)) }

    /// The octets of a data attribute (`NFTA_DATA_VALUE`).
    func data(_ type: UInt16) -> [UInt8]? { nested(type)?.bytes(1).map(Array.init) }

    /// The texts of a list of device names (`NFTA_DEVICE_NAME`, or `NFTA_DEVICE_PREFIX`, shown with a `*`).
    func deviceNames(_ type: UInt16) -> [String] {
        guard let list = contents[type] else { return [] }
        var names: [String] = []
        Self.forEach(in: list) { type, content in
            let name = String(decoding: content.prefix { $0 != 0 }, as: UTF8.self)
            names.append(type == 2 ? name + "*" : name)
        }
        return names
    }
}
