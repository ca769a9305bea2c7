/// The command line of a DHCP client, understood as far as handing its lease over needs it.
public struct DHCPClientCommand: Hashable, Sendable, Codable {
    public let kind: DHCPClientKind
    /// The whole command line, the program's name first.
    public let arguments: [String]
    /// The interfaces it names; empty where it takes all there are.
    public let interfaces: [String]
    public let pidFile: String?
    /// Where dhclient keeps its leases.
    public let leaseFile: String?
    public let configurationFile: String?
    /// Whether it handles DHCPv6.
    public let isIPv6: Bool
    /// Whether it releases its lease when it is ended (`udhcpc -R`).
    public let releasesAtExit: Bool
    /// What a client in its place must be told as well: the identifier and host name it sends, the options it
    /// asks for, how it waits.
    public let inherited: [String]

    /// Understands a command line; nil where it is not a DHCP client's.
    public init?(_ arguments: [String]) {
        guard var name = arguments.first.map(Self.baseName) else { return nil }
        var rest = arguments.dropFirst()
        if name == "busybox", let applet = rest.first {
            name = Self.baseName(applet)
            rest = rest.dropFirst()
        }
        guard let kind = DHCPClientKind(rawValue: name) else { return nil }
        var reading: Reading
        switch kind {
        case .udhcpc: reading = Self.readUdhcpc(Array(rest))
        case .dhclient: reading = Self.readDhclient(Array(rest))
        case .dhcpcd, .pump, .dhcp6c:
            reading = Reading()
            reading.interfaces = rest.filter { !$0.hasPrefix("-") }
        }
        self.kind = kind
        self.arguments = arguments
        interfaces = reading.interfaces
        pidFile = reading.pidFile
        leaseFile = reading.leaseFile
        configurationFile = reading.configurationFile
        isIPv6 = reading.isIPv6 || kind == .dhcp6c
        releasesAtExit = reading.releasesAtExit
        inherited = reading.inherited
    }

    /// Whether it works on this interface.
    public func handles(_ interface: String) -> Bool { interfaces.isEmpty || interfaces.contains(interface) }

    /// Whether it is the same call, however the program was named.
    func isSame(as other: Self) -> Bool {
        kind == other.kind && interfaces == other.interfaces && inherited == other.inherited
            && leaseFile == other.leaseFile && configurationFile == other.configurationFile
            && isIPv6 == other.isIPv6
    }

    private struct Reading {
        var interfaces: [String] = []
        var pidFile: String?
        var leaseFile: String?
        var configurationFile: String?
        var isIPv6 = false
        var releasesAtExit = false
        var inherited: [String] = []
    }

    private static func baseName(_ path: String) -> String {
        // A login shell's dash and a path are no part of the name.
        String((path.split(separator: "/").last ?? "").drop { $0 == "-" })
    }

    /// udhcpc reads its options as getopt_long(3) does: letters may stand together, a value may be joined on.
    private static func readUdhcpc(_ arguments: [String]) -> Reading {
        var reading = Reading()
        var interface = "eth0"
        let long: [String: Character] = [
            "interface": "i", "script": "s", "pidfile": "p", "request": "r", "clientid-none": "C",
            "vendorclass": "V", "hostname": "H", "fqdn": "F", "retries": "t", "timeout": "T", "tryagain": "A",
            "now": "n", "quit": "q", "release": "R", "background": "b", "foreground": "f", "syslog": "S",
            "request-option": "O", "no-default-options": "o", "arping": "a", "broadcast": "B",
            "clientid": "c",
        ]
        let valued: Set<Character> = [
            "i", "s", "p", "r", "V", "H", "h", "F", "t", "T", "A", "O", "x", "c", "P", "l",
        ]
        var index = 0
        func take(_ option: Character, _ value: String?) {
            switch option {
            case "i": interface = value ?? interface
            case "p": reading.pidFile = value
            case "R": reading.releasesAtExit = true
            // Where it runs and how it ends are the supervisor's.
            case "s", "r", "n", "q", "b", "f", "P", "l", "v": break
            case "a": reading.inherited.append("-a" + (value ?? ""))
            default:
                reading.inherited.append("-\(option)")
                if let value { reading.inherited.append(value) }
            }
        }
        func next() -> String? {
            index += 1
            return index < arguments.count ? arguments[index] : nil
        }
        while index < arguments.count {
            let argument = arguments[index]
            if argument == "--" { break }
            if argument.hasPrefix("--") {
                let parts = argument.dropFirst(2).split(
                    separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                if let option = long[String(parts.first ?? "")] {
                    let joined = parts.count == 2 ? String(parts[1]) : nil
                    take(option, joined ?? (valued.contains(option) ? next() : nil))
                }
            } else if argument.hasPrefix("-") {
                var letters = argument.dropFirst()
                while let option = letters.popFirst() {
                    if valued.contains(option) {
                        take(option, letters.isEmpty ? next() : String(letters))
                        break
                    }
                    if option == "a" {
                        take(option, String(letters))
                        break
                    }
                    take(option, nil)
                }
            }
            index += 1
        }
        reading.interfaces = [interface]
        return reading
    }

    /// dhclient's options are words of their own (dhclient(8)); what is no option is an interface.
    private static func readDhclient(_ arguments: [String]) -> Reading {
        var reading = Reading()
        let inheritedValues: Set<String> = [
            "-C", "-H", "-F", "-V", "-R", "--request-options", "--timeout", "-timeout", "-e", "-D",
            "--decline-wait-time", "--prefix-len-hint", "--address-prefix-len", "--dad-wait-time", "-p", "-g",
            "-s",
        ]
        let inheritedWords: Set<String> = ["-4", "-B", "-I", "-i"]
        let valued: Set<String> = ["-sf", "-df"]
        var index = 0
        func next() -> String? {
            index += 1
            return index < arguments.count ? arguments[index] : nil
        }
        while index < arguments.count {
            let argument = arguments[index]
            switch argument {
            case "-pf": reading.pidFile = next()
            case "-lf": reading.leaseFile = next()
            case "-cf": reading.configurationFile = next()
            case "-6": reading.isIPv6 = true
            case _ where inheritedValues.contains(argument):
                if let value = next() { reading.inherited += [argument, value] }
            case _ where inheritedWords.contains(argument): reading.inherited.append(argument)
            case _ where valued.contains(argument): _ = next()
            case _ where argument.hasPrefix("-"): break
            default: reading.interfaces.append(argument)
            }
            index += 1
        }
        return reading
    }
}
