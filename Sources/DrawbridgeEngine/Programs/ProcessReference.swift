import Glibc
import LinuxHeaders

/// A process that cannot be taken for another: its number and when it was started. Numbers are used again.
public struct ProcessReference: Hashable, Sendable, Codable {
    public var process: Int32
    /// When it was started, in clock ticks since the machine was (`/proc/PID/stat`, field 22: proc(5)).
    public var startTime: UInt64

    public init(process: Int32, startTime: UInt64) {
        self.process = process
        self.startTime = startTime
    }

    /// The process that bears this number now; nil if there is none.
    public init?(process: Int32) {
        guard let status = ProcessStatus(of: process) else { return nil }
        self.init(process: process, startTime: status.startTime)
    }

    /// A process that runs with these arguments, its own name aside, in the network namespace of a thread; nil where there
    /// is none.
    static func running(_ arguments: [String], inNamespaceOf thread: Int32) -> ProcessReference? {
        guard let stream = opendir("/proc") else { return nil }
        defer { closedir(stream) }
        let wanted: [UInt8] = arguments.dropFirst().flatMap { Array($0.utf8) + [0] }
        let namespace = SmallFile.link("/proc/\(thread)/ns/net")
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let process = Int32(name),
                let bytes = SmallFile.read("/proc/\(process)/cmdline", limit: 65536),
                let end = bytes.firstIndex(of: 0), bytes[(end + 1)...].elementsEqual(wanted),
                SmallFile.link("/proc/\(process)/ns/net") == namespace,
                let found = ProcessReference(process: process), found.isRunning
            else { continue }
            return found
        }
        return nil
    }

    /// Whether it is still there, and not just waiting to be reaped.
    public var isRunning: Bool {
        guard let status = ProcessStatus(of: process) else { return false }
        return status.startTime == startTime && status.state != "Z" && status.state != "X"
    }

    /// Whether it was stopped by a signal.
    public var isStopped: Bool {
        guard let status = ProcessStatus(of: process) else { return false }
        return status.startTime == startTime && status.state == "T"
    }

    /// Whether it has started others that have not ended.
    var hasChildren: Bool {
        guard let bytes = SmallFile.read("/proc/\(process)/task/\(process)/children", limit: 4096) else {
            return false
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: " ").contains { word in
            Int32(word).flatMap(ProcessReference.init(process:))?.isRunning == true
        }
    }

    /// A descriptor of the process (pidfd_open(2)) that is known to be this one's; nil where it is gone.
    func open() -> OwnedDescriptor? {
        guard let descriptor = OwnedDescriptor(pidfd_open(process, 0)) else { return nil }
        // Opened first and compared then: while the descriptor is held, the number belongs to its process.
        guard isRunning else { return nil }
        return descriptor
    }

    /// Sends it a signal; whether it was there to get it.
    @discardableResult
    public func signal(_ number: Int32) -> Bool {
        guard let descriptor = open() else { return false }
        return pidfd_send_signal(descriptor.number, number, nil, 0) == 0
    }
}

/// The parts of `/proc/PID/stat` that are used (proc(5)).
struct ProcessStatus: Hashable {
    /// `R`, `S`, `T`, `Z`, …
    var state: Character
    var parent: Int32
    var startTime: UInt64

    /// Parses the line. The name in its parentheses may hold anything, so it ends at the last of them.
    init?(_ line: String) {
        guard let end = line.lastIndex(of: ")") else { return nil }
        let fields = line[line.index(after: end)...].split(whereSeparator: \.isWhitespace)
        guard fields.count > 19, let state = fields[0].first, let parent = Int32(fields[1]),
            let startTime = UInt64(fields[19])
        else { return nil }
        self.state = state
        self.parent = parent
        self.startTime = startTime
    }

    init?(of process: Int32) {
        guard process > 0, let bytes = SmallFile.read("/proc/\(process)/stat", limit: 4096) else {
            return nil
        }
        self.init(String(decoding: bytes, as: UTF8.self))
    }
}

/// Files that are read whole, up to a limit.
enum SmallFile {
    /// The content, at most `limit` octets of it; nil where it cannot be read.
    static func read(_ path: String, limit: Int) -> [UInt8]? {
        guard let file = OwnedDescriptor(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) else { return nil }
        return read(file.number, limit: limit)
    }

    /// What is left of an open file, at most `limit` octets of it.
    static func read(_ descriptor: Int32, limit: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: min(limit, 16384))
        while bytes.count < limit {
            let wanted = min(buffer.count, limit - bytes.count)
            let count = Glibc.read(descriptor, &buffer, wanted)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { break }
            bytes.append(contentsOf: buffer[..<count])
        }
        return bytes
    }

    /// Replaces a file, or makes it, whole: written beside it and renamed over it.
    static func write(_ path: String, _ bytes: [UInt8], mode: mode_t) -> Int32 {
        let temporary = "\(path).new"
        unlink(temporary)
        guard
            let file = OwnedDescriptor(open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode))
        else { return errno }
        guard append(bytes, to: file.number), rename(temporary, path) == 0 else {
            let code = errno
            unlink(temporary)
            return code
        }
        return 0
    }

    /// Writes all of the bytes to an open file.
    static func append(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(descriptor, buffer.baseAddress.map { $0 + written }, buffer.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            written += count
        }
        return true
    }

    /// Where a link leads; nil where it cannot be read.
    static func link(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
