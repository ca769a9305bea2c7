public import DrawbridgeModel
public import DrawbridgePlanning
import Glibc
import Netlink
import NetworkTypes
import Nftables
import RouteNetlink

/// What is known of an uplink besides what rtnetlink tells of its state.
public struct UplinkInspection: Hashable, Sendable {
    public var facts = UplinkFacts()
    /// The DHCP clients that run on it.
    public var clients: [RunningClient] = []
    /// Other programs that see every IPv4 frame of it, as DHCP clients do: `lessd (process 812)`. Those that want
    /// frames of every kind, as captures do, are not among them.
    public var internetListeners: [String] = []
    /// Whether an IPv4 address of it lasts only for a time, as one from DHCP does.
    public var hasFiniteLifetimes = false

    public init() {}
}

/// A DHCP client that was found running.
public struct RunningClient: Hashable, Sendable {
    public var process: Int32
    /// The name of its program: `dhclient`.
    public var program: String
    /// How it was started.
    public var arguments: [String]

    public init(process: Int32, program: String, arguments: [String]) {
        self.process = process
        self.program = program
        self.arguments = arguments
    }
}

extension RunningClient: CustomStringConvertible {
    public var description: String { "\(program) (process \(process))" }
}

extension HostAccess {
    /// Gathers what speaks for or against taking a device as an uplink.
    ///
    /// - Throws: `notFound` where it is gone, `kernel` where the kernel does not answer.
    public mutating func inspect(uplink index: Int32) throws(DrawbridgeError) -> UplinkInspection {
        traffic.reads += 4
        do throws(NetlinkError) {
            guard let link = try route.link(index: index)?.link else {
                throw NetlinkError.refused([.init(index: 0, errno: ENODEV)])
            }
            let addresses = try route.addresses(of: index)
            let sockets = try diagnostics.sockets(boundTo: index)
            let ruleset = try nftables.ruleset()
            let servedRoutes = NetworkRoot.current().map { ($0, (try? route.routes(.ipv4)) ?? []) }

            var result = UplinkInspection()
            result.facts.isWireless = Self.isWireless(link.name, index)
            if ManagerFiles.speaksOfThisNamespace {
                result.facts.manager = ManagerFiles.name(ofLink: index).flatMap(
                    InterfaceManager.init(rawValue:))
            }
            if let (root, routes) = servedRoutes, Self.reaches(root.server, through: index, routes) {
                result.facts.rootFileSystem = root.description
            }
            result.facts.firewallReferences =
                ruleset.layer3References(to: DeviceIdentity(name: link.name, index: index))
                .map { "nftables \($0)" }
            result.hasFiniteLifetimes = addresses.contains {
                $0.prefix.family == .ipv4 && $0.validLifetime != nil
            }
            collectPrograms(of: link, sockets, into: &result)
            return result
        } catch {
            if error.errno == ENODEV {
                throw DrawbridgeError(.notFound, "interface \(index)", "there is no such interface")
            }
            throw DrawbridgeError(error, about: "interface \(index)", doing: "cannot be inspected")
        }
    }

    /// Tells DHCP clients, by their sockets or by how they were started, from all others that are bound to it.
    private func collectPrograms(
        of link: Link<Int32>, _ sockets: [SocketDiagnostics.BoundSocket], into result: inout UplinkInspection
    ) {
        let owners = Processes.owners(ofSockets: Set(sockets.map(\.inode)))
        let names = Set([link.name] + link.alternativeNames)
        var clients = Set(Processes.dynamicHostClients(names: names))
        var others: [String] = []
        for socket in sockets {
            let owner = owners[socket.inode]
            switch socket.kind {
            case .udp(port: 68), .udp(port: 546):
                if let owner { clients.insert(owner.process) }
            case .packet(let wanted):
                // Many programs listen to frames; which of them is a DHCP client is known by its name.
                if let owner, Processes.isClientProgram(owner.name) {
                    clients.insert(owner.process)
                } else {
                    let name = owner?.description ?? "a packet socket of an unknown program"
                    others.append(name)
                    // ETH_P_IP of linux/if_ether.h.
                    if wanted == 0x0800 { result.internetListeners.append(name) }
                }
            default: others.append(owner?.description ?? "a socket of an unknown program")
            }
        }
        result.clients = clients.sorted().map { process in
            RunningClient(
                process: process, program: Processes.name(of: process),
                arguments: Processes.arguments(of: process))
        }
        let known = Set(result.clients.map(\.description))
        result.facts.boundSockets = Set(others).subtracting(known).sorted()
        if let first = result.clients.first {
            result.facts.dhcpClient = first.description
        } else if result.hasFiniteLifetimes {
            result.facts.dhcpClient = "that gave it an address for a limited time"
        }
    }

    /// `/sys` shows the namespace that it was mounted in; where that is another one, its device of this name is
    /// another device.
    private static func isWireless(_ name: String, _ index: Int32) -> Bool {
        guard text(ofFile: "/sys/class/net/\(name)/ifindex").map({ $0.prefix { $0.isNumber } }) == "\(index)"
        else {
            return false
        }
        return ["wireless", "phy80211"].contains { access("/sys/class/net/\(name)/\($0)", F_OK) == 0 }
    }

    /// Whether the way to a server leads through a device: its longest matching route does. Without an address
    /// to go by, a default route through the device is enough to be careful.
    static func reaches(_ server: IPAddress?, through index: Int32, _ routes: [Route<Int32>]) -> Bool {
        let usable = routes.filter { $0.table == 254 && $0.type == .unicast }
        guard let server, server.family == .ipv4 else {
            return usable.contains { $0.destination == nil && $0.devices.contains(index) }
        }
        let matching = usable.filter { $0.destination.map { $0.contains(server) } ?? true }
        let best = matching.max { left, right in
            (left.destination?.length ?? 0, right.metric) < (right.destination?.length ?? 0, left.metric)
        }
        return best?.devices.contains(index) ?? false
    }
}
