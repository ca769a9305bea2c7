import DrawbridgeModel
import Glibc
import LinuxHeaders

/// A socket that sends whole frames out of a device (packet(7)). It receives nothing.
struct PacketSocket: ~Copyable {
    private let descriptor: Descriptor

    /// Opens one in the calling thread's namespace.
    ///
    /// - Throws: `kernel`; CAP_NET_RAW is needed.
    init() throws(DrawbridgeError) {
        guard
            let descriptor = Descriptor(
                socket(AF_PACKET, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
        else { throw DrawbridgeError(system: "packet socket", "cannot be opened") }
        self.descriptor = descriptor
    }

    /// Sends a frame out of the device of that index.
    func send(_ frame: [UInt8], link index: Int32, name: String) throws(DrawbridgeError) {
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_ifindex = index
        // The protocol decides who else on this host sees the frame; it is in the frame's own type field.
        address.sll_protocol = UInt16(
            littleEndian: frame.count > 13 ? UInt16(frame[12]) | UInt16(frame[13]) << 8 : 0)
        address.sll_halen = 6
        let sent = frame.withUnsafeBytes { bytes in
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(
                        descriptor.number, bytes.baseAddress, bytes.count, 0, $0,
                        socklen_t(MemoryLayout<sockaddr_ll>.size))
                }
            }
        }
        guard sent == frame.count else { throw DrawbridgeError(system: name, "a frame could not be sent") }
    }
}
