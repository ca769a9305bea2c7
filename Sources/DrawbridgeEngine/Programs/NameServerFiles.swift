import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

/// A guest as dnsmasq is told of it.
struct ServedGuest: Hashable, Sendable {
    var mac: MACAddress
    var addresses: [IPAddress]
    /// By what others find it, the first of these also what it is told to call itself.
    var names: [String]
    /// The device that it is served on, where it has one of its own; nil on a bridge.
    var device: LinkName?
}

/// What dnsmasq reads about one network (dnsmasq(8)), as text.
struct NameServerFiles: Hashable, Sendable {
    /// Where the guests are.
    enum Place: Hashable, Sendable {
        /// On a bridge with a subnet of its own.
        case bridge(LinkName, Subnet)
        /// On a bridge that an uplink is a port of: the network is others', and so are its router and its servers of names.
        case segment(LinkName, HandOut)
        /// Each on a vif of its own, with a router of its own: those of `vif-nat`.
        case vifs
    }

    let network: NetworkName
    let place: Place
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

    /// The configuration: it serves these guests' devices alone, and gives addresses to those only that are in the file of
    /// hosts.
    ///
    /// - Parameter user: as whom it runs.
    func configuration(user: String, for guests: [ServedGuest]) -> String {
        let lines = [
            "# Written by Drawbridge for the network \(network).",
            "keep-in-foreground", "user=\(user)", "pid-file=\(processFile)",
            "except-interface=lo", "no-hosts", "addn-hosts=\(namesFile)",
            "dhcp-hostsfile=\(hostsFile)", "dhcp-leasefile=\(leaseFile)", "dhcp-authoritative",
            "dhcp-lease-max=65536", "dhcp-ignore=tag:!known", "domain-needed", "bogus-priv", "quiet-dhcp",
            "quiet-dhcp6", "quiet-ra",
        ]
        return (lines + served(guests)).joined(separator: "\n") + "\n"
    }

    private func served(_ guests: [ServedGuest]) -> [String] {
        switch place {
        case .bridge(let bridge, let subnet):
            var lines = ["interface=\(bridge)", "bind-interfaces"]
            for prefix in subnet.addresses {
                switch prefix.network.address {
                case .ipv4: lines.append(Self.range(prefix))
                case .ipv6: lines += [Self.range(prefix), "enable-ra"]
                }
            }
            if let domain = subnet.domain {
                lines += ["domain=\(domain)", "local=/\(domain)/", "expand-hosts"]
            }
            // Without a way out there is nobody to ask, and no router.
            if subnet.exit == .none { lines += ["no-resolv", "dhcp-option=option:router"] }
            return lines
        case .segment(let bridge, let handOut):
            // Names are for others to serve, and nothing listens for them.
            var lines = ["interface=\(bridge)", "bind-interfaces", "port=0"]
            if let own = handOut.own { lines.append(Self.range(own)) }
            lines.append("dhcp-option=option:router,\(handOut.router)")
            let servers = handOut.nameServers.map { ",\($0)" }.joined()
            lines.append("dhcp-option=option:dns-server\(servers)")
            if let domain = handOut.domain { lines.append("domain=\(domain)") }
            return lines
        case .vifs:
            // Vifs come and go. Without any it is the network's own name, which no device has: nobody is served.
            // Where dnsmasq answers a guest that has no address yet, it would put a neighbour of its own in the place of
            // the permanent one; by a broadcast on the vif it does not.
            let devices = Set(guests.compactMap(\.device)).sorted()
            let networks = Set(guests.flatMap(\.addresses).compactMap { Prefix($0, length: 16)?.network })
            return ["bind-dynamic", "dhcp-broadcast"]
                + (devices.isEmpty ? [network] : devices).map { "interface=\($0)" }
                + networks.map(Self.range).sorted()
        }
    }

    private static func range(_ prefix: Prefix) -> String {
        switch prefix.network.address {
        case .ipv4(let network): "dhcp-range=\(network),static,\(mask(prefix.length)),\(leaseTime)"
        case .ipv6(let network): "dhcp-range=\(network),static,\(prefix.length),\(leaseTime)"
        }
    }

    /// The file of hosts, a line for each guest. On a vif of its own a guest is known by the device that it asks on as
    /// well: no other guest is given its address by its hardware address.
    func hosts(_ guests: [ServedGuest]) -> String {
        guests.map { guest in
            let addresses = guest.addresses.map { $0.family == .ipv6 ? "[\($0)]" : "\($0)" }
            return
                ((guest.device.map { ["tag:\($0)"] } ?? []) + [guest.mac.description] + addresses
                + guest.names.prefix(1)).joined(separator: ",") + "\n"
        }.joined()
    }

    /// The file of names: the host's own is that of the bridge.
    func names(_ guests: [ServedGuest]) -> String {
        let own: [String] =
            if case .bridge(let bridge, let subnet) = place {
                subnet.addresses.map { "\($0.address) \(bridge)\n" }
            } else { [] }
        return
            (own
            + guests.flatMap { guest in
                guest.addresses.map { "\($0) \(guest.names.joined(separator: " "))\n" }
            }).joined()
    }

    private static func mask(_ length: UInt8) -> IPv4Address {
        IPv4Address(value: length == 0 ? 0 : UInt32.max << (32 - UInt32(length)))
    }
}
