import Glibc
import LinuxHeaders
public import Netlink
public import NetworkTypes

/// Something that changed in a network namespace.
public enum RouteEvent: Hashable, Sendable {
    /// A link is new or changed.
    // Held apart: what thousands of waiting events take would be that of the largest for each, and stay taken.
    indirect case link(index: Int32, Link<Int32>)
    /// A link is gone.
    case linkRemoved(index: Int32)
    /// The settings of a bridge's port changed.
    indirect case port(index: Int32, BridgePortSettings)
    /// An address is new or changed.
    indirect case address(Address<Int32>)
    /// An address is gone.
    indirect case addressRemoved(Address<Int32>)
    /// A route is new or changed.
    indirect case route(Route<Int32>)
    /// A route is gone. IPv4 routes also go without a word, when their device or last address does.
    indirect case routeRemoved(Route<Int32>)
    /// An entry of the neighbour table is new or changed.
    indirect case neighbor(Neighbor<Int32>)
    /// An entry of the neighbour table is gone.
    indirect case neighborRemoved(Neighbor<Int32>)
    /// An entry of a forwarding database is new or changed.
    indirect case forwarding(ForwardingEntry)
    /// An entry of a forwarding database is gone.
    indirect case forwardingRemoved(ForwardingEntry)
    /// A policy rule is new.
    indirect case rule(Rule)
    /// A policy rule is gone.
    indirect case ruleRemoved(Rule)
    /// A nexthop object is new or changed.
    indirect case nexthop(Nexthop<Int32>)
    /// A nexthop object is gone.
    case nexthopRemoved(id: UInt32)
    /// A queueing discipline or a filter of a device is new, changed or gone.
    case shaping(index: Int32)
    /// Something was lost: what is known must be read anew.
    case overrun
}

/// What changes in a network namespace, as it changes.
///
/// One thread reads. It ends when the iterating task is cancelled, when `cancel()` is called, or when nobody
/// holds the sequence any more. Nothing is missed from the return of `init` on without an ``RouteEvent/overrun``.
public struct RouteEvents: AsyncSequence, Sendable {
    public typealias Element = RouteEvent
    private let events: NetlinkEvents<RouteEvent>

    /// What to listen to.
    public struct Topics: OptionSet, Sendable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        public static let links = Topics(rawValue: 1)
        public static let addresses = Topics(rawValue: 2)
        public static let routes = Topics(rawValue: 4)
        public static let rules = Topics(rawValue: 8)
        /// Neighbours and the forwarding databases of bridges, which share a group.
        public static let neighbors = Topics(rawValue: 16)
        public static let nexthops = Topics(rawValue: 32)
        /// Queueing disciplines and filters.
        public static let shaping = Topics(rawValue: 64)
        public static let all: Topics = [
            .links, .addresses, .routes, .rules, .neighbors, .nexthops, .shaping,
        ]

        fileprivate var groups: [UInt32] {
            let all: [(Topics, [rtnetlink_groups])] = [
                (.links, [RTNLGRP_LINK]),
                (.addresses, [RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR]),
                (.routes, [RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE]),
                (.rules, [RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE]),
                (.neighbors, [RTNLGRP_NEIGH]), (.nexthops, [RTNLGRP_NEXTHOP]),
                (.shaping, [RTNLGRP_TC]),
            ]
            return all.filter { contains($0.0) }.flatMap { $0.1.map(\.rawValue) }
        }
    }

    /// Listens in the network namespace of the calling thread.
    /// - Parameters:
    ///   - topics: what to listen to.
    ///   - port: the socket whose own questions and changes of queueing disciplines and filters are left out: the
    ///     kernel tells even of the questions.
    ///   - backlog: how many events may wait to be consumed before an overrun is told.
    ///   - receiveBuffer: how many octets the kernel may hold for the thread that reads.
    public init(
        _ topics: Topics = .all, ignoringShapingBy port: UInt32? = nil, backlog: Int = 4096,
        receiveBuffer: Int32 = 8 << 20
    ) throws(NetlinkError) {
        events = try NetlinkEvents(
            .route, groups: topics.groups, overrun: .overrun, limit: backlog, receiveBuffer: receiveBuffer
        ) { message in
            guard let event = RouteEvent(message) else { return nil }
            if case .shaping = event, message.port == port { return nil }
            return event
        }
    }

    /// Ends the sequence and its thread.
    public func cancel() { events.cancel() }

    public func makeAsyncIterator() -> AsyncStream<RouteEvent>.Iterator { events.makeAsyncIterator() }
}

extension RouteEvent {
    /// What a notification says; nil if it is of no interest here.
    init?(_ message: borrowing Message) {
        switch message.type {
        case RTM_NEWLINK, RTM_DELLINK: self.init(link: message)
        case RTM_NEWADDR, RTM_DELADDR:
            guard let address = Address<Int32>.decode(message) else { return nil }
            self = message.type == RTM_NEWADDR ? .address(address) : .addressRemoved(address)
        case RTM_NEWROUTE, RTM_DELROUTE:
            guard let route = Route<Int32>.decode(message) else { return nil }
            self = message.type == RTM_NEWROUTE ? .route(route) : .routeRemoved(route)
        case RTM_NEWNEIGH, RTM_DELNEIGH:
            let isNew = message.type == RTM_NEWNEIGH
            if let neighbor = Neighbor<Int32>.decode(message) {
                self = isNew ? .neighbor(neighbor) : .neighborRemoved(neighbor)
            } else if let entry = ForwardingEntry.decode(message) {
                self = isNew ? .forwarding(entry) : .forwardingRemoved(entry)
            } else {
                return nil
            }
        case RTM_NEWRULE, RTM_DELRULE:
            guard let rule = Rule.decode(message) else { return nil }
            self = message.type == RTM_NEWRULE ? .rule(rule) : .ruleRemoved(rule)
        case RTM_NEWNEXTHOP, RTM_DELNEXTHOP:
            guard let nexthop = Nexthop<Int32>.decode(message) else { return nil }
            self = message.type == RTM_NEWNEXTHOP ? .nexthop(nexthop) : .nexthopRemoved(id: nexthop.id)
        case RTM_NEWQDISC, RTM_DELQDISC, RTM_NEWTFILTER, RTM_DELTFILTER:
            guard let header = message.header(as: tcmsg.self) else { return nil }
            self = .shaping(index: header.tcm_ifindex)
        default: return nil
        }
    }

    private init?(link message: borrowing Message) {
        guard let header = message.header(as: ifinfomsg.self) else { return nil }
        switch (Int32(header.ifi_family), message.type) {
        case (AF_UNSPEC, RTM_NEWLINK):
            guard let (index, link) = Link<Int32>.decode(message) else { return nil }
            self = .link(index: index, link)
        case (AF_UNSPEC, RTM_DELLINK): self = .linkRemoved(index: header.ifi_index)
        case (AF_BRIDGE, RTM_NEWLINK):
            // The bridge tells of a port apart from the link; a port that leaves is told as a deleted link of
            // this family, and its link, which stays, besides.
            var attributes = message.attributes(after: ifinfomsg.self)
            while let attribute = attributes.next() {
                guard attribute.type == IFLA_PROTINFO else { continue }
                self = .port(index: header.ifi_index, BridgePortSettings(attribute))
                return
            }
            return nil
        default: return nil
        }
    }
}
