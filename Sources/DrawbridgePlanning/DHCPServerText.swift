public import NetworkTypes

/// What `network-nat` and `vif-nat` write into the files of ISC's DHCP server, a line each: pure editing of their octets.
///
/// What is not a line of these is never touched: a host whose name only begins like another's, or that is described in
/// several lines, is the administrator's.
public enum DHCPServerText {
    /// A guest with its one address.
    public struct Host: Hashable, Sendable {
        /// By what it is known.
        public var name: String
        /// The guest's hardware address.
        public var mac: MACAddress
        /// The guest's own address.
        public var address: IPv4Address
        /// The host's, which is the guest's router.
        public var router: IPv4Address

        /// A guest as the server is told of it.
        public init(name: String, mac: MACAddress, address: IPv4Address, router: IPv4Address) {
            self.name = name
            self.mac = mac
            self.address = address
            self.router = router
        }

        /// Worded as Xen's script words it.
        public var line: String {
            "host \(name) { hardware ethernet \(mac); fixed-address \(address); option routers \(router); option host-name \"\(name)\"; }"
        }
    }

    /// `dhcpd.conf` with this guest, and no other line about a host of its name.
    public static func adding(_ host: Host, to text: [UInt8]) -> [UInt8] {
        let lines = lines(text)
        guard lines.filter({ isHost($0, host.name) }).map(string) != [host.line] else { return text }
        return appending(host.line, to: joined(lines.filter { !isHost($0, host.name) }))
    }

    /// `dhcpd.conf` without the line about a host.
    public static func removingHost(_ name: String, from text: [UInt8]) -> [UInt8] {
        joined(lines(text).filter { !isHost($0, name) })
    }

    /// `dhcpd.conf` with the network of the derived addresses, unless a line tells of it already.
    ///
    /// - Parameters:
    ///   - domain: the domain that guests are told; nil for none.
    ///   - nameServer: the server of names that they are told.
    public static func addingSubnet(
        domain: String?, nameServer: IPv4Address?, to text: [UInt8]
    ) -> [UInt8] {
        guard !lines(text).contains(where: { string($0).contains("subnet 10.0.0.0") }) else { return text }
        let options =
            (domain.map { [" option domain-name \"\($0)\";"] } ?? [])
            + (nameServer.map { [" option domain-name-servers \($0);"] } ?? [])
        return appending("\(subnet) {\(options.joined())\(options.isEmpty ? "" : " ")}", to: text)
    }

    /// `dhcpd.conf` without that network, where it is told as ``addingSubnet(domain:nameServer:to:)`` tells it.
    public static func removingSubnet(from text: [UInt8]) -> [UInt8] {
        joined(
            lines(text).filter { line in
                guard let body = body(of: line, after: subnet) else { return true }
                return !body.split(separator: ";").allSatisfy {
                    let words = $0.split(separator: " ")
                    return words.isEmpty || words.starts(with: ["option", "domain-name"])
                        || words.starts(with: ["option", "domain-name-servers"])
                }
            })
    }

    /// The file of arguments with an interface that the server is to serve: in the lines by which Red Hat, SUSE and Debian
    /// name them.
    public static func adding(interface: LinkName, to text: [UInt8]) -> [UInt8] {
        editingInterfaces(text) { $0.contains(interface.rawValue) ? nil : $0 + [interface.rawValue] }
    }

    /// The file of arguments without an interface.
    public static func removing(interface: LinkName, from text: [UInt8]) -> [UInt8] {
        editingInterfaces(text) { words in
            words.contains(interface.rawValue) ? words.filter { $0 != interface.rawValue } : nil
        }
    }

    private static let subnet = "subnet 10.0.0.0 netmask 255.255.0.0"
    private static let variables = ["DHCPDARGS", "DHCPD_INTERFACE", "INTERFACES", "INTERFACESv4"]

    private static func editingInterfaces(
        _ text: [UInt8], _ change: ([String]) -> [String]?
    ) -> [UInt8] {
        joined(
            lines(text).map { line in
                guard let whole = String(validating: line, as: UTF8.self),
                    let equals = whole.firstIndex(of: "="),
                    variables.contains(String(whole[..<equals]))
                else { return line }
                let value = whole[whole.index(after: equals)...]
                let isQuoted = value.first == "\"" || value.first == "'"
                let quote: Character = isQuoted ? value.first ?? "\"" : "\""
                let inner = isQuoted ? value.dropFirst() : value
                let end = inner.firstIndex { isQuoted ? $0 == quote : $0 == "#" } ?? inner.endIndex
                let rest =
                    isQuoted && end < inner.endIndex ? inner[inner.index(after: end)...] : inner[end...]
                guard let words = change(inner[..<end].split(separator: " ").map(String.init)) else {
                    return line
                }
                let list = words.joined(separator: " ")
                return Array("\(whole[...equals])\(quote)\(list)\(quote)\(rest)".utf8)[...]
            })
    }

    private static func isHost(_ line: ArraySlice<UInt8>, _ name: String) -> Bool {
        body(of: line, after: "host \(name)") != nil
    }

    /// What stands in the braces of a line that holds nothing but this statement; nil for any other line.
    private static func body(of line: ArraySlice<UInt8>, after head: String) -> Substring? {
        let text = string(line)
        guard let open = text.firstIndex(of: "{"),
            let last = text.lastIndex(where: { $0 != " " && $0 != "\t" }),
            text[last] == "}", text.firstIndex(of: "}") == last,
            text[..<open].split(whereSeparator: { $0 == " " || $0 == "\t" })
                == head.split(separator: " ")
        else { return nil }
        return text[text.index(after: open)..<last]
    }

    private static func lines(_ text: [UInt8]) -> [ArraySlice<UInt8>] {
        text.split(separator: 10, omittingEmptySubsequences: false)
    }

    private static func joined(_ lines: [ArraySlice<UInt8>]) -> [UInt8] {
        Array(lines.joined(separator: [10]))
    }

    private static func string(_ line: ArraySlice<UInt8>) -> String { String(decoding: line, as: UTF8.self) }

    private static func appending(_ line: String, to text: [UInt8]) -> [UInt8] {
        text + (text.isEmpty || text.last == 10 ? [] : [10]) + Array(line.utf8) + [10]
    }
}
