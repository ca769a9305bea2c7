public import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import Netlink
import NetworkTypes
import Nftables
import RouteNetlink

// A way round an uplink while it joins or leaves a bridge.
//
// In `br_add_if` the bridge takes the uplink's frames some time before the port forwards them, and in `del_nbp` for
// some time after it has ceased to: what comes in meanwhile, for about a tenth of a millisecond, is dropped. So for
// that time a pair of links stands in: frames that reach the uplink are forwarded in its ingress hook, before the
// bridge sees them, to one end of the pair; the other end is a port of the bridge that forwards already; and what
// the bridge sends there leaves by the uplink. If everything stops in the middle the way round goes on working.

/// One way round.
struct Bypass {
    /// The uplink's index.
    let uplink: Int32

    /// What the pair's links are in, by which they are known as ours; the names alone could be anybody's.
    static let group: UInt32 = 0x6462_7970
    /// The end that the uplink's frames are forwarded to.
    var outer: String { "bypass\(uplink)" }
    /// The end that is a port of the bridge.
    var port: String { "bypassp\(uplink)" }
    /// The table in the family netdev that leads frames to the bridge.
    var table: String { "drawbridge-bypass-\(uplink)" }
    /// The one that leads the bridge's frames to the uplink. It is there first and goes last: an answer must find
    /// the way that its question came.
    var wayBack: String { "drawbridge-bypass-\(uplink)-back" }
}

extension HostAccess {
    /// Opens a way round an uplink. A kernel that cannot is no reason to fail: the uplink then moves without.
    mutating func openBypass(from uplink: Int32, to bridge: Int32, _ run: inout PlanRun) {
        let bypass = Bypass(uplink: uplink)
        run.bypassed.insert(uplink)
        do throws(DrawbridgeError) {
            guard let link = try link(index: uplink) else {
                throw DrawbridgeError(.notFound, "interface \(uplink)", "it is gone")
            }
            let pair = try makePair(bypass, mtu: link.mtu, bridge: bridge)
            let wayBack = IngressForwarding(table: bypass.wayBack, from: bypass.outer, to: uplink)
            // Frames for VLANs on the uplink never went to the bridge.
            let way = IngressForwarding(
                table: bypass.table, from: link.name, to: pair.outer, onlyUntagged: true)
            traffic.changes += 2
            do throws(NftablesError) {
                try nftables.install(wayBack)
                try nftables.install(way)
            } catch {
                throw DrawbridgeError(.kernel, link.name, "\(error)")
            }
        } catch {
            run.applied.warnings.append(
                "\(error): frames that come in while the uplink changes its place may be lost")
            close(bypass)
        }
    }

    /// Closes every way round that this run has opened.
    mutating func closeBypasses(_ run: inout PlanRun) {
        for uplink in run.bypassed { close(Bypass(uplink: uplink)) }
        run.bypassed = []
    }

    /// Closes what a run that was killed has left open.
    public mutating func closeLeftBypasses() throws(DrawbridgeError) {
        for name in try links(inGroup: Bypass.group).values {
            guard name.hasPrefix("bypass"), let uplink = Int32(name.dropFirst("bypass".count)) else {
                continue
            }
            close(Bypass(uplink: uplink))
        }
    }

    /// Makes the pair, one end of it a port of the bridge. Neither end speaks IPv6: what the kernel says by itself
    /// would go out on the wire.
    private mutating func makePair(
        _ bypass: Bypass, mtu: UInt32, bridge: Int32
    ) throws(DrawbridgeError) -> (outer: Int32, port: Int32) {
        var pair = Link<Int32>(name: bypass.outer)
        pair.kind = .veth
        pair.mtu = mtu
        pair.group = Bypass.group
        var batch = RouteBatch()
        batch.create(pair, peer: VethPeer(name: bypass.port, mtu: mtu))
        try commit(&batch, about: bypass.outer)
        guard let outer = try index(named: bypass.outer), let port = try index(named: bypass.port) else {
            throw DrawbridgeError(.kernel, bypass.outer, "it vanished as soon as it was made")
        }
        for name in [bypass.outer, bypass.port]
        where !sysctl.settings([.disableIPv6], ofLink: name).isEmpty {
            traffic.changes += 1
            try sysctl.set(.disableIPv6, ofLink: name, to: "1")
        }
        var up = LinkSettings()
        up.flags = .up
        up.flagMask = .up
        batch = RouteBatch()
        batch.set(outer, up)
        up.master = bridge
        batch.set(port, up)
        try commit(&batch, about: bypass.port)
        // The kernel finds out later, by a work queue, that both ends have a carrier, and with its port the bridge;
        // until then they pass nothing.
        for (name, index) in [(bypass.outer, outer), (bypass.port, port), ("the bridge", bridge)]
        where try !awaitCarrier(of: index, seconds: 1, isCertain: true) {
            throw DrawbridgeError(.timeout, name, "it does not come up")
        }
        return (outer, port)
    }

    private mutating func close(_ bypass: Bypass) {
        traffic.changes += 2
        // What cannot be removed now is tried again by whoever closes what was left.
        try? nftables.remove(forwarding: bypass.table)
        // Frames that went this way just now may still wait in the queues of other processors, and their answers
        // go back the same way.
        usleep(2000)
        try? nftables.remove(forwarding: bypass.wayBack)
        guard let pair = try? route.link(named: bypass.outer), pair.link.group == Bypass.group else { return }
        var batch = RouteBatch()
        batch.deleteLink(pair.index)
        try? commit(&batch, about: bypass.outer)
    }

    private mutating func commit(_ batch: inout RouteBatch, about name: String) throws(DrawbridgeError) {
        traffic.sends += 1
        traffic.changes += batch.count
        do throws(NetlinkError) { _ = try route.commit(&batch) } catch {
            throw DrawbridgeError(error, about: name)
        }
    }

    private mutating func index(named name: String) throws(DrawbridgeError) -> Int32? {
        traffic.reads += 1
        do throws(NetlinkError) { return try route.link(named: name)?.index } catch {
            throw DrawbridgeError(error, about: name)
        }
    }
}
