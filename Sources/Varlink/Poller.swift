import Glibc
import LinuxHeaders
import Synchronization

/// Waits for many descriptors at once (epoll(7)), level-triggered.
public struct Poller: ~Copyable, Sendable {
    /// What a descriptor is waited for.
    public struct Interest: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// There is something to read.
        public static let read = Interest(rawValue: EPOLLIN.rawValue)
        /// There is room to write.
        public static let write = Interest(rawValue: EPOLLOUT.rawValue)
        /// The other end is closed for good; told unasked.
        public static let hangUp = Interest(rawValue: EPOLLHUP.rawValue | EPOLLERR.rawValue)
    }

    /// That a descriptor is ready.
    public struct Readiness: Hashable, Sendable {
        /// The number it was added under.
        public var token: UInt64
        /// What it is ready for.
        public var interest: Interest
    }

    private let epoll: OwnedDescriptor

    /// Makes a poller that waits for nothing yet.
    public init() throws(SocketError) {
        let descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw SocketError.last("epoll_create1") }
        epoll = OwnedDescriptor(taking: descriptor)
    }

    /// Begins to wait for a descriptor, to be told of by `token`.
    public func add(_ descriptor: Int32, token: UInt64, for interest: Interest) throws(SocketError) {
        try control(EPOLL_CTL_ADD, descriptor, token, interest)
    }

    /// Changes what a descriptor is waited for.
    public func change(_ descriptor: Int32, token: UInt64, for interest: Interest) throws(SocketError) {
        try control(EPOLL_CTL_MOD, descriptor, token, interest)
    }

    /// Waits for a descriptor no longer.
    public func remove(_ descriptor: Int32) { try? control(EPOLL_CTL_DEL, descriptor, 0, []) }

    /// Waits until something is ready or `milliseconds` have passed; below 0 there is no limit.
    public func wait(milliseconds: Int32) throws(SocketError) -> [Readiness] {
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        let count = epoll_wait(epoll.rawValue, &events, Int32(events.count), milliseconds)
        guard count >= 0 else {
            if errno == EINTR { return [] }
            throw SocketError.last("epoll_wait")
        }
        return events.prefix(Int(count)).map {
            Readiness(token: $0.data.u64, interest: Interest(rawValue: $0.events))
        }
    }

    private func control(
        _ operation: Int32, _ descriptor: Int32, _ token: UInt64, _ interest: Interest
    ) throws(SocketError) {
        var event = epoll_event(events: interest.rawValue, data: epoll_data(u64: token))
        guard epoll_ctl(epoll.rawValue, operation, descriptor, &event) == 0 else {
            throw SocketError.last("epoll_ctl")
        }
    }
}

/// A queue into a thread that waits with a `Poller` (eventfd(2)).
public final class Mailbox<Message: Sendable>: Sendable {
    private let event: OwnedDescriptor
    private let messages = Mutex<[Message]>([])

    /// Makes an empty mailbox.
    public init() throws(SocketError) {
        let descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard descriptor >= 0 else { throw SocketError.last("eventfd") }
        event = OwnedDescriptor(taking: descriptor)
    }

    /// What to wait for: readable while there are messages.
    public var descriptor: Int32 { event.rawValue }

    /// Puts a message in and wakes the thread. May be called from anywhere.
    public func send(_ message: Message) {
        messages.withLock { $0.append(message) }
        var one: UInt64 = 1
        _ = write(event.rawValue, &one, 8)
    }

    /// Takes all messages out.
    public func drain() -> [Message] {
        var count: UInt64 = 0
        _ = read(event.rawValue, &count, 8)
        return messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }
}
