import Glibc
import Synchronization

/// A real xenstored of a test's own (Debian's xen-utils), its hypercalls answered by
/// `Tests/Rig/xenstored-hypercalls.c`: to it every domain is there. Ended with the value.
public final class TestStore: Sendable {
    /// The directory of the socket.
    public let directory: String
    private let process: pid_t
    private let isEnded = Mutex(false)

    /// Its socket.
    public var socket: String { directory + "/socket" }

    /// Starts it, in `directory` or one of its own, and waits until it serves.
    public init(in directory: String? = nil) throws {
        if let directory {
            self.directory = directory
        } else {
            var template = Array("/tmp/drawbridge-store-XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else { throw TestFailure("mkdtemp: errno \(errno)") }
            self.directory = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
        let program = try Self.program()
        let hypercalls = self.directory + "/hypercalls.so"
        try run(Self.compiler(), "-shared", "-fPIC", "-o", hypercalls, Self.source())
        defer { unlink(hypercalls) }
        unlink(self.directory + "/socket")
        let variableTexts = [
            "XENSTORED_RUNDIR=\(self.directory)", "XENSTORED_ROOTDIR=\(self.directory)",
            "XENSTORED_PATH=\(self.directory)/socket", "LD_PRELOAD=\(hypercalls)",
        ]
        var words: [UnsafeMutablePointer<CChar>?] = []
        var variables: [UnsafeMutablePointer<CChar>?] = []
        for text in [program, "-N"] { words.append(strdup(text)) }
        for text in variableTexts { variables.append(strdup(text)) }
        words.append(nil)
        variables.append(nil)
        defer { for word in words + variables { free(word) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for number in 0...2 as ClosedRange<Int32> {
            posix_spawn_file_actions_addopen(&actions, number, "/dev/null", O_RDWR, 0)
        }
        var process: pid_t = 0
        let code = posix_spawn(&process, program, &actions, nil, &words, &variables)
        guard code == 0 else { throw TestFailure("\(program): errno \(code)") }
        self.process = process
        for _ in 0..<2000 {
            if connects() { return }
            usleep(10_000)
        }
        throw TestFailure("xenstored does not serve \(socket)")
    }

    deinit {
        kill()
        unlink(socket)
        rmdir(directory)
    }

    /// Stops it without ending it.
    public func suspend() { Glibc.kill(process, SIGSTOP) }

    /// Lets it go on.
    public func resume() { Glibc.kill(process, SIGCONT) }

    /// Ends it the hard way.
    public func kill() {
        let wasEnded = isEnded.withLock { isEnded in
            defer { isEnded = true }
            return isEnded
        }
        if wasEnded { return }
        Glibc.kill(process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    private func connects() -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(socket.utf8)) }
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    /// The C compiler that comes with Swift, else the machine's own.
    private static func compiler() throws -> String {
        let paths = (getenv("PATH").map { String(cString: $0) } ?? "/usr/bin").split(separator: ":")
        func find(_ name: String) -> String? {
            paths.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
        }
        if let swift = find("swift"), let real = realpath(swift, nil) {
            defer { free(real) }
            let directory = String(cString: real).split(separator: "/").dropLast().joined(separator: "/")
            let beside = "/\(directory)/clang"
            if access(beside, X_OK) == 0 { return beside }
        }
        guard let found = find("clang") ?? find("cc") else {
            throw TestFailure("there is no C compiler: neither clang beside swift, nor cc")
        }
        return found
    }

    private static func source(_ file: String = #filePath) -> String {
        file.split(separator: "/").dropLast(2).reduce(into: "") { $0 += "/" + $1 }
            + "/Rig/xenstored-hypercalls.c"
    }

    private static func program() throws -> String {
        var found = glob_t()
        defer { globfree(&found) }
        guard glob("/usr/lib/xen-*/bin/xenstored", 0, nil, &found) == 0, let first = found.gl_pathv[0] else {
            throw TestFailure("there is no xenstored: install xen-utils-4.17")
        }
        return String(cString: first)
    }
}
