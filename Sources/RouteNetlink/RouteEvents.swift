import Glibc
import LinuxHeaders
public import Netlink
public import NetworkTypes

/// Something that changed in a network namespace.
public enum RouteEvent: Hashable, Sendable {
    case link(index: Int32, Link<Int32>)
    case linkRemoved(index: Int32)
    case address(Address<Int32>)
    case addressRemoved(Address<Int32>)
    case route(Route<Int32>)
    case routeRemoved(Route<Int32>)
    case neighbor(Neighbor<Int32>)
    case neighborRemoved(Neighbor<Int32>)
    /// Policy rules changed; which, is for a dump to tell.
    case rules
    /// Nexthop objects changed; which, is for a dump to tell.
    case nexthops
    /// Something was lost: what is known must be read anew.
    case overrun
}

/// What changes in a network namespace, as it changes. One thread reads; it ends with the last reader.
public struct RouteEvents: AsyncSequence, Sendable {
    public typealias Element = RouteEvent
    private let stream: AsyncStream<RouteEvent>

    /// What to listen to.
    public struct Topics: OptionSet, Sendable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        public static let links = Topics(rawValue: 1)
        public static let addresses = Topics(rawValue: 2)
        public static let routes = Topics(rawValue: 4)
        public static let rules = Topics(rawValue: 8)
        public static let neighbors = Topics(rawValue: 16)
        public static let nexthops = Topics(rawValue: 32)
        public static let all: Topics = [.links, .addresses, .routes, .rules, .neighbors, .nexthops]
    }

    /// Listens in the network namespace of the calling thread.
    /// - Parameter backlog: how many events may wait for the reader before an overrun is told.
    public init(_ topics: Topics = .all, backlog: Int = 4096) throws(NetlinkError) {
        let socket = try NetlinkSocket(.route)
        let groups: [(Topics, [UInt32])] = [
            (.links, [RTNLGRP_LINK.rawValue]),
            (.addresses, [RTNLGRP_IPV4_IFADDR.rawValue, RTNLGRP_IPV6_IFADDR.rawValue]),
            (.routes, [RTNLGRP_IPV4_ROUTE.rawValue, RTNLGRP_IPV6_ROUTE.rawValue]),
            (.rules, [RTNLGRP_IPV4_RULE.rawValue, RTNLGRP_IPV6_RULE.rawValue]),
            (.neighbors, [RTNLGRP_NEIGH.rawValue]), (.nexthops, [RTNLGRP_NEXTHOP.rawValue]),
        ]
        for (topic, numbers) in groups where topics.contains(topic) {
            for number in numbers { try socket.join(group: number) }
        }
        let wake = eventfd(0, Int32(EFD_CLOEXEC))
        guard wake >= 0 else { throw .system(call: "eventfd", errno: errno) }
        let (stream, continuation) = AsyncStream.makeStream(
            of: RouteEvent.self, bufferingPolicy: .bufferingNewest(backlog))
        self.stream = stream
        let reader = EventReader(socket: socket, wake: wake, continuation: continuation)
        // The thread outlives this call; it is woken when nobody listens any more, and closes what it holds.
        continuation.onTermination = { _ in
            var one: UInt64 = 1
            _ = unsafe write(wake, &one, 8)
        }
        guard reader.start() else {
            continuation.finish()
            throw .system(call: "pthread_create", errno: EAGAIN)
        }
    }

    public func makeAsyncIterator() -> AsyncStream<RouteEvent>.Iterator { stream.makeAsyncIterator() }
}

/// The thread that reads.
///
/// `@unchecked`: its members are used by the one thread it starts, from the start of that thread on.
private final class EventReader: @unchecked Sendable {
    private var socket: NetlinkSocket
    private let wake: Int32
    private let continuation: AsyncStream<RouteEvent>.Continuation
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)

    init(socket: consuming NetlinkSocket, wake: Int32, continuation: AsyncStream<RouteEvent>.Continuation) {
        self.socket = socket
        self.wake = wake
        self.continuation = continuation
    }

    deinit { close(wake) }

    func start() -> Bool {
        var thread = pthread_t()
        let context = unsafe Unmanaged.passRetained(self)
        let status = unsafe pthread_create(
            &thread, nil,
            { context in
                if let context = unsafe context {
                    unsafe Unmanaged<EventReader>.fromOpaque(context).takeRetainedValue().read()
                }
                return nil
            }, context.toOpaque())
        guard status == 0 else {
            unsafe context.release()
            return false
        }
        pthread_detach(thread)
        return true
    }

    private func read() {
        defer { continuation.finish() }
        while true {
            var waiting = [
                pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
            ]
            if unsafe poll(&waiting, 2, -1) < 0 {
                if errno == EINTR { continue }
                return
            }
            if waiting[1].revents != 0 { return }
            do throws(NetlinkError) {
                while let count = try receive() { deliver(count) }
            } catch {
                guard case .overrun = error else { return }
                tell(.overrun)
            }
        }
    }

    private func receive() throws(NetlinkError) -> Int? {
        var result: Result<Int?, NetlinkError> = .success(nil)
        unsafe buffer.withUnsafeMutableBytes { bytes in
            do throws(NetlinkError) {
                result = .success(unsafe try socket.receive(into: bytes, waiting: false))
            } catch {
                result = .failure(error)
            }
        }
        return try result.get()
    }

    private func deliver(_ count: Int) {
        var reader = unsafe MessageReader(buffer.span.bytes.extracting(0..<count))
        while let message = reader.next() {
            if let event = RouteEvent(message) { tell(event) }
        }
    }

    private func tell(_ event: RouteEvent) {
        // What the reader was too slow for is lost, so it must be told to read everything anew.
        if case .dropped = continuation.yield(event) { continuation.yield(.overrun) }
    }
}

extension RouteEvent {
    fileprivate init?(_ message: borrowing Message) {
        switch message.type {
        case RTM_NEWLINK:
            // What AF_BRIDGE tells of a port is only a part of the link, which comes whole besides.
            guard let header = message.header(as: ifinfomsg.self), header.ifi_family == 0,
                let (index, link) = Link<Int32>.decode(message)
            else { return nil }
            self = .link(index: index, link)
        case RTM_DELLINK:
            // A port that leaves its bridge is told as a deleted link of AF_BRIDGE; the link itself stays.
            guard let header = message.header(as: ifinfomsg.self), header.ifi_family == 0 else { return nil }
            self = .linkRemoved(index: header.ifi_index)
        case RTM_NEWADDR, RTM_DELADDR:
            guard let address = Address<Int32>.decode(message) else { return nil }
            self = message.type == RTM_NEWADDR ? .address(address) : .addressRemoved(address)
        case RTM_NEWROUTE, RTM_DELROUTE:
            guard let route = Route<Int32>.decode(message) else { return nil }
            self = message.type == RTM_NEWROUTE ? .route(route) : .routeRemoved(route)
        case RTM_NEWNEIGH, RTM_DELNEIGH:
            guard let neighbor = Neighbor<Int32>.decode(message) else { return nil }
            self = message.type == RTM_NEWNEIGH ? .neighbor(neighbor) : .neighborRemoved(neighbor)
        case RTM_NEWRULE, RTM_DELRULE: self = .rules
        case RTM_NEWNEXTHOP, RTM_DELNEXTHOP: self = .nexthops
        default: return nil
        }
    }
}
