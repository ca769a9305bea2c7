import Glibc
import LinuxHeaders
public import Netlink
public import NetworkTypes

/// A connection to rtnetlink(7), in the network namespace of the thread that opens it.
///
/// Every call is synchronous; devices are interface indexes.
public struct RouteSocket: ~Copyable {
    private var connection: NetlinkConnection<NetlinkSocket>
    /// How many datagrams were sent, and how many requests they held: costs that must not grow unseen.
    public private(set) var roundTrips = 0
    public private(set) var requests = 0

    /// Opens a socket.
    public init() throws(NetlinkError) { connection = NetlinkConnection(try NetlinkSocket(.route)) }

    /// The port that the kernel names in what it tells others of this socket's requests.
    public var port: UInt32 { connection.transport.port }

    /// Carries out a batch: one send, one acknowledgement.
    ///
    /// rtnetlink goes on after a request that it refuses, so a batch must not hold one that would do harm if an
    /// earlier one failed.
    /// - Returns: the indexes of the links made, by the place of the request in the batch.
    /// - Throws: ``NetlinkError/refused(_:)`` with every request that was refused.
    @discardableResult
    public mutating func commit(_ batch: inout RouteBatch) throws(NetlinkError) -> [Int: Int32] {
        guard batch.count > 0 else { return [:] }
        var made: [Int: Int32] = [:]
        roundTrips += 1
        requests += batch.count
        try connection.commit(&batch.buffer) { (place, message) throws(NetlinkError) in
            if message.type == RTM_NEWLINK, let header = message.header(as: ifinfomsg.self) {
                made[place] = header.ifi_index
            }
        }
        // Kernels before 6.2 do not echo links: those are asked for by name.
        for (place, name) in batch.created where made[place] == nil {
            made[place] = try link(named: name)?.index
        }
        return made
    }

    /// Builds a batch and carries it out.
    @discardableResult
    public mutating func commit(_ build: (inout RouteBatch) -> Void) throws(NetlinkError) -> [Int: Int32] {
        var batch = RouteBatch()
        build(&batch)
        return try commit(&batch)
    }

    // MARK: Links

    /// The link of an index; nil where there is none.
    public mutating func link(index: Int32) throws(NetlinkError) -> (index: Int32, link: Link<Int32>)? {
        try link { $0.header(RouteBatch.header(index: index)) }
    }

    /// The link of a name or an alternative name; nil where there is none.
    public mutating func link(named name: String) throws(NetlinkError) -> (index: Int32, link: Link<Int32>)? {
        try link { message in
            message.header(RouteBatch.header(index: 0))
            // The kernel takes a long name only as an alternative one, and finds a short one either way.
            message.put(
                name.utf8.count > LinkName.maximumLength ? IFLA_ALT_IFNAME : IFLA_IFNAME, string: name)
        }
    }

    /// The links that are asked for, in one round trip; nil for each that is not there.
    public mutating func links(
        _ references: [LinkReference]
    ) throws(NetlinkError) -> [(index: Int32, link: Link<Int32>)?] {
        var found = [(index: Int32, link: Link<Int32>)?](repeating: nil, count: references.count)
        guard !references.isEmpty else { return found }
        var buffer = MessageBuffer(capacity: 64 * references.count)
        for reference in references {
            buffer.message(type: RTM_GETLINK) { message in
                switch reference {
                case .index(let index): message.header(RouteBatch.header(index: index))
                case .named(let name):
                    message.header(RouteBatch.header(index: 0))
                    message.put(
                        name.utf8.count > LinkName.maximumLength ? IFLA_ALT_IFNAME : IFLA_IFNAME, string: name
                    )
                }
                message.put(IFLA_EXT_MASK, skipStatistics)
            }
        }
        count()
        do throws(NetlinkError) {
            try connection.commit(&buffer) { (place, message) throws(NetlinkError) in
                found[place] = Link<Int32>.decode(message)
            }
        } catch {
            let refusals = error.refusals
            guard !refusals.isEmpty, refusals.allSatisfy({ $0.errno == ENODEV }) else { throw error }
        }
        return found
    }

    private mutating func link(
        _ request: (inout MessageBuffer) -> Void
    ) throws(NetlinkError) -> (index: Int32, link: Link<Int32>)? {
        var buffer = MessageBuffer(capacity: 128)
        buffer.message(type: RTM_GETLINK) { message in
            request(&message)
            message.put(IFLA_EXT_MASK, skipStatistics)
        }
        var found: (index: Int32, link: Link<Int32>)?
        count()
        do throws(NetlinkError) {
            try connection.commit(&buffer) { (_, message) throws(NetlinkError) in
                found = Link<Int32>.decode(message)
            }
        } catch {
            guard error.errno == ENODEV else { throw error }
            return nil
        }
        return found
    }

    /// Every link by its index; only the ports of `master` or the links of `kind` where one is told.
    public mutating func links(
        master: Int32? = nil, kind: String? = nil
    ) throws(NetlinkError) -> [Int32: Link<Int32>] {
        var buffer = MessageBuffer(capacity: 128)
        buffer.message(type: RTM_GETLINK) { message in
            message.header(RouteBatch.header(index: 0))
            if let master { message.put(IFLA_MASTER, master) }
            if let kind { message.nest(IFLA_LINKINFO) { $0.put(IFLA_INFO_KIND, string: kind) } }
            message.put(IFLA_EXT_MASK, skipStatistics)
        }
        count()
        let found = try connection.dump(&buffer) { (message) throws(NetlinkError) in
            Link<Int32>.decode(message)
        }
        return Dictionary(found.map { ($0.index, $0.link) }) { _, last in last }
    }

    /// The VLANs of a bridge's port (RTM_GETVLAN), where the bridge knows VLANs.
    public mutating func vlans(of port: Int32) throws(NetlinkError) -> PortVLANs {
        var buffer = MessageBuffer(capacity: 64)
        buffer.message(type: RTM_GETVLAN) { $0.header(RouteBatch.vlanHeader(port)) }
        count()
        let parts = try connection.dump(&buffer) { (message) throws(NetlinkError) in
            PortVLANs.decode(message, of: port)
        }
        // A port with many comes in several messages, of which one at most tells what is untagged.
        return PortVLANs(
            untagged: parts.compactMap(\.untagged).first, tagged: parts.flatMap(\.tagged))
    }

    // MARK: Addresses, routes, rules, neighbours, qdiscs

    /// Every address, in the kernel's order; only those of one device where it is told.
    public mutating func addresses(of device: Int32? = nil) throws(NetlinkError) -> [Address<Int32>] {
        var header = ifaddrmsg()
        header.ifa_index = UInt32(bitPattern: device ?? 0)
        var buffer = MessageBuffer(capacity: 64)
        buffer.message(type: RTM_GETADDR) { $0.header(header) }
        count()
        do throws(NetlinkError) {
            return try connection.dump(&buffer) { (message) throws(NetlinkError) in
                Address<Int32>.decode(message)
            }
        } catch {
            // A device that went away meanwhile has no addresses.
            if error.errno == ENODEV { return [] }
            throw error
        }
    }

    /// Every route of a family, in the kernel's order; the cache's clones are left out. Only those over one
    /// device, or of one table, where it is told.
    public mutating func routes(
        _ family: AddressFamily, device: Int32? = nil, table: UInt32? = nil
    ) throws(NetlinkError) -> [Route<Int32>] {
        var header = rtmsg()
        header.rtm_family = family.rawValue
        var buffer = MessageBuffer(capacity: 64)
        buffer.message(type: RTM_GETROUTE) { message in
            message.header(header)
            if let device { message.put(Int(RTA_OIF.rawValue), device) }
            if let table { message.put(Int(RTA_TABLE.rawValue), table) }
        }
        count()
        return try connection.dump(&buffer) { (message) throws(NetlinkError) in Route<Int32>.decode(message) }
    }

    /// Every nexthop object.
    public mutating func nexthops() throws(NetlinkError) -> [Nexthop<Int32>] {
        var buffer = MessageBuffer(capacity: 64)
        buffer.message(type: RTM_GETNEXTHOP) { $0.header(nhmsg()) }
        count()
        return try connection.dump(&buffer) { (message) throws(NetlinkError) in Nexthop<Int32>.decode(message)
        }
    }

    /// Every policy rule of a family, in the order in which they are tried.
    public mutating func rules(_ family: AddressFamily) throws(NetlinkError) -> [Rule] {
        var header = fib_rule_hdr()
        header.family = family.rawValue
        var buffer = MessageBuffer(capacity: 64)
        buffer.message(type: RTM_GETRULE) { $0.header(header) }
        count()
        return try connection.dump(&buffer) { (message) throws(NetlinkError) in Rule.decode(message) }
    }

    /// The neighbours of a device, or of all; the proxied ones are asked for apart.
    public mutating func neighbors(
        of device: Int32? = nil, proxies: Bool = false
    ) throws(NetlinkError) -> [Neighbor<Int32>] {
        var header = ndmsg()
        if proxies { header.ndm_flags = UInt8(NTF_PROXY) }
        var buffer = MessageBuffer(capacity: 64)
        buffer.message(type: RTM_GETNEIGH) { message in
            message.header(header)
            if let device { message.put(Int(NDA_IFINDEX), device) }
        }
        count()
        return try connection.dump(&buffer) { (message) throws(NetlinkError) in
            Neighbor<Int32>.decode(message)
        }
    }

    /// The forwarding database of a bridge.
    public mutating func forwardingEntries(bridge: Int32) throws(NetlinkError) -> [ForwardingEntry] {
        var header = ndmsg()
        header.ndm_family = UInt8(AF_BRIDGE)
        var buffer = MessageBuffer(capacity: 64)
        buffer.message(type: RTM_GETNEIGH) { message in
            message.header(header)
            message.put(Int(NDA_MASTER), bridge)
        }
        count()
        return try connection.dump(&buffer) { (message) throws(NetlinkError) in
            ForwardingEntry.decode(message)
        }
    }

    /// The queueing disciplines of a device, or of all.
    public mutating func qdiscs(
        of device: Int32? = nil
    ) throws(NetlinkError) -> [QueueingDiscipline<Int32>] {
        var header = tcmsg()
        header.tcm_ifindex = device ?? 0
        var buffer = MessageBuffer(capacity: 64)
        buffer.message(type: RTM_GETQDISC) { $0.header(header) }
        count()
        // The kernel tells of every device, whichever is asked for.
        return try connection.dump(&buffer) { (message) throws(NetlinkError) in
            QueueingDiscipline<Int32>.decode(message)
        }.filter { device == nil || $0.device == device }
    }

    /// The queueing disciplines at single places, in one round trip and without looking at any other; nil where only
    /// the kernel's own is there.
    /// - Parameter places: devices, and `TC_H_ROOT` or `TC_H_INGRESS` each.
    public mutating func qdiscs(
        at places: [(device: Int32, parent: UInt32)]
    ) throws(NetlinkError) -> [QueueingDiscipline<Int32>?] {
        var found = [QueueingDiscipline<Int32>?](repeating: nil, count: places.count)
        guard !places.isEmpty else { return found }
        var buffer = MessageBuffer(capacity: 40 * places.count)
        for place in places {
            var header = tcmsg()
            header.tcm_ifindex = place.device
            header.tcm_parent = place.parent
            // The kernel answers such a question to those who listen, and to who asks only as an echo (qdisc_get_notify).
            buffer.message(type: RTM_GETQDISC, flags: NLM_F_ECHO) { $0.header(header) }
        }
        count()
        do throws(NetlinkError) {
            try connection.commit(&buffer) { (place, message) throws(NetlinkError) in
                let qdisc = QueueingDiscipline<Int32>.decode(message)
                found[place] = qdisc?.handle == 0 ? nil : qdisc
            }
        } catch {
            // What the kernel put there by itself has no number and is not told: older ones say EINVAL.
            let refusals = error.refusals
            guard !refusals.isEmpty, refusals.allSatisfy({ [ENOENT, EINVAL, ENODEV].contains($0.errno) })
            else {
                throw error
            }
        }
        return found
    }

    /// The filters of one parent of a device.
    public mutating func filters(
        of device: Int32, parent: UInt32
    ) throws(NetlinkError) -> [TrafficFilter<Int32>] {
        var header = tcmsg()
        header.tcm_ifindex = device
        header.tcm_parent = parent
        var buffer = MessageBuffer(capacity: 64)
        buffer.message(type: RTM_GETTFILTER) { $0.header(header) }
        count()
        do throws(NetlinkError) {
            return try connection.dump(&buffer) { (message) throws(NetlinkError) in
                TrafficFilter<Int32>.decode(message)
            }.filter { $0.device == device }
        } catch {
            guard error.errno == ENODEV || error.errno == EINVAL else { throw error }
            return []
        }
    }

    private mutating func count() {
        roundTrips += 1
        requests += 1
    }
}

/// `RTEXT_FILTER_SKIP_STATS`: counters are not wanted, and cost more than the rest.
private let skipStatistics: UInt32 = 1 << 3

/// How a link is asked for.
public enum LinkReference: Hashable, Sendable {
    case index(Int32)
    /// Its name, or an alternative one.
    case named(String)
}
