import Glibc

/// The administrator's programs beside the scripts, `vif-post.d/*.hook`. Xen's scripts read them into their own
/// shell; here they are run, each by itself, and find what they knew as variables.
struct Hooks {
    /// The directory; nil where the script was called without a path.
    var directory: String?

    init(ofScript path: String) {
        guard let slash = path.lastIndex(of: "/") else { return }
        directory = path[..<slash] + "/vif-post.d"
    }

    /// Runs those that may be run, in the order of their names, until one fails.
    ///
    /// - Parameter variables: what they find in their environment besides what this program found there.
    func run(with variables: [String: String]) throws(Failure) {
        for name in names {
            let path = "\(directory ?? "")/\(name)"
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, access(path, X_OK) == 0 else {
                continue
            }
            try run(path, variables)
        }
    }

    private var names: [String] {
        guard let directory, let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { buffer in
                String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".hook"), !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private func run(_ path: String, _ variables: [String: String]) throws(Failure) {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own, so that what it starts ends with it when its time is up.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        for (key, value) in variables { setenv(key, value, 1) }
        var process: pid_t = 0
        let words = [strdup(path), nil]
        defer { free(words[0]) }
        let code = posix_spawn(&process, path, nil, &attributes, words, environ)
        guard code == 0 else { throw Failure(.failed, "\(path): \(String(cString: strerror(code)))") }
        let status = try end(of: process, path)
        guard status == 0 else {
            let end = status & 0x7f == 0 ? "exit status \(status >> 8 & 0xff)" : "signal \(status & 0x7f)"
            throw Failure(.failed, "\(path): ended with \(end)")
        }
    }

    /// Waits until it ends, and ends it where its time is up.
    private func end(of process: pid_t, _ path: String) throws(Failure) -> Int32 {
        var status: Int32 = 0
        var pause: UInt32 = 500
        while true {
            let ended = waitpid(process, &status, WNOHANG)
            if ended == process { return status }
            if ended < 0, errno != EINTR {
                throw Failure(.failed, "\(path): \(String(cString: strerror(errno)))")
            }
            guard Clock.left > 0 else {
                kill(-process, SIGKILL)
                while waitpid(process, &status, 0) < 0, errno == EINTR {}
                throw Failure(.timeout, "\(path): took longer than there is time for a script of Xen's")
            }
            usleep(pause)
            pause = min(pause * 2, 20_000)
        }
    }
}
