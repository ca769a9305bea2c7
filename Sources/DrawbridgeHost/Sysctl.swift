import DrawbridgeModel
import DrawbridgePlanning
import Glibc

/// The sysctls of network devices (`/proc/sys/net/ipv4/conf/<link>/…`) of the calling thread's namespace.
///
/// The kernel resolves `/proc/sys/net` by the namespace of the thread that looks it up.
struct Sysctl {
    /// Every setting of a link that can be read and written. A setting that has no value, as `stable_secret`
    /// before it is set, is left out, and so is `addr_gen_mode`: a link's own attribute says the same, and can be
    /// set without the side effect of making an address at once.
    func settings(ofLink name: String) -> [SettingKey: String] {
        var settings: [SettingKey: String] = [:]
        for tree in SettingKey.Tree.allCases {
            guard let directory = Self.open(tree, link: name) else { continue }
            // fdopendir takes the descriptor over, so it gets one of its own.
            guard let stream = fdopendir(dup(directory.number)) else { continue }
            defer { closedir(stream) }
            for file in names(in: stream) where SettingKey(tree, file) != .addressGeneration {
                guard let value = Self.read(file, in: directory.number) else { continue }
                settings[SettingKey(tree, file)] = value
            }
        }
        return settings
    }

    /// Some settings of a link; those that do not exist are left out.
    func settings(_ keys: [SettingKey], ofLink name: String) -> [SettingKey: String] {
        var settings: [SettingKey: String] = [:]
        for tree in SettingKey.Tree.allCases {
            let wanted = keys.filter { $0.tree == tree }
            guard !wanted.isEmpty, let directory = Self.open(tree, link: name) else { continue }
            for key in wanted {
                if let value = Self.read(key.name, in: directory.number) { settings[key] = value }
            }
        }
        return settings
    }

    /// Writes one setting.
    ///
    /// - Throws: `kernel` with the file and the kernel's own text.
    func set(_ key: SettingKey, ofLink name: String, to value: String) throws(DrawbridgeError) {
        let object = "net.\(key.tree.rawValue.replacingSlash).\(name).\(key.name)"
        guard isComponent(name), isComponent(key.name) else {
            throw DrawbridgeError(.invalidArgument, object, "is not the name of a setting")
        }
        guard let directory = Self.open(key.tree, link: name),
            let file = Descriptor(openat(directory.number, key.name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC))
        else { throw DrawbridgeError(system: object, "cannot be opened for writing") }
        let text = Array((value + "\n").utf8)
        let written = text.withUnsafeBytes { write(file.number, $0.baseAddress, $0.count) }
        guard written == text.count else {
            throw DrawbridgeError(system: object, "cannot be set to '\(value)'")
        }
    }

    private static func open(_ tree: SettingKey.Tree, link name: String) -> Descriptor? {
        guard isComponent(name) else {
            errno = EINVAL
            return nil
        }
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        guard let parent = Descriptor(Glibc.open("/proc/sys/net/" + tree.rawValue, flags)) else { return nil }
        return Descriptor(openat(parent.number, name, flags))
    }

    private static func read(_ file: String, in directory: Int32) -> String? {
        guard let file = Descriptor(openat(directory, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) else {
            return nil
        }
        var status = stat()
        guard fstat(file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_mode & S_IWUSR != 0, let bytes = contents(of: file.number)
        else { return nil }
        return String(decoding: bytes.last == 10 ? bytes.dropLast() : bytes[...], as: UTF8.self)
    }
}

/// Whether a text is one component of a path, and not one that leads elsewhere.
private func isComponent(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(47) && !name.utf8.contains(0)
}

extension String {
    fileprivate var replacingSlash: String { String(map { $0 == "/" ? "." : $0 }) }
}
