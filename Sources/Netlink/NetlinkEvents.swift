import Glibc
import LinuxHeaders
import Synchronization

/// What the kernel multicasts, decoded on a thread of its own, as an `AsyncSequence`.
///
/// The subscription stands when `init` returns: nothing that happens later is missed without an `overrun`. The
/// thread ends when the iterating task is cancelled, when `cancel()` is called, or when the sequence and its
/// iterators are gone; it needs no run loop. One task may iterate.
public struct NetlinkEvents<Element: Sendable>: AsyncSequence, Sendable {
    private let stream: AsyncStream<Element>
    private let wakeup: Wakeup

    /// Subscribes in the network namespace of the calling thread.
    ///
    /// - Parameters:
    ///   - netlinkProtocol: the protocol whose groups are meant.
    ///   - groups: the multicast groups, by number (`RTNLGRP_*`, `NFNLGRP_*`).
    ///   - overrun: what to yield when messages were lost, because the kernel's buffer was full (ENOBUFS) or
    ///     because more than `limit` elements waited. Whoever gets it must read everything anew.
    ///   - limit: how many elements may wait to be consumed; the oldest are dropped.
    ///   - receiveBuffer: how many octets the kernel may hold for the reader.
    ///   - decode: makes an element of a message, or nil of one that is of no interest. Runs on the reader.
    public init(
        _ netlinkProtocol: NetlinkProtocol, groups: [UInt32], overrun: Element, limit: Int = 4096,
        receiveBuffer: Int32 = 8 << 20, decode: @escaping @Sendable (borrowing Message) -> Element?
    ) throws(NetlinkError) {
        let socket = try NetlinkSocket(netlinkProtocol, receiveBuffer: receiveBuffer)
        for group in groups { try socket.join(group: group) }
        let wakeup = try Wakeup()
        let (stream, continuation) = AsyncStream<Element>.makeStream(
            bufferingPolicy: .bufferingNewest(Swift.max(limit, 1)))
        continuation.onTermination = { _ in wakeup.signal() }
        let reader = EventReader(
            socket: socket, wakeup: wakeup, continuation: continuation, overrun: overrun, limit: limit,
            decode: decode)
        try startThread(named: "netlink-events") { reader.run() }
        self.stream = stream
        self.wakeup = wakeup
    }

    /// Ends the sequence and its thread. What waits can still be consumed.
    public func cancel() { wakeup.signal() }

    public func makeAsyncIterator() -> AsyncStream<Element>.Iterator { stream.makeAsyncIterator() }
}

/// What the reader's thread does.
private final class EventReader<Element: Sendable>: Sendable {
    private let socket: NetlinkSocket
    private let wakeup: Wakeup
    private let continuation: AsyncStream<Element>.Continuation
    private let overrun: Element
    private let limit: Int
    /// How many elements came since an overrun was told.
    private let sinceOverrun = Atomic<Int>(Int.max)
    private let decode: @Sendable (borrowing Message) -> Element?

    init(
        socket: consuming NetlinkSocket, wakeup: Wakeup, continuation: AsyncStream<Element>.Continuation,
        overrun: Element, limit: Int, decode: @escaping @Sendable (borrowing Message) -> Element?
    ) {
        self.socket = socket
        self.wakeup = wakeup
        self.continuation = continuation
        self.overrun = overrun
        self.limit = limit
        self.decode = decode
    }

    func run() {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 16)
        defer {
            unsafe buffer.deallocate()
            continuation.finish()
        }
        var waits = [
            pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            guard unsafe poll(&waits, 2, -1) >= 0 || errno == EINTR else { return }
            if waits[1].revents != 0 { return }
            guard waits[0].revents != 0 else { continue }
            do throws(NetlinkError) {
                while let count = unsafe try socket.receiveEvent(into: buffer) {
                    let received = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
                    var reader = unsafe MessageReader(received.bytes)
                    while let message = reader.next() {
                        if let element = decode(message) { yield(element) }
                    }
                    if reader.isMalformed { yield(overrun) }
                }
            } catch .overrun {
                yield(overrun)
            } catch .malformed {
                // A datagram that did not fit is lost: that is an overrun as well.
                yield(overrun)
            } catch {
                yield(overrun)
                return
            }
        }
    }

    private func yield(_ element: Element) {
        let since = sinceOverrun.load(ordering: .relaxed)
        if since < Int.max { sinceOverrun.store(since + 1, ordering: .relaxed) }
        guard case .dropped = continuation.yield(element) else { return }
        // The one that was told stands for what is lost after it as well, for as long as it waits itself. One for each
        // element that is lost would push out the next, and have everything read anew thousands of times.
        guard since >= limit / 2 else { return }
        sinceOverrun.store(0, ordering: .relaxed)
        continuation.yield(overrun)
    }
}

/// A descriptor that becomes readable once and stays so.
final class Wakeup: Sendable {
    let descriptor: Int32

    init() throws(NetlinkError) {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC))
        guard descriptor >= 0 else { throw .system(call: "eventfd", errno: errno) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func signal() {
        var one: UInt64 = 1
        _ = unsafe write(descriptor, &one, MemoryLayout<UInt64>.size)
    }
}

/// Starts a detached thread that runs `body` once.
private func startThread(named name: String, _ body: @escaping @Sendable () -> Void) throws(NetlinkError) {
    let work = ThreadBody(name: name, body: body)
    let context = unsafe Unmanaged.passRetained(work).toOpaque()
    var thread = pthread_t()
    let status = unsafe pthread_create(
        &thread, nil,
        { context in
            if let context = unsafe context {
                let work = unsafe Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue()
                _ = unsafe pthread_setname_np(pthread_self(), work.name)
                work.body()
            }
            return nil
        }, context)
    guard status == 0 else {
        unsafe Unmanaged<ThreadBody>.fromOpaque(context).release()
        throw .system(call: "pthread_create", errno: status)
    }
    pthread_detach(thread)
}

private final class ThreadBody: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}
