import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

/// What dnsmasq reads about one subnet (dnsmasq(8)), as text.
struct NameServerFiles: Hashable, Sendable {
    let network: NetworkName
    let bridge: LinkName
    let subnet: Subnet
    /// Where the files are.
    let directory: String

    private func path(_ suffix: String) -> String { "\(directory)/\(network).\(suffix)" }
    var configurationFile: String { path("conf") }
    /// Who may have which address.
    var hostsFile: String { path("hosts") }
    /// Whose name is which address.
    var namesFile: String { path("names") }
    /// What dnsmasq itself remembers.
    var leaseFile: String { path("leases") }
    var processFile: String { path("pid") }
    /// What it says before it ends.
    var errorFile: String { path("errors") }

    /// `argv` without the name.
    var arguments: [String] { ["--conf-file=\(configurationFile)"] }

    /// How long a lease is good for.
    static let leaseTime = "1h"

    /// The configuration: it serves this bridge alone, gives addresses to those only that are in the file of hosts, and
    /// tells routers' advertisements that there is no other way to an address.
    ///
    /// - Parameter user: as whom it runs.
    func configuration(user: String) -> String {
        var lines = [
            "# Written by Drawbridge for the network \(network), anew at each start.",
            "keep-in-foreground", "user=\(user)", "pid-file=\(processFile)", "interface=\(bridge)",
            "except-interface=lo", "bind-interfaces", "no-hosts", "addn-hosts=\(namesFile)",
            "dhcp-hostsfile=\(hostsFile)", "dhcp-leasefile=\(leaseFile)", "dhcp-authoritative",
            "dhcp-lease-max=65536", "dhcp-ignore=tag:!known", "domain-needed", "bogus-priv", "quiet-dhcp",
            "quiet-dhcp6", "quiet-ra",
        ]
        for prefix in subnet.addresses {
            switch prefix.network.address {
            case .ipv4(let network):
                lines.append("dhcp-range=\(network),static,\(Self.mask(prefix.length)),\(Self.leaseTime)")
            case .ipv6(let network):
                lines.append("dhcp-range=\(network),static,\(prefix.length),\(Self.leaseTime)")
                lines.append("enable-ra")
            }
        }
        if let domain = subnet.domain { lines += ["domain=\(domain)", "local=/\(domain)/", "expand-hosts"] }
        // Without a way out there is nobody to ask, and no router.
        if subnet.exit == .none { lines += ["no-resolv", "dhcp-option=option:router"] }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The file of hosts, a line for each guest.
    func hosts(_ holdings: [AddressBook.Holding]) -> String {
        holdings.map { holding in
            let addresses = holding.addresses.map { $0.family == .ipv6 ? "[\($0)]" : "\($0)" }
            return ([holding.mac.description] + addresses + [holding.name]).joined(separator: ",") + "\n"
        }.joined()
    }

    /// The file of names: the host's own is that of the bridge.
    func names(_ holdings: [AddressBook.Holding]) -> String {
        (subnet.addresses.map { "\($0.address) \(bridge)\n" }
            + holdings.flatMap { holding in holding.addresses.map { "\($0) \(holding.name)\n" } }).joined()
    }

    private static func mask(_ length: UInt8) -> IPv4Address {
        IPv4Address(value: length == 0 ? 0 : UInt32.max << (32 - UInt32(length)))
    }
}
