import DrawbridgeModel
import Glibc
import NetworkTypes

/// Makes and deletes persistent tun and tap devices, by the ioctls of Documentation/networking/tuntap.rst:
/// rtnetlink can show them, not make them.
enum TunTap {
    // linux/if_tun.h; macros with a cast in them do not reach Swift.
    private static let setInterface: UInt = 0x4004_54ca
    private static let setPersistence: UInt = 0x4004_54cb
    private static let setOwner: UInt = 0x4004_54cc
    private static let setGroup: UInt = 0x4004_54ce
    private static let tunFlag: Int16 = 0x0001
    private static let tapFlag: Int16 = 0x0002
    private static let noPacketInformation: Int16 = 0x1000
    private static let virtioHeader: Int16 = 0x4000
    private static let multiQueue: Int16 = 0x0100
    /// Refuses a device that exists (`IFF_TUN_EXCL`).
    private static let exclusive = Int16(bitPattern: 0x8000)

    /// Makes a device in the calling thread's namespace.
    ///
    /// - Throws: `kernel`, with EBUSY's text where the name is taken.
    static func create(_ name: LinkName, _ settings: TunSettings) throws(DrawbridgeError) {
        try keep(try prepare(name, settings), name, settings)
    }

    /// Makes a device that goes with its descriptor until ``keep(_:_:_:)`` makes it stay.
    ///
    /// - Throws: `kernel`, with EBUSY's text where the name is taken.
    static func prepare(_ name: LinkName, _ settings: TunSettings) throws(DrawbridgeError) -> Descriptor {
        let device = try open(name, settings, flags: exclusive)
        if let owner = settings.owner {
            try set(setOwner, CInt(bitPattern: owner), device, name, "its owner")
        }
        if let group = settings.group {
            try set(setGroup, CInt(bitPattern: group), device, name, "its group")
        }
        return device
    }

    /// Lets a device outlive its descriptor, if it is to.
    static func keep(
        _ device: borrowing Descriptor, _ name: LinkName, _ settings: TunSettings
    ) throws(DrawbridgeError) {
        if settings.isPersistent { try set(setPersistence, 1, device, name, "its persistence") }
    }

    /// Makes a device in the calling thread's namespace that lives as long as its descriptor.
    ///
    /// - Throws: `kernel`, with EBUSY's text where the name is taken.
    static func hold(_ name: LinkName, _ settings: TunSettings) throws(DrawbridgeError) -> TapDescriptor {
        TapDescriptor(try open(name, settings, flags: exclusive))
    }

    /// Deletes a persistent device that no program has open.
    static func delete(_ name: LinkName, _ settings: TunSettings) throws(DrawbridgeError) {
        let device = try open(name, settings, flags: 0)
        try set(setPersistence, 0, device, name, "its persistence")
    }

    private static func open(
        _ name: LinkName, _ settings: TunSettings, flags extra: Int16
    ) throws(DrawbridgeError) -> Descriptor {
        guard let device = Descriptor(Glibc.open("/dev/net/tun", O_RDWR | O_CLOEXEC)) else {
            throw DrawbridgeError(system: "/dev/net/tun", "cannot be opened")
        }
        var flags = (settings.isTap ? tapFlag : tunFlag) | noPacketInformation | extra
        if settings.hasVirtioHeader { flags |= virtioHeader }
        if settings.isMultiQueue { flags |= multiQueue }
        var request = InterfaceRequest(name: name.rawValue)
        request.bytes[16] = UInt8(truncatingIfNeeded: flags)
        request.bytes[17] = UInt8(truncatingIfNeeded: flags >> 8)
        guard
            request.bytes.withUnsafeMutableBytes({ buffer in
                buffer.baseAddress.map { ioctl(device.number, setInterface, $0) } ?? -1
            }) == 0
        else { throw DrawbridgeError(system: name.rawValue, "cannot be made") }
        return device
    }

    private static func set(
        _ request: UInt, _ value: CInt, _ device: borrowing Descriptor, _ name: LinkName, _ what: String
    ) throws(DrawbridgeError) {
        guard ioctl(device.number, request, value) == 0 else {
            throw DrawbridgeError(system: name.rawValue, "\(what) cannot be set")
        }
    }
}

/// `struct ifreq` (netdevice(7)): the device's name in 16 octets, and 24 for what is asked.
struct InterfaceRequest {
    var bytes = [UInt8](repeating: 0, count: 40)

    init(name: String) {
        for (index, octet) in name.utf8.prefix(15).enumerated() { bytes[index] = octet }
    }
}
