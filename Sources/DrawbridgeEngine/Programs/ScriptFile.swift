public import DrawbridgeModel
import Glibc
import LinuxHeaders

/// A program of the administrator's that was found safe to run as root: it, every directory above it and every
/// link on the way belong to root, and nobody else can write them.
///
/// The way is walked once, component by component, each opened below the one before and checked then, so nothing
/// can be put in between. The directory and the file are held open, and the program is run by descriptor:
///
/// * a binary by its own;
/// * a script that names its interpreter by that of its directory and its name in it, which only root can change.
///   So `$0` leads into the script's directory, and a wrapper finds its neighbours by `$(dirname "$0")`.
public final class ScriptFile: Sendable {
    /// The path it was asked for by.
    public let path: String
    private let way: Way

    /// The path of a script's name: below the script directory, unless it is absolute.
    public static func path(of name: String, in directory: String) -> String {
        guard !name.hasPrefix("/") else { return name }
        return directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
    }

    /// Finds a script and checks it.
    ///
    /// - Parameter path: absolute; links on the way are followed and checked like directories.
    /// - Throws: `notFound` where it is not there, `script` where it is not to be trusted or cannot be run.
    public init(path: String) throws(DrawbridgeError) {
        way = try Way(path)
        self.path = path
    }

    /// Whether it starts with `#!`.
    var isInterpreted: Bool { way.isInterpreted }

    /// What a program must inherit to be run by descriptor.
    var inherited: Int32 { way.isInterpreted ? way.directory.number : way.file.number }

    /// What to execute, as the new process sees it.
    var executionPath: String {
        let held = "/proc/self/fd/\(Program.inheritedDescriptor)"
        return way.isInterpreted ? "\(held)/\(way.name)" : held
    }
}

/// A way from the root directory to a script, walked and checked.
private struct Way: ~Copyable, Sendable {
    /// Its name in its directory.
    let name: String
    let isInterpreted: Bool
    let directory: OwnedDescriptor
    let file: OwnedDescriptor

    init(_ path: String) throws(DrawbridgeError) {
        guard path.hasPrefix("/"), !path.utf8.contains(0) else {
            throw DrawbridgeError(.script, path, "the path of a script must be absolute")
        }
        let parts = path.split(separator: "/").map(String.init)
        guard let name = parts.last, name != ".", name != "..", !path.hasSuffix("/") else {
            throw DrawbridgeError(.script, path, "it does not name a file")
        }
        // The directory in which the name stands, then from there the file, which may be elsewhere by a link.
        var walker = Walker(path)
        let directory = try walker.walk(parts.dropLast(), from: try walker.root())
        guard let held = OwnedDescriptor(fcntl(directory.number, F_DUPFD_CLOEXEC, 0)) else {
            throw DrawbridgeError(.script, path, systemText(errno))
        }
        let found = try walker.walk([name], from: directory)
        var status = stat()
        fstat(found.number, &status)
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw DrawbridgeError(.script, path, "it is not a file")
        }
        guard status.st_mode & 0o111 != 0 else {
            throw DrawbridgeError(.script, path, "it cannot be executed", advice: "chmod +x \(path)")
        }
        guard let file = OwnedDescriptor(open("/proc/self/fd/\(found.number)", O_RDONLY | O_CLOEXEC)) else {
            throw DrawbridgeError(.script, path, "it cannot be opened: \(systemText(errno))")
        }
        var start: [UInt8] = [0, 0]
        let count = pread(file.number, &start, 2, 0)
        self.name = name
        self.directory = held
        self.file = file
        isInterpreted = count == 2 && start == Array("#!".utf8)
    }
}

/// Opens component by component, each checked before anything is looked up in it.
private struct Walker {
    let path: String
    private var links = 0

    init(_ path: String) { self.path = path }

    func root() throws(DrawbridgeError) -> OwnedDescriptor {
        guard let root = OwnedDescriptor(open("/", pathOnly | O_DIRECTORY | O_CLOEXEC)) else {
            throw DrawbridgeError(.script, path, systemText(errno))
        }
        try check(root.number, "/")
        return root
    }

    mutating func walk(
        _ parts: some Sequence<String>, from start: consuming OwnedDescriptor
    ) throws(DrawbridgeError) -> OwnedDescriptor {
        var remaining = Array(parts)[...]
        var current = start
        while let part = remaining.popFirst() {
            if part == "." { continue }
            guard
                let next = OwnedDescriptor(
                    openat(current.number, part, pathOnly | O_NOFOLLOW | O_CLOEXEC))
            else {
                let code = errno
                throw DrawbridgeError(
                    code == ENOENT ? .notFound : .script, path,
                    code == ENOENT
                        ? "there is no such script" : "'\(part)' cannot be opened: \(systemText(code))")
            }
            guard try check(next.number, part) else {
                current = next
                continue
            }
            links += 1
            guard links <= 40 else {
                throw DrawbridgeError(.script, path, "there are too many links on the way")
            }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = readlinkat(next.number, "", &buffer, buffer.count)
            guard count > 0 else {
                throw DrawbridgeError(.script, path, "link '\(part)' cannot be read: \(systemText(errno))")
            }
            let target = String(decoding: buffer[..<count], as: UTF8.self)
            if target.hasPrefix("/") { current = try root() }
            remaining = target.split(separator: "/").map(String.init) + remaining
        }
        return current
    }

    /// Throws unless only root can change it; whether it is a link. A link has no mode of its own.
    @discardableResult
    private func check(_ descriptor: Int32, _ part: String) throws(DrawbridgeError) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw DrawbridgeError(.script, path, "'\(part)' cannot be examined: \(systemText(errno))")
        }
        guard status.st_uid == 0 else {
            throw DrawbridgeError(
                .script, path, "'\(part)' belongs to user \(status.st_uid)",
                advice: "a script and every directory above it must be root's")
        }
        let isLink = status.st_mode & S_IFMT == S_IFLNK
        guard isLink || status.st_mode & 0o022 == 0 else {
            throw DrawbridgeError(
                .script, path, "'\(part)' can be written by others (mode \(octal(status.st_mode)))",
                advice: "a script and every directory above it must be writable by root alone")
        }
        return isLink
    }
}

/// O_PATH of fcntl.h, which _GNU_SOURCE hides.
private let pathOnly = Int32(LINUX_O_PATH)
