import Glibc
import LinuxHeaders

/// A network device of this host.
enum Device {
    /// Its MTU; nil if there is no such device.
    static func mtu(of name: String) -> Int? {
        let octets = Array(name.utf8)
        guard octets.count < Int(IFNAMSIZ) else { return nil }
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var request = ifreq()
        withUnsafeMutableBytes(of: &request) { $0.copyBytes(from: octets) }
        guard ioctl(descriptor, UInt(SIOCGIFMTU), &request) == 0 else { return nil }
        return Int(request.ifr_ifru.ifru_ivalue)
    }
}
