import DrawbridgeModel
import Glibc
import LinuxHeaders

/// Reads a device's offload features (`ethtool -k`), and changes one of them, by the ioctls of linux/ethtool.h.
enum Ethtool {
    private static let control: UInt = 0x8946  // SIOCETHTOOL
    private static let getStringSetInfo: UInt32 = 0x37
    private static let getStrings: UInt32 = 0x1b
    private static let getFeatures: UInt32 = 0x3a
    private static let getFlags: UInt32 = 0x25
    private static let setFlags: UInt32 = 0x26
    private static let largeReceiveOffloadFlag: UInt32 = 1 << 15  // ETH_FLAG_LRO
    private static let featureSet: UInt32 = 4  // ETH_SS_FEATURES

    /// Whether each feature is on, by the kernel's name for it; empty where the driver does not tell.
    static func features(ofLink name: String) -> [String: Bool] {
        guard let probe = probe() else { return [:] }
        // ethtool_sset_info: command, reserved, a mask of sets, and the size of each set in the mask.
        var info = words(getStringSetInfo, 0, 1 << featureSet, 0, 0)
        guard ask(probe, name, &info), number(info, 8) != 0 else { return [:] }
        let count = Int(number(info, 16))
        guard (1...512).contains(count) else { return [:] }

        // ethtool_gstrings: command, set, count, and 32 octets a name.
        var strings = words(getStrings, featureSet, UInt32(count)) + [UInt8](repeating: 0, count: count * 32)
        guard ask(probe, name, &strings) else { return [:] }

        // ethtool_gfeatures: command, number of blocks, and for each block of 32 features the masks of those
        // available, requested, active and never changed.
        let blocks = (count + 31) / 32
        var features = words(getFeatures, UInt32(blocks)) + [UInt8](repeating: 0, count: blocks * 16)
        guard ask(probe, name, &features) else { return [:] }

        var result: [String: Bool] = [:]
        for index in 0..<count {
            let start = 12 + index * 32
            let name = String(decoding: strings[start..<start + 32].prefix { $0 != 0 }, as: UTF8.self)
            guard !name.isEmpty else { continue }
            result[name] = number(features, 8 + index / 32 * 16 + 8) >> (index % 32) & 1 == 1
        }
        return result
    }

    /// Whether a device joins what it receives into large packets; nil where that cannot be told.
    static func largeReceiveOffload(ofLink name: String) -> Bool? {
        guard let probe = probe() else { return nil }
        var value = words(getFlags, 0)
        guard ask(probe, name, &value) else { return nil }
        return number(value, 4) & largeReceiveOffloadFlag != 0
    }

    /// - Throws: `kernel` with the device and the kernel's own text.
    static func setLargeReceiveOffload(ofLink name: String, to isOn: Bool) throws(DrawbridgeError) {
        func failed() -> DrawbridgeError {
            DrawbridgeError(
                system: name, "large-receive-offload cannot be switched \(isOn ? "on" : "off")")
        }
        guard let probe = probe() else { throw failed() }
        var value = words(getFlags, 0)
        guard ask(probe, name, &value) else { throw failed() }
        let old = number(value, 4)
        let new = isOn ? old | largeReceiveOffloadFlag : old & ~largeReceiveOffloadFlag
        guard new != old else { return }
        value = words(setFlags, new)
        guard ask(probe, name, &value) else { throw failed() }
    }

    private static func probe() -> Descriptor? {
        Descriptor(socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
    }

    private static func ask(_ probe: borrowing Descriptor, _ name: String, _ data: inout [UInt8]) -> Bool {
        var request = InterfaceRequest(name: name)
        return data.withUnsafeMutableBytes { data in
            let address = UInt(bitPattern: data.baseAddress)
            return request.bytes.withUnsafeMutableBytes { buffer in
                buffer.storeBytes(of: address, toByteOffset: 16, as: UInt.self)
                guard let base = buffer.baseAddress else { return false }
                return ioctl(probe.number, control, base) == 0
            }
        }
    }

    private static func words(_ words: UInt32...) -> [UInt8] {
        words.flatMap { word in withUnsafeBytes(of: word) { Array($0) } }
    }

    private static func number(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
    }
}
