import Testing

/// What each target may import: the walls of the house, said once more where a change of the manifest alone
/// does not move them.
private let allowed: [String: Set<String>] = [
    "NetworkTypes": [],
    "Netlink": ["LinuxHeaders"],
    "RouteNetlink": ["Netlink", "NetworkTypes", "LinuxHeaders"],
    "Nftables": ["Netlink", "NetworkTypes", "LinuxHeaders"],
    "Conntrack": ["Netlink", "NetworkTypes", "LinuxHeaders"],
    "SExpression": [],
    "Varlink": ["LinuxHeaders"],
    "Xenstore": ["LinuxHeaders"],
    "OVSDB": ["Varlink"],
    "DrawbridgeModel": ["NetworkTypes"],
    "DrawbridgeConfiguration": ["DrawbridgeModel", "NetworkTypes", "SExpression", "CYAML"],
    "DrawbridgePlanning": ["DrawbridgeModel", "NetworkTypes"],
    "DrawbridgeHost": [
        "DrawbridgePlanning", "DrawbridgeModel", "NetworkTypes", "Netlink", "RouteNetlink", "Nftables",
        "Conntrack",
        "LinuxHeaders",
    ],
    "DrawbridgeEngine": [
        "DrawbridgeHost", "DrawbridgePlanning", "DrawbridgeModel", "NetworkTypes", "OVSDB", "Varlink",
        "LinuxHeaders", "Logging",
    ],
    "DrawbridgeAPI": ["Varlink", "NetworkTypes"],
    "DrawbridgeDaemon": [
        "DrawbridgeEngine", "DrawbridgeAPI", "DrawbridgeConfiguration", "DrawbridgeHost",
        "DrawbridgePlanning",
        "DrawbridgeModel", "NetworkTypes", "Varlink", "Xenstore", "LinuxHeaders", "Logging",
    ],
    "drawbridge": [
        "DrawbridgeAPI", "DrawbridgeConfiguration", "DrawbridgeEngine", "DrawbridgeHost", "DrawbridgeModel",
        "NetworkTypes", "Varlink", "LinuxHeaders", "ArgumentParser", "Logging",
    ],
    "drawbridged": ["DrawbridgeDaemon", "ArgumentParser"],
    "drawbridge-hotplug": ["LinuxHeaders", "Varlink", "Xenstore"],
]

/// Targets that compute and do nothing else: the C library, and with it the kernel, is out of their reach.
private let pure: Set<String> = ["SExpression", "DrawbridgeModel", "DrawbridgePlanning"]

/// Folders below `Sources` that hold headers and no Swift.
private let headersOnly: Set<String> = ["LinuxHeaders", "CYAML"]

@Suite("The walls of the house")
struct LayerTests {
    @Test("the tree is found, and every target is in the table")
    func everyTargetIsListed() {
        let targets = Set(SourceTree.sources.map(\.target))
        #expect(targets.count > 10)
        #expect(targets.subtracting(headersOnly).subtracting(allowed.keys).isEmpty)
    }

    @Test("a file imports only what stands below its target", arguments: SourceTree.sources)
    func importsStandBelow(file: SourceFile) {
        for (module, line) in file.imports {
            switch module {
            case "Glibc":
                #expect(!pure.contains(file.target), "\(file.path):\(line): \(file.target) is pure")
            case "Synchronization", "Swift", "_Concurrency", "Dispatch":
                break
            default:
                #expect(
                    allowed[file.target, default: []].contains(module),
                    "\(file.path):\(line): \(file.target) may not import \(module)")
            }
        }
    }

    @Test("only the engine starts programs", arguments: SourceTree.sources)
    func onlyTheEngineStartsPrograms(file: SourceFile) {
        if file.target == "DrawbridgeEngine" { return }
        // The administrator's hooks beside Xen's scripts run as those did: from the script, outside the daemon's sandbox.
        if file.path.hasSuffix("drawbridge-hotplug/Hooks.swift") { return }
        for (number, line) in file.lines.enumerated() where !line.trimmingComment.isEmpty {
            for call in [
                "posix_spawn(", "posix_spawnp(", "fork()", "execve(", "execveat(", "popen(",
            ] {
                #expect(
                    !line.trimmingComment.containsCall(call),
                    "\(file.path):\(number + 1): a kernel socket does it, or the engine's programs do")
            }
        }
    }

    /// Beyond this a file almost certainly holds more than one idea.
    private static let longest = 700
    /// From here on its author should have asked.
    private static let long = 300

    @Test("no file is too long to hold one idea")
    func lengthOfFiles() {
        let files = SourceTree.sources.sorted { $0.lines.count > $1.lines.count }
        for file in files where file.lines.count > Self.long {
            print("\(file.lines.count) lines: \(file.path)")
        }
        for file in files {
            #expect(file.lines.count <= Self.longest, "\(file.path) has \(file.lines.count) lines")
        }
    }

    @Test("nothing is left to be done later", arguments: SourceTree.sources)
    func nothingIsLeftForLater(file: SourceFile) {
        for (number, line) in file.lines.enumerated() {
            for word in ["TODO", "FIXME", "XXX:"] where line.contains(word) {
                Issue.record("\(file.path):\(number + 1): \(word)")
            }
        }
    }
}

@Suite("Reading imports")
struct SourceFileTests {
    @Test("attributes, access levels and kinds are looked through")
    func importsAreFound() {
        let text = """
            public import NetworkTypes
            import struct Netlink.Message
            @preconcurrency internal import Glibc
            // import Foundation
            let important = "import Foundation"
            """
        let file = SourceFile(
            target: "any", path: "any.swift",
            lines: text.split(separator: "\n", omittingEmptySubsequences: false))
        #expect(file.imports.map(\.module) == ["NetworkTypes", "Netlink", "Glibc"])
        #expect(file.imports.map(\.line) == [1, 2, 3])
    }
}

extension Substring {
    /// The line without what stands behind `//`, and without leading blanks.
    fileprivate var trimmingComment: Substring {
        let code = self.drop { $0 == " " }
        if code.hasPrefix("//") { return "" }
        return code
    }

    /// Whether the function is called here, and not merely one whose name ends like it.
    fileprivate func containsCall(_ call: String) -> Bool {
        var rest = self
        while let start = rest.firstIndex(of: call.first ?? "(") {
            let before = start > startIndex ? self[index(before: start)] : " "
            if rest[start...].hasPrefix(call), !before.isLetter, !before.isNumber, before != "_",
                before != "."
            {
                return true
            }
            rest = rest[rest.index(after: start)...]
        }
        return false
    }
}
