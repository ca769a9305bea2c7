import DrawbridgeModel
import Glibc
import LinuxHeaders

/// A child that was started, and the end of the pipe from which its output is read.
struct SpawnedChild {
    var process: Int32
    /// -1 where its output goes elsewhere.
    var output: Int32
}

extension Program {
    /// Starts it with posix_spawn(3), in the network namespace of the calling thread: in a session and process
    /// group of its own, every signal as it is by default and none blocked, no descriptor but those named here.
    ///
    /// - Throws: `script` with the kernel's text where it cannot be started.
    func spawn() throws(DrawbridgeError) -> SpawnedChild {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var output: (read: Int32, write: Int32) = (-1, -1)
        defer { if output.write >= 0 { close(output.write) } }

        switch standardFiles {
        case .logged:
            var ends: [Int32] = [-1, -1]
            guard pipe2(&ends, O_CLOEXEC) == 0 else { throw failure("no pipe for its output", errno) }
            output = (ends[0], ends[1])
            // The reading end alone: the program's own must wait when it writes faster than it is read.
            _ = fcntl(output.read, F_SETFL, O_NONBLOCK)
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
            posix_spawn_file_actions_adddup2(&actions, output.write, 1)
            posix_spawn_file_actions_adddup2(&actions, output.write, 2)
        case .files(let paths):
            for number in 0..<3 {
                let path = Int(number) < paths.count ? paths[number] : nil
                posix_spawn_file_actions_addopen(
                    &actions, Int32(number), Self.usable(path, number: number),
                    number == 0 ? O_RDONLY : O_WRONLY | O_APPEND, 0)
            }
        }
        let kept = Self.inheritedDescriptor
        let path: String
        var source = inherited?.number
        switch executable {
        case .path(let name): path = name
        case .script(let script):
            source = script.inherited
            path = script.executionPath
        }
        // A source that bears a number below the kept one could be closed before it is copied, so copy first.
        if let source { posix_spawn_file_actions_adddup2(&actions, source, kept) }
        for number in 3..<kept { posix_spawn_file_actions_addclose(&actions, number) }
        posix_spawn_file_actions_addclosefrom_np(&actions, source == nil ? kept : kept + 1)
        posix_spawn_file_actions_addchdir_np(&actions, directory)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) | Int16(Self.setSession))

        var process: pid_t = 0
        let status = Self.withCStrings(arguments) { arguments in
            Self.withCStrings(environment) { environment in
                posix_spawn(&process, path, &actions, &attributes, arguments, environment)
            }
        }
        guard status == 0 else {
            if output.read >= 0 { close(output.read) }
            throw failure("cannot be started", status)
        }
        return SpawnedChild(process: process, output: output.read)
    }

    /// POSIX_SPAWN_SETSID of spawn.h, which _GNU_SOURCE hides.
    private static let setSession = 0x80

    private func failure(_ what: String, _ code: Int32) -> DrawbridgeError {
        DrawbridgeError(.script, arguments.first ?? "program", "\(what): \(systemText(code))")
    }

    /// A path that can be opened as a standard file; `/dev/null` in place of any other, since a file that cannot
    /// be opened would keep the program from starting.
    private static func usable(_ path: String?, number: Int) -> String {
        guard let path, path.hasPrefix("/"), access(path, number == 0 ? R_OK : W_OK) == 0 else {
            return "/dev/null"
        }
        var status = stat()
        guard stat(path, &status) == 0, [S_IFREG, S_IFCHR].contains(status.st_mode & S_IFMT) else {
            return "/dev/null"
        }
        return path
    }

    /// Lends the strings as C has them, an array that ends in a null pointer.
    private static func withCStrings<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return body(pointers)
    }
}
