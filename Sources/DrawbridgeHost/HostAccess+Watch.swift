public import DrawbridgeModel
import Netlink
public import NetworkTypes
import RouteNetlink

/// Something that changed in the host's namespace, as far as it may concern a network.
public enum HostChange: Hashable, Sendable {
    case link(index: Int32, Link<Int32>)
    case linkRemoved(index: Int32)
    case address(Address<Int32>)
    case addressRemoved(Address<Int32>)
    case route(Route<Int32>)
    /// A qdisc or a filter of a device is new, changed or gone.
    case shaping(index: Int32)
    /// Something was lost: everything may have changed.
    case overrun
}

/// What changes in the host's namespace, as it changes.
public struct HostChanges: AsyncSequence, Sendable {
    public typealias Element = HostChange
    private let events: RouteEvents

    fileprivate init(_ events: RouteEvents) { self.events = events }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var base: RouteEvents.AsyncIterator

        public mutating func next() async -> HostChange? { await next(isolation: #isolation) }

        public mutating func next(isolation actor: isolated (any Actor)?) async -> HostChange? {
            while let event = await base.next(isolation: actor) {
                switch event {
                case .link(let index, let link): return .link(index: index, link)
                case .linkRemoved(let index): return .linkRemoved(index: index)
                case .address(let address): return .address(address)
                case .addressRemoved(let address): return .addressRemoved(address)
                case .route(let route): return .route(route)
                case .shaping(let index): return .shaping(index: index)
                case .overrun: return .overrun
                default: continue
                }
            }
            return nil
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: events.makeAsyncIterator()) }
}

extension HostAccess {
    /// What changes in the host's namespace from now on: links, addresses, routes, qdiscs and filters. The stream outlives the
    /// transaction, and ends with its last reader.
    public func changes() throws(DrawbridgeError) -> HostChanges {
        do throws(NetlinkError) {
            return HostChanges(
                try RouteEvents([.links, .addresses, .routes, .shaping], ignoringShapingBy: route.port))
        } catch {
            throw DrawbridgeError(error, about: "notifications", doing: "cannot be listened to")
        }
    }
}
