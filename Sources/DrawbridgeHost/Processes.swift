import Glibc

/// What `/proc` tells about programs.
enum Processes {
    /// How many programs are looked at before a search ends.
    private static let limit = 8192

    /// A program that runs.
    struct Owner: Hashable, CustomStringConvertible {
        var process: Int32
        var name: String
        var description: String { "\(name) (process \(process))" }
    }

    /// The programs that hold sockets, by the sockets' inodes.
    static func owners(ofSockets inodes: Set<UInt32>) -> [UInt32: Owner] {
        var owners: [UInt32: Owner] = [:]
        guard !inodes.isEmpty else { return owners }
        for process in identifiers().prefix(limit) {
            for descriptor in names(inDirectory: "/proc/\(process)/fd") {
                guard let target = link("/proc/\(process)/fd/\(descriptor)"), target.hasPrefix("socket:["),
                    let inode = UInt32(target.dropFirst(8).dropLast()), inodes.contains(inode),
                    owners[inode] == nil
                else { continue }
                owners[inode] = Owner(process: process, name: name(of: process))
            }
            if owners.count == inodes.count { break }
        }
        return owners
    }

    /// The DHCP clients of the calling thread's namespace that were started for a device: those found by their
    /// program's name and arguments. One that waits to renew its lease may hold no socket at all (udhcpc).
    static func dynamicHostClients(names links: Set<String>) -> [Int32] {
        guard let own = link("/proc/thread-self/ns/net") else { return [] }
        return identifiers().prefix(limit).filter { process in
            isClient(arguments(of: process), for: links) && link("/proc/\(process)/ns/net") == own
        }
    }

    /// How a program was started (proc_pid_cmdline(5)); empty where it is gone.
    static func arguments(of process: Int32) -> [String] {
        let bytes = contents(ofFile: "/proc/\(process)/cmdline") ?? []
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether a program's name is that of a DHCP client.
    static func isClientProgram(_ name: String) -> Bool {
        ["udhcpc", "udhcpc6", "dhclient", "dhcpcd", "dhcp6c"].contains(name)
    }

    /// Whether a command line is that of a DHCP client for one of these names. udhcpc without `-i` takes `eth0`;
    /// dhclient and dhcpcd without a name are not taken for clients of any.
    static func isClient(_ arguments: [String], for links: Set<String>) -> Bool {
        var arguments = arguments[...]
        // dhcpcd writes its state over its arguments: "dhcpcd: eth0 [ip4]".
        if let first = arguments.first, first.hasPrefix("dhcpcd:") {
            return arguments.flatMap { $0.split(separator: " ") }.contains { links.contains(String($0)) }
        }
        guard var program = arguments.popFirst().map(lastComponent) else { return false }
        if program.hasPrefix("busybox") {
            guard let applet = arguments.popFirst() else { return false }
            program = lastComponent(applet)
        }
        switch program {
        case "udhcpc", "udhcpc6":
            var chosen = "eth0"
            for (index, argument) in zip(arguments.indices, arguments) {
                if argument == "-i" || argument == "--interface", arguments.indices.contains(index + 1) {
                    chosen = arguments[index + 1]
                } else if argument.hasPrefix("--interface=") {
                    chosen = String(argument.dropFirst(12))
                } else if argument.hasPrefix("-i"), argument.count > 2 {
                    chosen = String(argument.dropFirst(2))
                }
            }
            return links.contains(chosen)
        case "dhclient", "dhcpcd", "dhcp6c":
            return arguments.contains(where: links.contains)
        default: return false
        }
    }

    /// The name of a program (`comm` of proc_pid_comm(5)).
    static func name(of process: Int32) -> String {
        let text = text(ofFile: "/proc/\(process)/comm") ?? "?"
        return String(text.prefix { !$0.isNewline })
    }

    private static func identifiers() -> [Int32] {
        names(inDirectory: "/proc").compactMap { Int32($0) }.sorted()
    }

    private static func lastComponent(_ path: String) -> String {
        String(path.split(separator: "/").last ?? "")
    }

    private static func link(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = buffer.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return -1 }
            return readlink(path, base.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
