import DrawbridgeAPI
import Glibc

/// The directory of Xen's scripts, and what stands in it under the names of those that Drawbridge replaces.
///
/// Each step is one call of the kernel's that leaves a script under its name at every moment, since guests may be
/// started meanwhile; and whatever was interrupted is completed by doing it again.
struct XenScripts {
    /// The scripts that are replaced. Those of block devices stay Xen's.
    static let names = [
        "network-bridge", "network-nat", "network-route", "vif-bridge", "vif-nat", "vif-openvswitch",
        "vif-route", "vif-setup",
    ]
    /// What is appended to the name of what was there; dpkg-divert(1) has the same custom.
    static let suffix = ".distrib"

    let directory: String

    /// One step.
    enum Step: CustomStringConvertible {
        /// Gives what is there a second name.
        case keep(String)
        /// Puts the link there.
        case link(String, to: String)
        /// Puts back what was kept.
        case restore(String)
        /// Takes the link away, where nothing was there before.
        case unlink(String)

        var description: String {
            switch self {
            case .keep(let name): "keep \(name) as \(name)\(XenScripts.suffix)"
            case .link(let name, let client): "link \(name) to \(client)"
            case .restore(let name): "put \(name)\(XenScripts.suffix) back as \(name)"
            case .unlink(let name): "remove the link \(name)"
            }
        }
    }

    private enum Entry: Equatable {
        case none
        case ours(target: String)
        case foreign(device: UInt, inode: UInt)
    }

    /// What has to be done for the links to be there; refused before anything changes.
    func installation(of client: String) throws(CommandFailure) -> [Step] {
        try checkDirectory()
        var steps: [Step] = []
        for name in Self.names {
            let (there, kept) = (try entry(name), try entry(name + Self.suffix))
            switch there {
            case .ours(let target) where target == client: continue
            case .foreign where kept == .none: steps.append(.keep(name))
            case .foreign where kept != there:
                throw CommandFailure(
                    .conflict,
                    "\(directory)/\(name): is there beside \(name)\(Self.suffix), and neither is Drawbridge's; move one of them away"
                )
            default: break
            }
            steps.append(.link(name, to: client))
        }
        return steps
    }

    /// What has to be done for everything to be as it was.
    func removal() throws(CommandFailure) -> [Step] {
        try checkDirectory()
        var steps: [Step] = []
        for name in Self.names {
            let (there, kept) = (try entry(name), try entry(name + Self.suffix))
            switch (there, kept) {
            case (.ours, .none), (.ours, .ours): steps.append(.unlink(name))
            case (.ours, .foreign), (.none, .foreign): steps.append(.restore(name))
            // The second name that an installation made before it was interrupted.
            case (.foreign, .foreign) where there == kept: steps.append(.restore(name))
            // Somebody else's: not touched.
            case (.foreign, _), (.none, _): break
            }
        }
        return steps
    }

    /// Does one step.
    func perform(_ step: Step) throws(CommandFailure) {
        switch step {
        case .keep(let name):
            // linkat(2) does not follow a link that stands there.
            try call("\(name)\(Self.suffix)") {
                linkat(AT_FDCWD, path(name), AT_FDCWD, path(name + Self.suffix), 0)
            }
        case .link(let name, let client):
            let temporary = path(".\(name).drawbridge")
            _ = Glibc.unlink(temporary)
            try call(name) { symlink(client, temporary) }
            try call(name) { rename(temporary, path(name)) }
        case .restore(let name):
            try call(name) { rename(path(name + Self.suffix), path(name)) }
            // Two names of one file: rename(2) then does nothing, and the second name is left over.
            if try entry(name + Self.suffix) != .none {
                try call(name) { Glibc.unlink(path(name + Self.suffix)) }
            }
        case .unlink(let name):
            try call(name) { Glibc.unlink(path(name)) }
        }
    }

    private func path(_ name: String) -> String { "\(directory)/\(name)" }

    private func call(_ name: String, _ body: () -> Int32) throws(CommandFailure) {
        guard body() == 0 else { throw failure(name, errno) }
    }

    private func failure(_ name: String, _ code: Int32) -> CommandFailure {
        let kind: DrawbridgeAPI.ExitCode = code == EACCES || code == EPERM ? .permissionDenied : .failed
        return CommandFailure(kind, "\(path(name)): \(String(cString: strerror(code)))")
    }

    private func checkDirectory() throws(CommandFailure) {
        var status = stat()
        guard stat(directory, &status) == 0 else {
            let code = errno
            throw CommandFailure(
                code == ENOENT ? .notFound : .failed, "\(directory): \(String(cString: strerror(code)))")
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw CommandFailure(.usage, "\(directory): is not a directory")
        }
    }

    private func entry(_ name: String) throws(CommandFailure) -> Entry {
        var status = stat()
        guard lstat(path(name), &status) == 0 else {
            let code = errno
            guard code == ENOENT else { throw failure(name, code) }
            return .none
        }
        switch status.st_mode & S_IFMT {
        case S_IFLNK:
            var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
            let count = buffer.withUnsafeMutableBytes { bytes in
                bytes.baseAddress.map { readlink(path(name), $0, bytes.count) } ?? -1
            }
            guard count >= 0 else { throw failure(name, errno) }
            let target = String(decoding: buffer.prefix(count), as: UTF8.self)
            if target.split(separator: "/").last == "drawbridge-hotplug" { return .ours(target: target) }
        case S_IFDIR:
            throw CommandFailure(.conflict, "\(path(name)): is a directory")
        default: break
        }
        return .foreign(device: status.st_dev, inode: status.st_ino)
    }
}
