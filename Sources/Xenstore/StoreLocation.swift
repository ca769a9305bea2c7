import Glibc

/// Where the store is served.
public enum StoreLocation: Hashable, Sendable {
    /// xenstored's Unix socket, in the domain where it runs.
    case socket(String)
    /// The kernel's device, in every domain (drivers/xen/xenbus/xenbus_dev_frontend.c).
    case device(String)

    /// Where the store of this machine is: the socket that `XENSTORED_PATH` or `XENSTORED_RUNDIR` tells or
    /// xenstored's own, else the device; nil where there is neither, and so no Xen.
    public static func find(environment: [String: String] = [:]) -> StoreLocation? {
        if let path = environment["XENSTORED_PATH"], !path.isEmpty { return .socket(path) }
        var sockets = ["/run/xenstored/socket", "/var/run/xenstored/socket"]
        if let directory = environment["XENSTORED_RUNDIR"], !directory.isEmpty {
            sockets.insert(directory + "/socket", at: 0)
        }
        for path in sockets where access(path, F_OK) == 0 { return .socket(path) }
        for path in ["/dev/xen/xenbus", "/proc/xen/xenbus"] where access(path, F_OK) == 0 {
            return .device(path)
        }
        return nil
    }

    /// The path of the file.
    public var path: String {
        switch self {
        case .socket(let path), .device(let path): path
        }
    }

    /// Opens a connection that does not block.
    func open() throws(StoreError) -> StoreDescriptor {
        switch self {
        case .socket(let path): try Self.connect(path)
        case .device(let path): try Self.openDevice(path)
        }
    }

    private static func openDevice(_ path: String) throws(StoreError) -> StoreDescriptor {
        guard let descriptor = StoreDescriptor(Glibc.open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK)) else {
            throw .unreachable(place: path, cause: String(cString: strerror(errno)))
        }
        return descriptor
    }

    private static func connect(_ path: String) throws(StoreError) -> StoreDescriptor {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let octets = Array(path.utf8)
        guard octets.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw .invalid("'\(path)' is too long for a socket")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
        // Connected while it blocks: with a full queue a call that does not block fails at once.
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard let descriptor = StoreDescriptor(Glibc.socket(AF_UNIX, type, 0)) else {
            throw .unreachable(place: path, cause: String(cString: strerror(errno)))
        }
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(
            descriptor.number, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor.number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            throw .unreachable(place: path, cause: String(cString: strerror(errno)))
        }
        _ = fcntl(descriptor.number, F_SETFL, O_NONBLOCK)
        return descriptor
    }
}

/// A descriptor with one owner, which closes it once.
struct StoreDescriptor: ~Copyable, Sendable {
    let number: Int32

    /// nil for the number of a call that failed.
    init?(_ number: Int32) {
        guard number >= 0 else { return nil }
        self.number = number
    }

    deinit { _ = close(number) }

    /// Reads what is there; nil if there is nothing yet, empty at the end.
    func read() throws(StoreError) -> ArraySlice<UInt8>? {
        var octets = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = Glibc.read(number, &octets, octets.count)
            if count >= 0 { return octets.prefix(count) }
            switch errno {
            case EINTR: continue
            case EAGAIN: return nil
            default: throw .disconnected
            }
        }
    }

    /// Writes as much as there is room for, and tells how much that was.
    func write(_ octets: ArraySlice<UInt8>) throws(StoreError) -> Int {
        while true {
            let count = octets.withUnsafeBytes { buffer in
                let sent = send(number, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
                guard sent < 0, errno == ENOTSOCK else { return sent }
                return Glibc.write(number, buffer.baseAddress, buffer.count)
            }
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN: return 0
            default: throw .disconnected
            }
        }
    }
}
