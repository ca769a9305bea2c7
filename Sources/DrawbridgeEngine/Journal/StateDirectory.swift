public import DrawbridgeModel
import Glibc

/// The directory that holds the journal, held open: what is read and written later is in this directory,
/// whatever its path leads to by then.
///
/// Made with mode 0700 where it is missing; refused where it is a symbolic link, belongs to another user, or can
/// be written by others.
public struct StateDirectory: ~Copyable, Sendable {
    /// The path it was opened by, without a slash at its end.
    public let path: String
    private let directory: OwnedDescriptor

    /// What the directory is opened for.
    public enum Use: Sendable {
        /// To be the one program that works with it: made where it is missing, and locked (flock(2)) until the
        /// value's end.
        case exclusive
        /// To look at it: never made, never locked.
        case reading
    }

    /// The largest record read, in octets.
    static let recordLimit = 64 << 20

    /// Opens the directory.
    ///
    /// - Throws: `journal` where it cannot be made or opened, is not ours alone, or cannot be written; `conflict`
    ///   where another program has it locked.
    public init(path: String, for use: Use = .exclusive) throws(DrawbridgeError) {
        // With a slash at the end, O_NOFOLLOW would follow a link after all.
        var trimmed = path[...]
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        self.path = String(trimmed)
        directory = try Self.open(self.path, for: use)
    }

    deinit {
        // A child that was forked and has not executed its program yet holds the same lock by its copy of the
        // descriptor; unlocking frees it for all of them, where closing would not.
        flock(directory.number, LOCK_UN)
    }

    private static func open(_ path: String, for use: Use) throws(DrawbridgeError) -> OwnedDescriptor {
        func failure(_ what: String, advice: String? = nil) -> DrawbridgeError {
            DrawbridgeError(.journal, path, "the state directory \(what)", advice: advice)
        }
        if case .exclusive = use, mkdir(path, 0o700) != 0, errno != EEXIST {
            throw failure("cannot be made: \(systemText(errno))")
        }
        guard
            let directory = OwnedDescriptor(
                Glibc.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
        else {
            let code = errno
            // Of a link the kernel says ENOTDIR with O_DIRECTORY, and ELOOP without.
            let cause =
                code == ELOOP || code == ENOTDIR ? "it is a link, or not a directory" : systemText(code)
            throw failure("cannot be opened: \(cause)")
        }
        var status = stat()
        guard fstat(directory.number, &status) == 0 else {
            throw failure("cannot be examined: \(systemText(errno))")
        }
        guard status.st_uid == geteuid() else {
            throw failure(
                "belongs to user \(status.st_uid)", advice: "it must belong to user \(geteuid())")
        }
        guard status.st_mode & 0o022 == 0 else {
            throw failure(
                "can be written by others (mode \(octal(status.st_mode)))", advice: "chmod go-w \(path)")
        }
        guard case .exclusive = use else { return directory }
        // A daemon that was killed while it started a program leaves the lock to that child until it executes it.
        var attempts = 0
        while flock(directory.number, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK, attempts < 10 {
            attempts += 1
            usleep(10_000)
        }
        guard flock(directory.number, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            if code == EWOULDBLOCK {
                throw DrawbridgeError(
                    .conflict, path, "another drawbridged uses this state directory",
                    advice: "stop it, or give this one a --state-dir of its own")
            }
            throw failure("cannot be locked: \(systemText(code))")
        }
        // Found out now, and not when the first record must be written.
        guard
            let probe = OwnedDescriptor(
                openat(directory.number, ".probe", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600))
        else { throw failure("cannot be written: \(systemText(errno))") }
        _ = consume probe
        unlinkat(directory.number, ".probe", 0)
        return directory
    }

    /// Sets whether other users may pass through the directory to a socket in it that they may use; they can
    /// neither list it nor read what is in it.
    ///
    /// - Throws: `journal` where the mode cannot be changed.
    public func admitPassage(_ admitted: Bool) throws(DrawbridgeError) {
        guard fchmod(directory.number, admitted ? 0o711 : 0o700) == 0 else {
            throw DrawbridgeError(
                .journal, path, "the mode of the state directory cannot be changed: \(systemText(errno))")
        }
    }

    /// Reads a file of the directory whole; nil where there is none of that name.
    ///
    /// - Throws: why it was not read: a link, not a file, another's, writable by others, too large, or unreadable.
    func read(_ name: String) throws(RecordError) -> [UInt8]? {
        guard
            let file = OwnedDescriptor(
                openat(directory.number, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC))
        else {
            let code = errno
            if code == ENOENT { return nil }
            throw RecordError(
                file(name), code == ELOOP ? .link : .system("cannot be opened", systemText(code)))
        }
        var status = stat()
        guard fstat(file.number, &status) == 0 else {
            throw RecordError(self.file(name), .system("cannot be examined", systemText(errno)))
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw RecordError(self.file(name), .notAFile) }
        guard status.st_uid == geteuid() else {
            throw RecordError(self.file(name), .owner(status.st_uid))
        }
        guard status.st_mode & 0o022 == 0 else {
            throw RecordError(self.file(name), .writableByOthers(status.st_mode))
        }
        guard status.st_size <= Self.recordLimit else {
            throw RecordError(self.file(name), .tooLarge(Int(status.st_size)))
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size) + 1)
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(file.number, buffer.baseAddress.map { $0 + filled }, buffer.count - filled)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw RecordError(self.file(name), .system("cannot be read", systemText(errno)))
            }
            if count == 0 { break }
            filled += count
        }
        bytes.removeLast(bytes.count - filled)
        return bytes
    }

    /// Replaces a file of the directory, or makes it: whoever reads it finds the old content or the new.
    ///
    /// Nothing is synchronised with the disk unless it is `isDurable`: the journal lies under `/run`, and what it tells
    /// of is gone with the machine as well.
    func write(_ name: String, _ bytes: [UInt8], isDurable: Bool = false) throws(RecordError) {
        let temporary = ".\(name).new"
        // What a killed predecessor left half written.
        unlinkat(directory.number, temporary, 0)
        guard
            let file = OwnedDescriptor(
                openat(
                    directory.number, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600))
        else { throw RecordError(file(name), .system("cannot be written", systemText(errno))) }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(file.number, buffer.baseAddress.map { $0 + written }, buffer.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let error = RecordError(self.file(name), .system("cannot be written", systemText(errno)))
                unlinkat(directory.number, temporary, 0)
                throw error
            }
            written += count
        }
        guard !isDurable || fsync(file.number) == 0,
            renameat(directory.number, temporary, directory.number, name) == 0,
            !isDurable || fsync(directory.number) == 0
        else {
            let error = RecordError(self.file(name), .system("cannot be written", systemText(errno)))
            unlinkat(directory.number, temporary, 0)
            throw error
        }
    }

    /// Whether there is a file of that name.
    func contains(_ name: String) -> Bool {
        faccessat(directory.number, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0
    }

    /// Writes at the end of a file that is there already. What cannot be written whole is taken back.
    func append(_ name: String, _ bytes: [UInt8]) throws(RecordError) {
        guard
            let file = OwnedDescriptor(
                openat(directory.number, name, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC))
        else { throw RecordError(self.file(name), .system("cannot be written", systemText(errno))) }
        let length = lseek(file.number, 0, Int32(SEEK_END))
        let count = bytes.withUnsafeBytes { Glibc.write(file.number, $0.baseAddress, $0.count) }
        guard count == bytes.count else {
            let code = count < 0 ? errno : ENOSPC
            if length >= 0 { ftruncate(file.number, length) }
            throw RecordError(self.file(name), .system("cannot be written", systemText(code)))
        }
    }

    /// Removes a file of the directory; one that is not there is no error.
    func remove(_ name: String) throws(RecordError) {
        guard unlinkat(directory.number, name, 0) == 0 || errno == ENOENT else {
            throw RecordError(file(name), .system("cannot be removed", systemText(errno)))
        }
    }

    /// The names of its files in order, half written ones left out.
    func names() throws(RecordError) -> [String] {
        // A descriptor of its own, since fdopendir(3) takes it over and moves its offset.
        let copy = openat(directory.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else {
            let code = errno
            if copy >= 0 { close(copy) }
            throw RecordError(path, .system("cannot be listed", systemText(code)))
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    /// The path of a file of the directory, for people.
    func file(_ name: String) -> String { "\(path)/\(name)" }
}

/// A mode as people write it: `0755`.
func octal(_ mode: mode_t) -> String { "0" + String(mode & 0o7777, radix: 8) }
