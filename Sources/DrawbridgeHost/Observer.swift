public import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import Netlink
public import NetworkTypes
import RouteNetlink

extension HostAccess {
    /// Reads a scope afresh.
    ///
    /// - Throws: `kernel` where the kernel does not answer. A link that is not there is no error: it is not in
    ///   the state.
    public mutating func observe(_ scope: ObservationScope) throws(DrawbridgeError) -> Observation {
        do throws(NetlinkError) {
            switch scope {
            case .network(let network, let uplink, let vifs):
                return try observe(network, uplink, settingsOf: vifs)
            case .vifs(let vifs, let bridges): return try observe(vifs, bridges)
            case .routed(let vifs, let uplinks, let addresses):
                return try observe(vifs, uplinks: uplinks, addresses: addresses)
            }
        } catch { throw DrawbridgeError(error, about: "the host", doing: "cannot be observed") }
    }

    /// The device of the default route in the main table: IPv4's with the lowest metric, else IPv6's.
    ///
    /// - Returns: nil where there is none.
    public mutating func defaultRouteDevice() throws(DrawbridgeError) -> Int32? {
        do throws(NetlinkError) {
            for family in AddressFamily.allCases {
                traffic.reads += 1
                let best = try route.routes(family)
                    .filter { $0.destination == nil && $0.table == 254 && $0.type == .unicast }
                    .min { $0.metric < $1.metric }
                if let device = best?.devices.first { return device }
            }
            return nil
        } catch { throw DrawbridgeError(error, about: "routes", doing: "cannot be read") }
    }

    /// The name and index of an interface, by its name or one of its alternative names.
    public mutating func link(named name: LinkName) throws(DrawbridgeError) -> (
        index: Int32, link: Link<Int32>
    )? {
        traffic.reads += 1
        do throws(NetlinkError) { return try route.link(named: name.rawValue) } catch {
            throw DrawbridgeError(error, about: name.rawValue)
        }
    }

    /// The name and state of an interface, by its index; nil where there is none.
    public mutating func link(index: Int32) throws(DrawbridgeError) -> Link<Int32>? {
        traffic.reads += 1
        do throws(NetlinkError) { return try route.link(index: index)?.link } catch {
            throw DrawbridgeError(error, about: "interface \(index)")
        }
    }

    /// The links of these indexes that are there: one dump where they are many, else a look-up each.
    public mutating func links(_ indexes: [Int32]) throws(DrawbridgeError) -> [Int32: Link<Int32>] {
        var found: [Int32: Link<Int32>] = [:]
        guard indexes.count < Self.manyLinks else {
            let wanted = Set(indexes)
            for (index, link) in try allLinks() where wanted.contains(index) { found[index] = link }
            return found
        }
        for index in indexes { found[index] = try link(index: index) }
        return found
    }

    /// From how many on links are read by one dump of all.
    static let manyLinks = 256

    /// A link group that no link is in: random, and above 2^16, where nobody counts up to.
    public mutating func freeGroup() throws(DrawbridgeError) -> UInt32 {
        let taken = try groups()
        while true {
            let group = UInt32.random(in: 0x1_0000...0x7fff_ffff)
            if !taken.contains(group) { return group }
        }
    }

    /// The indexes and names of the links in a group.
    public mutating func links(inGroup group: UInt32) throws(DrawbridgeError) -> [Int32: String] {
        var members: [Int32: String] = [:]
        for (index, link) in try allLinks() where link.group == group { members[index] = link.name }
        return members
    }

    private mutating func groups() throws(DrawbridgeError) -> Set<UInt32> {
        Set(try allLinks().map(\.link.group))
    }

    private mutating func allLinks() throws(DrawbridgeError) -> [(index: Int32, link: Link<Int32>)] {
        try linksByIndex().map { (index: $0.key, link: $0.value) }
    }
}

// MARK: - A network

extension HostAccess {
    private mutating func observe(
        _ network: Network, _ uplink: UplinkReference, settingsOf vifs: Set<VifID>
    ) throws(NetlinkError) -> Observation {
        var observation = Observation()
        let links = try route.links().sorted { $0.key < $1.key }.map { (index: $0.key, link: $0.value) }
        let bindings = Binder(links: links).bind(network, uplink)
        observation.bindings = bindings
        let key = { (index: Int32) -> LinkKey? in bindings.key(of: index) }

        for (index, link) in links { observation.state.links[bindings.key(of: index)] = link.mapDevices(key) }
        for address in try route.addresses() {
            guard let address = address.mapDevices(key) else { continue }
            observation.state.addresses[address.device, default: []].append(address)
        }
        for family in AddressFamily.allCases {
            observation.state.routes += try route.routes(family).compactMap { $0.mapDevices(key) }
            observation.state.rules += try route.rules(family)
        }
        for nexthop in try route.nexthops() {
            observation.state.nexthops[nexthop.id] = nexthop.mapDevices(key)
        }
        let neighbors = try route.neighbors() + (try route.neighbors(proxies: true))
        observation.state.neighbors = neighbors.compactMap { $0.mapDevices(key) }
        traffic.reads += 9

        for (index, link) in links {
            let role = bindings.key(of: index)
            switch role {
            case .bridge: observation.state.settings[role] = sysctl.settings(ofLink: link.name)
            case .uplink:
                var settings = sysctl.settings(ofLink: link.name)
                settings[.largeReceiveOffload] = Ethtool.largeReceiveOffload(ofLink: link.name).map {
                    $0 ? "1" : "0"
                }
                observation.state.settings[role] = settings
            case .vif(let id), .ifb(let id):
                guard vifs.contains(id) else { continue }
                observation.state.settings[role] = sysctl.settings(SettingKey.ofPorts, ofLink: link.name)
            case .other: break
            }
        }
        if !vifs.isEmpty {
            traffic.reads += 1
            for qdisc in try route.qdiscs() where qdisc.handle != 0 {
                let role = bindings.key(of: qdisc.device)
                switch role {
                case .vif(let id), .ifb(let id):
                    if vifs.contains(id) { try place(qdisc, role, bindings, &observation.state) }
                default: break
                }
            }
        }
        observation.state.globals = sysctl.settings(SettingKey.globals, ofLink: "all")
        observation.state = observation.state.plannable
        return observation
    }
}

/// A network as it is seen at a glance: for people, not to plan from.
public struct NetworkSight: Hashable, Sendable {
    /// The uplink's name, where there is one.
    public var uplink: String?
    /// The names of the bridge's ports, in order.
    public var ports: [String] = []
    /// The addresses of the bridge.
    public var addresses: [Prefix] = []
}

extension HostAccess {
    /// Every link by its index: one dump.
    public mutating func linksByIndex() throws(DrawbridgeError) -> [Int32: Link<Int32>] {
        traffic.reads += 1
        do throws(NetlinkError) { return try route.links() } catch {
            throw DrawbridgeError(error, about: "links", doing: "cannot be read")
        }
    }

    /// Looks at networks among all links: the links, and the bridges' addresses, not what is set of each port.
    public mutating func glance(
        at networks: [(network: Network, uplink: UplinkReference)], among all: [Int32: Link<Int32>]
    ) throws(DrawbridgeError) -> [NetworkSight] {
        let links = all.map { (index: $0.key, link: $0.value) }
        let binder = Binder(links: links)
        var ports: [Int32: [String]] = [:]
        for (_, link) in links {
            if let master = link.master { ports[master, default: []].append(link.name) }
        }
        var sights: [NetworkSight] = []
        for (network, uplink) in networks {
            let bindings = binder.bind(network, uplink, vifs: false)
            var sight = NetworkSight()
            sight.uplink = bindings.names[.uplink(network.name)]
            if let bridge = bindings.index(of: .bridge(network.name)) {
                sight.ports = (ports[bridge] ?? []).sorted()
                traffic.reads += 1
                do throws(NetlinkError) {
                    sight.addresses = try route.addresses(of: bridge).map(\.prefix)
                } catch {
                    throw DrawbridgeError(
                        error, about: network.bridge.rawValue, doing: "cannot be observed")
                }
            }
            sights.append(sight)
        }
        return sights
    }
}

// MARK: - Vifs

extension HostAccess {
    private mutating func observe(
        _ vifs: [VifDevice], _ bridges: [NetworkName: LinkName]
    ) throws(NetlinkError) -> Observation {
        var observation = Observation()
        var found: [(index: Int32, link: Link<Int32>)] = []
        let isMany = vifs.count >= Self.manyLinks
        let links = isMany ? LinkTable(try dumpedLinks()) : try askedLinks(vifs, bridges)
        for (network, name) in bridges {
            guard let bridge = try link(named: name.rawValue, among: links) else { continue }
            observation.bindings.bind(.bridge(network), to: bridge.index, name: bridge.link.name)
            found.append(bridge)
        }
        for vif in vifs {
            guard let device = try device(of: vif, among: links) else { continue }
            observation.bindings.bind(.vif(vif.id), to: device.index, name: device.link.name)
            found.append(device)
        }
        for vif in vifs {
            let role = LinkKey.ifb(vif.id)
            guard let device = try link(named: "\(role)", among: links), Binder.isFree(device.link, for: role)
            else { continue }
            observation.bindings.bind(role, to: device.index, name: device.link.name)
            found.append(device)
        }
        let bindings = observation.bindings
        let key = { (index: Int32) -> LinkKey in bindings.key(of: index) }
        var devices: [Int32] = []
        for (index, link) in found {
            let role = bindings.key(of: index)
            observation.state.links[role] = link.mapDevices(key)
            if case .vif = role, let master = link.master, let bridge = observation.state.links[key(master)],
                case .bridge(let settings) = bridge.kind, settings.vlanFiltering == true
            {
                traffic.reads += 1
                observation.state.links[role]?.port?.vlans = try route.vlans(of: index)
            }
            guard role.isOfVif else { continue }
            observation.state.settings[role] = sysctl.settings(SettingKey.ofPorts, ofLink: link.name)
            devices.append(index)
        }
        if isMany {
            try observeWhatIsOn(bindings, &observation.state)
        } else {
            try observeShaping(of: devices, bindings, &observation.state)
            for index in devices {
                traffic.reads += 1
                let addresses = try route.addresses(of: index).compactMap { $0.mapDevices(key) }
                if !addresses.isEmpty { observation.state.addresses[bindings.key(of: index)] = addresses }
            }
        }
        // They say what becomes of addresses, which a vif hardly ever has.
        if !observation.state.addresses.isEmpty {
            observation.state.globals = sysctl.settings(SettingKey.globals, ofLink: "all")
        }
        observation.state = observation.state.plannable
        return observation
    }

    /// The addresses and qdiscs of many vifs, by one dump each.
    private mutating func observeWhatIsOn(
        _ bindings: Bindings, _ state: inout HostState
    ) throws(NetlinkError) {
        traffic.reads += 2
        for address in try route.addresses() {
            let role = bindings.key(of: address.device)
            guard role.isOfVif, let address = address.mapDevices({ bindings.key(of: $0) }) else { continue }
            state.addresses[role, default: []].append(address)
        }
        for qdisc in try route.qdiscs() where qdisc.handle != 0 {
            let role = bindings.key(of: qdisc.device)
            if role.isOfVif { try place(qdisc, role, bindings, &state) }
        }
    }

    /// The links that a few vifs are about, as far as they are known beforehand: asked for in one round trip.
    private mutating func askedLinks(
        _ vifs: [VifDevice], _ bridges: [NetworkName: LinkName]
    ) throws(NetlinkError) -> LinkTable {
        var asked = bridges.values.map { LinkReference.named($0.rawValue) }
        for vif in vifs {
            if let index = vif.index {
                asked.append(.index(index))
            } else if let name = vif.names.first {
                asked.append(.named(name.rawValue))
            }
            asked.append(.named("\(LinkKey.ifb(vif.id))"))
        }
        traffic.reads += asked.count
        return LinkTable(asked: asked, found: try route.links(asked))
    }

    private mutating func dumpedLinks() throws(NetlinkError) -> [Int32: Link<Int32>] {
        traffic.reads += 1
        return try route.links()
    }

    /// A link by its name or an alternative one, from the dump if there is one.
    private mutating func link(
        named name: String, among links: LinkTable?
    ) throws(NetlinkError) -> (index: Int32, link: Link<Int32>)? {
        if let links, links.knows(.named(name)) { return links.link(named: name) }
        traffic.reads += 1
        return try route.link(named: name)
    }

    private mutating func link(
        index: Int32, among links: LinkTable?
    ) throws(NetlinkError) -> (index: Int32, link: Link<Int32>)? {
        if let links, links.knows(.index(index)) { return links.byIndex[index].map { (index, $0) } }
        traffic.reads += 1
        return try route.link(index: index)
    }

    /// The qdiscs of devices, and the filters at their ingress. It asks for single places: a dump would be of every
    /// device's.
    mutating func observeShaping(
        of devices: [Int32], _ bindings: Bindings, _ state: inout HostState
    ) throws(NetlinkError) {
        let places = devices.flatMap { index in
            [UInt32.rootQdisc, .ingressQdisc].map { (device: index, parent: $0) }
        }
        traffic.reads += places.count
        for (place, qdisc) in zip(places, try route.qdiscs(at: places)) {
            if let qdisc { try self.place(qdisc, bindings.key(of: place.device), bindings, &state) }
        }
    }

    /// Puts what stands at one place of a device into the state, at the ingress with its filters.
    private mutating func place(
        _ qdisc: QueueingDiscipline<Int32>, _ role: LinkKey, _ bindings: Bindings, _ state: inout HostState
    ) throws(NetlinkError) {
        guard qdisc.parent == .rootQdisc || qdisc.parent == .ingressQdisc else { return }
        let key = { (index: Int32) -> LinkKey? in bindings.key(of: index) }
        if let qdisc = qdisc.mapDevices(key) { state.qdiscs[role, default: []].append(qdisc) }
        guard qdisc.parent == .ingressQdisc else { return }
        traffic.reads += 1
        let filters = try route.filters(of: qdisc.device, parent: qdisc.handle).compactMap {
            $0.mapDevices(key)
        }
        if !filters.isEmpty { state.filters[role] = filters }
    }

    /// The device of a vif, looked up by itself.
    mutating func device(of vif: VifDevice) throws(NetlinkError) -> (index: Int32, link: Link<Int32>)? {
        try device(of: vif, among: nil)
    }

    /// The device of a vif: by its index where that is remembered, else by the first of its names that is there
    /// and is not marked as another vif's.
    fileprivate mutating func device(
        of vif: VifDevice, among links: LinkTable?
    ) throws(NetlinkError) -> (index: Int32, link: Link<Int32>)? {
        if let index = vif.index {
            guard let device = try link(index: index, among: links),
                Binder.isFree(device.link, for: .vif(vif.id)),
                vif.names.isEmpty || vif.names.contains(where: { $0.rawValue == device.link.name })
                    || LinkMark(alias: device.link.alias)?.key == .vif(vif.id)
            else { return nil }
            return device
        }
        for name in vif.names {
            guard let device = try link(named: name.rawValue, among: links),
                Binder.isFree(device.link, for: .vif(vif.id))
            else { continue }
            return device
        }
        return nil
    }
}

/// Links by index and by every name: all there are, or those that were asked for.
private struct LinkTable {
    private(set) var byIndex: [Int32: Link<Int32>]
    private var indexes: [String: Int32] = [:]
    /// What was asked for; nil where all links are here.
    private var asked: Set<LinkReference>?

    init(_ links: [Int32: Link<Int32>]) {
        byIndex = links
        for (index, link) in links {
            indexes[link.name] = index
            for name in link.alternativeNames { indexes[name] = index }
        }
    }

    init(asked: [LinkReference], found: [(index: Int32, link: Link<Int32>)?]) {
        byIndex = [:]
        self.asked = Set(asked)
        for (reference, device) in zip(asked, found) {
            guard let device else { continue }
            byIndex[device.index] = device.link
            if case .named(let name) = reference { indexes[name] = device.index }
        }
    }

    /// Whether what is not here is not there.
    func knows(_ reference: LinkReference) -> Bool { asked?.contains(reference) ?? true }

    func link(named name: String) -> (index: Int32, link: Link<Int32>)? {
        guard let index = indexes[name], let link = byIndex[index] else { return nil }
        return (index, link)
    }
}

extension LinkKey {
    /// Whether it is a vif's device or the one that limits it.
    fileprivate var isOfVif: Bool {
        switch self {
        case .vif, .ifb: true
        default: false
        }
    }
}
