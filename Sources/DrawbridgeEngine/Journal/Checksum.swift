/// CRC-32C (Castagnoli, RFC 3720 §12.1): finds every change that lies within 32 bits, and all but one in four
/// thousand million of the others. It guards against damage, not against malice: the directory's owner does that.
enum Checksum {
    /// The checksum of the bytes.
    static func crc32c(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var checksum: UInt32 = 0xffff_ffff
        for byte in bytes {
            checksum = table[Int(UInt8(truncatingIfNeeded: checksum) ^ byte)] ^ (checksum >> 8)
        }
        return checksum ^ 0xffff_ffff
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in
            value & 1 == 1 ? (value >> 1) ^ 0x82f6_3b78 : value >> 1
        }
    }
}
