import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

/// A state with something of everything in it, in which nothing has its default.
struct SampleState {
    let network = LinkName("xenbr0")!
    var uplink: LinkKey { .uplink(network) }

    var state: HostState {
        var state = HostState()
        var link = Link<LinkKey>(name: "enp3s0")
        link.alternativeNames = ["enx00163e5e6c00", "wan \"quoted\" / \\ ü"]
        link.alias = "to the\nrouter"
        link.flags = [.up, .broadcast, .multicast, .running, .lowerUp]
        link.address = MACAddress("00:16:3e:5e:6c:00")
        link.permanentAddress = MACAddress("00:16:3e:5e:6c:01")
        link.mtu = 9000
        link.master = .bridge(network)
        link.parent = .other(7)
        link.parentNamespace = 0
        link.group = 65537
        link.promiscuity = 1
        link.operationalState = .up
        link.port = BridgePortSettings()
        link.port?.isolated = true
        link.port?.cost = 2
        link.addressGeneration = .stablePrivacy
        state.links[uplink] = link
        var bridge = Link<LinkKey>(name: "xenbr0")
        var settings = BridgeSettings()
        settings.forwardDelay = 0
        settings.vlanFiltering = false
        bridge.kind = .bridge(settings)
        state.links[.bridge(network)] = bridge
        state.links[.vif(VifID(domain: 3, device: 1))] = Link(name: "vif3.1")
        state.links[.other(12)] = Link(name: "eth7")

        var address = Address(Prefix("192.0.2.7/24")!, on: uplink)
        address.peer = IPAddress("192.0.2.8")
        address.broadcast = IPAddress("192.0.2.255")
        address.label = "enp3s0:1"
        address.flags = [.secondary, .noPrefixRoute]
        address.validLifetime = 3600
        address.preferredLifetime = 1800
        address.routeMetric = 100
        state.addresses[uplink] = [address, Address(Prefix("2001:db8::7/64")!, on: uplink)]

        var route = Route<LinkKey>(.ipv4, to: Prefix("10.0.0.0/8"))
        route.table = 4_294_967_295
        route.metric = 4_294_967_294
        route.origin = .dhcp
        route.preferredSource = IPAddress("192.0.2.7")
        route.nexthops = [
            RouteNexthop(device: uplink, gateway: IPAddress("192.0.2.1")),
            RouteNexthop(device: .other(12), gateway: IPAddress("2001:db8::1")),
        ]
        // Twenty of them, so that the order of a dictionary cannot agree by chance.
        for number in 1...20 { route.metrics[UInt16(number)] = [UInt8(number), 0, 255, 128] }
        route.opaque = [OpaqueAttribute(type: 22, content: [1, 2, 3])]
        route.expires = 77
        state.routes = [route, Route(.ipv6)]
        for number in 1...20 {
            var nexthop = Nexthop<LinkKey>(id: UInt32(number) << 20)
            nexthop.device = uplink
            nexthop.group = [.init(id: 7, hops: 65535)]
            state.nexthops[nexthop.id] = nexthop
        }
        state.neighbors = [
            Neighbor(
                IPAddress("192.0.2.1")!, on: uplink, address: MACAddress("00:16:3e:00:00:01"),
                state: .permanent)
        ]
        for number in 0..<40 {
            state.settings[uplink, default: [:]][SettingKey(.ipv4Conf, "setting_\(number)")] =
                "\(number) \t x"
            state.settings[.bridge(network), default: [:]][SettingKey(.ipv6Neigh, "setting_\(number)")] = ""
        }
        var rule = Rule(.ipv6, priority: 4_294_967_295, table: 100)
        rule.inputName = "enp3s0"
        rule.opaque = [OpaqueAttribute(type: 3, content: [])]
        state.rules = [rule]
        return state
    }
}
