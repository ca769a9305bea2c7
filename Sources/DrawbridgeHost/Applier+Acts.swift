import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import LinuxHeaders
import Netlink
import NetworkTypes
import RouteNetlink

// The operations that are no requests to rtnetlink.

extension HostAccess {
    /// Carries out one of them.
    mutating func perform(_ operation: Operation, at step: Int, _ run: inout PlanRun) {
        do throws(DrawbridgeError) {
            switch operation {
            case .createLink(let key, let link, _): try makeTap(key, link, &run)
            case .setSetting(let key, let setting, let value):
                traffic.changes += 1
                if setting == .largeReceiveOffload {
                    try Ethtool.setLargeReceiveOffload(ofLink: run.name(of: key), to: value != "0")
                } else {
                    try sysctl.set(setting, ofLink: run.name(of: key), to: value)
                }
            case .awaitCarrier(let key, let limit):
                let index = try run.index(of: key)
                if try !awaitCarrier(of: index, seconds: limit) {
                    run.applied.warnings.append("\(run.name(of: key)): no carrier after \(limit) s")
                }
            case .openBypass(let uplink, let bridge):
                openBypass(from: try run.index(of: uplink), to: try run.index(of: bridge), &run)
            case .closeBypass: closeBypasses(&run)
            case .reportMulticast(let key):
                try reportMulticast(on: try run.index(of: key), name: run.name(of: key))
            case .solicitRouters(let key):
                try solicitRouters(on: try run.index(of: key), name: run.name(of: key))
            default: break
            }
            run.applied.steps += 1
        } catch {
            switch operation {
            // What is sent to neighbours for their convenience is no reason to take everything back.
            case .reportMulticast, .solicitRouters: run.applied.warnings.append("\(error)")
            default: run.fail(error, at: step)
            }
        }
    }

    /// Waits until a link can carry packets; false if it does not in time, or is not up.
    ///
    /// A link that has just come up is in an unknown state until the kernel's work queue has looked at it, and passes
    /// nothing before that where it had no carrier; others have no other state ever. `isCertain` waits for the former.
    ///
    /// It sleeps until the kernel tells of a change, so it costs nothing and is not late.
    mutating func awaitCarrier(of index: Int32, seconds: Seconds, isCertain: Bool = false)
        throws(DrawbridgeError) -> Bool
    {
        // The listener stands before the first look, so that no change falls between the two.
        let listener = try opened("link notifications") { () throws(NetlinkError) in
            let socket = try NetlinkSocket(.route)
            try socket.join(group: UInt32(RTNLGRP_LINK.rawValue))
            return socket
        }
        let deadline = monotonicMilliseconds() + Int64(seconds) * 1000
        var scratch = [UInt8](repeating: 0, count: 65536)
        while true {
            traffic.reads += 1
            let link: Link<Int32>?
            do throws(NetlinkError) { link = try route.link(index: index)?.link } catch {
                throw DrawbridgeError(error, about: "link \(index)")
            }
            guard let link else {
                throw DrawbridgeError(.notFound, "link \(index)", "it vanished while its carrier was awaited")
            }
            // A bridge without ports, and a link that is down, never get one.
            if link.hasCarrier,
                link.operationalState == .up || !isCertain && link.operationalState == .unknown
            {
                return true
            }
            let left = deadline - monotonicMilliseconds()
            guard left > 0 else { return false }
            var waiting = pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, Int32(clamping: left)) > 0 else { continue }
            // What came is of no account; the link is looked at again.
            while recv(listener.descriptor, &scratch, scratch.count, Int32(MSG_DONTWAIT)) > 0 {}
        }
    }

    private mutating func reportMulticast(on index: Int32, name: String) throws(DrawbridgeError) {
        guard let source = try sender(on: index, name: name) else { return }
        let groups = MulticastMembership.current(ofLink: index)
        let ipv4 = MulticastReport.igmp(
            groups: groups.ipv4, from: source.mac, source: source.ipv4 ?? IPv4Address(value: 0),
            mtu: source.mtu)
        let ipv6 = MulticastReport.mld(
            groups: groups.ipv6, from: source.mac, source: source.linkLocal ?? IPv6Address(value: 0),
            mtu: source.mtu)
        for frame in ipv4 + ipv6 { try packets.send(frame, link: index, name: name) }
    }

    private mutating func solicitRouters(on index: Int32, name: String) throws(DrawbridgeError) {
        guard let source = try sender(on: index, name: name) else { return }
        let frame = RouterSolicitation.frame(
            from: source.mac, source: source.linkLocal ?? IPv6Address(value: 0))
        try packets.send(frame, link: index, name: name)
    }

    private struct Sender {
        var mac: MACAddress
        var mtu: UInt32
        var ipv4: IPv4Address?
        var linkLocal: IPv6Address?
    }

    /// Who a frame out of the link comes from; nil where the link has no Ethernet address.
    private mutating func sender(on index: Int32, name: String) throws(DrawbridgeError) -> Sender? {
        traffic.reads += 2
        do throws(NetlinkError) {
            guard let link = try route.link(index: index)?.link, let mac = link.address else { return nil }
            var sender = Sender(mac: mac, mtu: link.mtu)
            for address in try route.addresses(of: index) {
                switch address.prefix.address {
                case .ipv4(let value): sender.ipv4 = sender.ipv4 ?? value
                case .ipv6(let value):
                    // A tentative address must not be used yet (RFC 4862 §5.4).
                    if value.isLinkLocal, !address.flags.contains(.tentative) {
                        sender.linkLocal = sender.linkLocal ?? value
                    }
                }
            }
            return sender
        } catch { throw DrawbridgeError(error, about: name) }
    }
}

extension PlanRun {
    func index(of key: LinkKey) throws(DrawbridgeError) -> Int32 {
        guard let index = applied.bindings.index(of: key) else {
            throw DrawbridgeError(.internal, name(of: key), "no device is bound to it")
        }
        return index
    }
}

/// Time since the machine started, in milliseconds.
func monotonicMilliseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
}
