import DrawbridgeModel
import DrawbridgePlanning
import Netlink
import NetworkTypes
import RouteNetlink

// Making taps: rtnetlink shows them and deletes them, and cannot make them.

extension HostAccess {
    /// Makes the tap that a plan asks for.
    ///
    /// It goes with its descriptor until it bears its mark and is all that it is to be; only then does it stay. So
    /// whatever ends this half way, a kill of the daemon too, leaves no tap that nobody knows.
    mutating func makeTap(
        _ key: LinkKey, _ link: Link<LinkKey>, _ run: inout PlanRun
    ) throws(DrawbridgeError) {
        guard case .tun(let tap) = link.kind, let name = LinkName(link.name) else {
            throw DrawbridgeError(.internal, link.name, "is no tap that could be made")
        }
        traffic.changes += tap.requests
        let device = try TunTap.prepare(name, tap)
        guard let index = try self.link(named: name)?.index else {
            throw DrawbridgeError(.kernel, link.name, "it vanished as soon as it was made")
        }
        var settings = LinkSettings()
        settings.alias = link.alias
        settings.group = link.group
        settings.mtu = link.mtu
        settings.address = link.address
        settings.flagMask = [.noARP, .multicast]
        settings.flags = link.flags.intersection(settings.flagMask)
        if let master = link.master { settings.master = try run.index(of: master) }
        var batch = RouteBatch()
        batch.set(index, settings)
        traffic.sends += 1
        traffic.changes += 1
        do throws(NetlinkError) { _ = try route.commit(&batch) } catch {
            throw DrawbridgeError(error, about: link.name, doing: "cannot be set as it is to be")
        }
        try TunTap.keep(device, name, tap)
        run.applied.bindings.bind(key, to: index, name: link.name)
    }
}

extension LinkKind {
    /// Whether it is made by the ioctls of tuntap.
    var isTun: Bool {
        if case .tun = self { true } else { false }
    }
}
