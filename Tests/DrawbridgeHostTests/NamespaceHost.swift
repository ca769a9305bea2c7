import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import Netlink
import NetworkTypes
import RouteNetlink
import TestSupport

/// A namespace with an uplink, told and asked as plainly as can be, so that the model is compared with the kernel
/// and not with the rest of the product.
struct NamespaceHost: ~Copyable {
    static let network = BridgeNetwork(
        Network(name: NetworkName("xenbr0")!, uplink: .named(LinkName("eth0")!)), group: 70001)
    static let settings: [SettingKey] = [
        .disableIPv6, .promotesSecondaries, .reversePathFilter, .keepsAddressesOnDown,
    ]

    private var socket: RouteSocket
    private var indexes: [LinkKey: Int32]

    /// Makes the uplink in the thread's namespace; its other end stays up there, so that it has a carrier.
    static func make() throws -> NamespaceHost {
        try run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "wire")
        for name in ["eth0", "wire"] { try run("ip", "link", "set", name, "addrgenmode", "none") }
        try run("sysctl", "-qw", "net.ipv6.conf.wire.disable_ipv6=1")
        for name in ["eth0", "default"] { try run("sysctl", "-qw", "net.ipv6.conf.\(name).accept_dad=0") }
        for name in ["wire", "eth0"] { try run("ip", "link", "set", name, "up") }
        var socket = try RouteSocket()
        guard let found = try socket.link(named: "eth0") else { throw TestFailure("no eth0") }
        return NamespaceHost(socket: socket, indexes: [network.uplink: found.index])
    }

    private init(socket: consuming RouteSocket, indexes: [LinkKey: Int32]) {
        self.socket = socket
        self.indexes = indexes
    }

    /// Sends the operation; tells what the kernel said against it.
    mutating func apply(_ operation: DrawbridgePlanning.Operation) -> String? {
        var batch = RouteBatch()
        let map = indexes
        func index(_ key: LinkKey) -> Int32? { if case .other(let index) = key { index } else { map[key] } }
        switch operation {
        case .createLink(_, let link, _): batch.create(link.mapDevices(index))
        case .deleteLink(let key):
            guard let device = index(key) else { return "no link" }
            batch.deleteLink(device)
        case .setLink(let key, let change):
            guard let device = index(key) else { return "no link" }
            var settings = LinkSettings()
            settings.name = change.name
            settings.alias = change.alias
            settings.mtu = change.mtu
            settings.address = change.address
            settings.group = change.group
            settings.flagMask = change.flagMask
            settings.flags = change.flags
            settings.addressGeneration = change.addressGeneration
            settings.bridge = change.bridge
            settings.port = change.port
            if let isUp = change.isUp { settings.set(up: isUp) }
            if let master = change.master {
                if let master {
                    guard let device = index(master) else { return "no master" }
                    settings.master = device
                } else {
                    settings.master = 0
                }
            }
            batch.set(device, settings)
        case .addAddress(let address), .replaceAddress(let address), .deleteAddress(let address):
            guard let mapped = address.mapDevices(index) else { return "no link" }
            switch operation {
            case .addAddress: batch.add(mapped)
            case .replaceAddress: batch.add(mapped, existing: .replace)
            default: batch.remove(mapped)
            }
        case .addRoute(let route), .appendRoute(let route), .replaceRoute(let route), .deleteRoute(let route):
            guard let mapped = route.mapDevices(index) else { return "no link" }
            switch operation {
            case .addRoute: batch.add(mapped)
            case .appendRoute: batch.add(mapped, existing: .append)
            case .replaceRoute: batch.add(mapped, existing: .replace)
            default: batch.remove(mapped)
            }
        case .replaceNexthop(let nexthop):
            guard let mapped = nexthop.mapDevices(index) else { return "no link" }
            batch.replace(mapped)
        case .deleteNexthop(let id): batch.removeNexthop(id)
        case .replaceNeighbor(let neighbor), .deleteNeighbor(let neighbor):
            guard let mapped = neighbor.mapDevices(index) else { return "no link" }
            if case .replaceNeighbor = operation { batch.replace(mapped) } else { batch.remove(mapped) }
        case .replaceQdisc(let qdisc), .deleteQdisc(let qdisc):
            guard let mapped = qdisc.mapDevices(index) else { return "no link" }
            if case .replaceQdisc = operation { batch.replace(mapped) } else { batch.remove(mapped) }
        case .removeVLANs(let key, let vlans):
            guard let port = index(key) else { return "no link" }
            batch.removeVLANs(vlans, from: port)
        case .addVLANs(let key, let vlans):
            guard let port = index(key) else { return "no link" }
            batch.addVLANs(vlans, to: port)
        case .addFilter(let filter), .deleteFilter(let filter):
            guard let mapped = filter.mapDevices(index) else { return "no link" }
            if case .addFilter = operation { batch.add(mapped) } else { batch.remove(mapped) }
        case .setSetting(let key, let setting, let value):
            return write(setting, of: key, value)
        case .awaitCarrier: usleep(20_000)
        case .openBypass, .closeBypass, .reportMulticast, .solicitRouters: break
        }
        do throws(NetlinkError) {
            try socket.commit(&batch)
            if case .createLink(let key, let link, _) = operation {
                indexes[key] = try socket.link(named: link.name)?.index
                // A bridge makes itself a link-local address when it comes up; a plan sees to that too.
                if let device = indexes[key] {
                    var settings = LinkSettings()
                    settings.addressGeneration = AddressGeneration.none
                    try socket.commit { $0.set(device, settings) }
                }
            }
            if case .deleteLink(let key) = operation { indexes[key] = nil }
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func path(_ setting: SettingKey, _ key: LinkKey) -> String {
        "/proc/sys/net/\(setting.tree.rawValue)/\(key == Self.network.uplink ? "eth0" : "xenbr0")/\(setting.name)"
    }

    private func write(_ setting: SettingKey, of key: LinkKey, _ value: String) -> String? {
        guard let file = fopen(path(setting, key), "w") else { return "errno \(errno)" }
        fputs(value, file)
        return fclose(file) == 0 ? nil : "errno \(errno)"
    }

    private func read(_ setting: SettingKey, of key: LinkKey) -> String? {
        guard let file = fopen(path(setting, key), "r") else { return nil }
        defer { fclose(file) }
        let byte = fgetc(file)
        return byte < 0 ? nil : String(UnicodeScalar(UInt8(byte)))
    }

    /// What the kernel has.
    mutating func observe() throws -> HostState {
        var state = HostState()
        var roles: [Int32: LinkKey] = [:]
        for (key, index) in indexes { roles[index] = key }
        let key = { (index: Int32) in roles[index] ?? .other(index) }
        for (index, link) in try socket.links() where roles[index] != nil {
            state.links[key(index)] = link.mapDevices(key)
        }
        for role in state.links.keys {
            state.settings[role] = [:]
            for setting in Self.settings { state.settings[role]?[setting] = read(setting, of: role) }
        }
        for address in try socket.addresses() {
            guard roles[address.device] != nil, let mapped = address.mapDevices(key) else { continue }
            state.addresses[mapped.device, default: []].append(mapped)
        }
        for family in AddressFamily.allCases {
            state.routes += try socket.routes(family).compactMap { $0.mapDevices(key) }
        }
        for nexthop in try socket.nexthops() { state.nexthops[nexthop.id] = nexthop.mapDevices(key) }
        state.neighbors = try socket.neighbors().compactMap { $0.mapDevices(key) }
        return state.slice(of: Self.network.scope)
    }
}

/// Operations as they come in plans, and some that do not.
struct OperationGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

    private mutating func pick(_ count: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(count))
    }

    private mutating func pick<Element>(_ list: [Element]) -> Element? {
        list.isEmpty ? nil : list[pick(list.count)]
    }

    private static let eth0 = NamespaceHost.network.uplink
    private static let bridge = NamespaceHost.network.bridge

    private static func address(_ text: String, on key: LinkKey) -> Address<LinkKey> {
        Address(Prefix(text)!, on: key)
    }

    private static func route(_ to: String?, _ gateway: String?, _ key: LinkKey, _ family: AddressFamily)
        -> Route<LinkKey>
    {
        var route = Route<LinkKey>(family, to: to.flatMap { Prefix($0) })
        route.nexthops = [RouteNexthop(device: key, gateway: gateway.flatMap { IPAddress($0) })]
        route.origin = .static
        if family == .ipv4, gateway == nil { route.scope = .link }
        if family == .ipv6 { route.metric = 1024 }
        return route
    }

    /// A host as the demonstration has it.
    static let household: [DrawbridgePlanning.Operation] = {
        var second = address("192.0.2.11/24", on: eth0)
        second.label = "eth0:1"
        var quiet = address("2001:db8::10/64", on: eth0)
        quiet.flags = .noDuplicateDetection
        var linkLocal = address("fe80::5/64", on: eth0)
        linkLocal.flags = .noDuplicateDetection
        var preferring = route("198.51.100.0/24", "192.0.2.1", eth0, .ipv4)
        preferring.preferredSource = IPAddress("192.0.2.11")
        var single = Nexthop<LinkKey>(id: 10)
        single.family = .ipv4
        single.device = eth0
        single.gateway = IPAddress("192.0.2.1")
        var group = Nexthop<LinkKey>(id: 20)
        group.group = [.init(id: 10, hops: 0)]
        var byGroup = Route<LinkKey>(.ipv4, to: Prefix("10.7.0.0/16"))
        byGroup.nexthopID = 20
        byGroup.origin = .static
        return [
            .addAddress(address("192.0.2.10/24", on: eth0)), .addAddress(second), .addAddress(linkLocal),
            .addAddress(quiet), .addRoute(route(nil, "192.0.2.1", eth0, .ipv4)), .addRoute(preferring),
            .addRoute(route("203.0.113.0/24", nil, eth0, .ipv4)),
            .addRoute(route(nil, "2001:db8::1", eth0, .ipv6)),
            .addRoute(route("2001:db8:9::/48", nil, eth0, .ipv6)),
            .replaceNexthop(single), .replaceNexthop(group), .addRoute(byGroup),
            .replaceNeighbor(
                Neighbor(
                    IPAddress("192.0.2.1")!, on: eth0, address: MACAddress("02:00:00:00:00:01"),
                    state: .permanent)),
        ]
    }()

    mutating func next(in state: HostState) -> DrawbridgePlanning.Operation {
        let key = state.links[Self.bridge] != nil && pick(2) == 0 ? Self.bridge : Self.eth0
        switch pick(20) {
        case 0, 1, 2, 3, 4:
            let texts = [
                "192.0.2.10/24", "192.0.2.11/24", "192.0.2.12/24", "192.0.2.10/32", "198.51.100.7/25",
                "198.51.100.8/25", "203.0.113.1/32", "10.0.0.1/8", "2001:db8::10/64", "2001:db8::11/64",
                "2001:db8:1::1/128", "fe80::5/64", "fd00::1/48",
            ]
            var new = Self.address(pick(texts) ?? "10.0.0.1/8", on: key)
            if new.prefix.family == .ipv6 {
                new.flags.insert(.noDuplicateDetection)
            } else {
                if pick(5) == 0 { new.scope = .link }
                if pick(4) == 0 { new.label = (key == Self.eth0 ? "eth0:" : "xenbr0:") + "\(pick(3))" }
                if pick(5) == 0 { new.broadcast = IPAddress("192.0.2.255") }
            }
            if pick(8) == 0 { new.flags.insert(.noPrefixRoute) }
            if pick(8) == 0 { new.routeMetric = 77 }
            if pick(8) == 0 { (new.validLifetime, new.preferredLifetime) = (3600, 1800) }
            return .addAddress(new)
        case 5, 6:
            guard let old = pick(state.addresses[key] ?? []) else { break }
            return .deleteAddress(old)
        case 7:
            guard var old = pick(state.addresses[key] ?? []) else { break }
            if old.prefix.family == .ipv6 { old.flags.formSymmetricDifference(.noDuplicateDetection) }
            if pick(3) == 0 { old.routeMetric = 55 }
            return .replaceAddress(old)
        case 8, 9, 10, 11, 12:
            let isIPv4 = pick(2) == 0
            var new = Self.route(
                pick(isIPv4 ? [nil, "172.16.0.0/12", "100.64.0.0/10"] : [nil, "2001:db8:a::/48"]) ?? nil,
                pick(isIPv4 ? [nil, "192.0.2.1", "198.51.100.1"] : [nil, "2001:db8::1", "fe80::1"]) ?? nil,
                key,
                isIPv4 ? .ipv4 : .ipv6)
            if pick(4) == 0 { new.metric = 100 }
            if pick(4) == 0 { new.table = 100 }
            if pick(4) == 0, let source = pick(state.addresses(of: key, new.family)) {
                new.preferredSource = source.prefix.address
            }
            // The kernel looks a gateway up; the model leaves that to the order of plans.
            let isReachable = new.nexthops.allSatisfy { leg in
                guard let gateway = leg.gateway, "\(gateway)" != "fe80::1" else { return true }
                return state.routes.contains {
                    $0.devices == [key] && $0.table == 254 && $0.scope != .universe || $0.family == .ipv6
                }
                    && state.routes.contains {
                        $0.origin == .kernel && $0.devices == [key]
                            && $0.destination?.contains(gateway) == true
                    }
            }
            guard isReachable else { break }
            return [.addRoute(new), .appendRoute(new), .replaceRoute(new)][pick(3)]
        case 13:
            guard let old = pick(state.routes.filter { $0.devices.contains(key) && $0.nexthopID == 0 }) else {
                break
            }
            return .deleteRoute(old)
        case 14:
            var change = LinkChange()
            change.isUp = state.links[key]?.isUp == false || pick(3) == 0
            return .setLink(key, change)
        case 15:
            return .setSetting(key, .promotesSecondaries, "\(pick(2))")
        case 16:
            return pick(3) == 0
                ? .setSetting(key, .disableIPv6, "\(pick(2))")
                : .setSetting(key, .keepsAddressesOnDown, "\(pick(2))")
        case 17:
            guard state.links[Self.bridge] != nil else { break }
            var change = LinkChange()
            change.master = .some(state.links[Self.eth0]?.master == nil ? Self.bridge : nil)
            return .setLink(Self.eth0, change)
        case 18:
            if state.links[Self.bridge] != nil {
                return pick(3) == 0 ? .deleteLink(Self.bridge) : .awaitCarrier(Self.bridge, 1)
            }
        default:
            return .replaceNeighbor(
                Neighbor(
                    IPAddress("192.0.2.\(pick(3) + 1)")!, on: key, address: MACAddress("02:00:00:00:00:01"),
                    state: .permanent))
        }
        if state.links[Self.bridge] == nil {
            var link = Link<LinkKey>(name: "xenbr0")
            link.kind = .bridge(BridgeSettings())
            link.alias = LinkMark.made(Self.bridge).alias
            // Without one it takes a port's, and forgets its neighbours every time.
            link.address = MACAddress("02:00:00:00:00:05")
            return .createLink(Self.bridge, link, peer: nil)
        }
        var change = LinkChange()
        change.addressGeneration = AddressGeneration.none
        return .setLink(key, change)
    }
}
