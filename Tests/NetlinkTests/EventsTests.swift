import Glibc
import LinuxHeaders
import Netlink
import Synchronization
import TestSupport
import Testing

/// What the tests decode.
private enum Event: Hashable, Sendable {
    case link(String)
    case overrun
}

/// Holds the reader where it decodes until it is opened, and counts what it decoded.
private final class Gate: Sendable {
    private let isOpen: Atomic<Bool>
    private let passed = Atomic<Int>(0)

    init(isOpen: Bool) { self.isOpen = Atomic(isOpen) }

    func open() { isOpen.store(true, ordering: .releasing) }

    func pass() {
        while !isOpen.load(ordering: .acquiring) { usleep(1000) }
        passed.add(1, ordering: .acquiringAndReleasing)
    }

    /// Waits until so many messages were decoded.
    func wait(for count: Int) {
        while passed.load(ordering: .acquiring) < count { usleep(1000) }
    }
}

/// Link notifications of the calling thread's namespace.
private func linkEvents(
    limit: Int = 4096, receiveBuffer: Int32 = 8 << 20, gate: Gate? = nil
) throws -> NetlinkEvents<Event> {
    try NetlinkEvents(
        .route, groups: [UInt32(RTNLGRP_LINK.rawValue)], overrun: .overrun, limit: limit,
        receiveBuffer: receiveBuffer
    ) { message in
        gate?.pass()
        guard message.type == RTM_NEWLINK else { return nil }
        var attributes = message.attributes(after: ifinfomsg.self)
        while let attribute = attributes.next() {
            if attribute.type == IFLA_IFNAME { return .link(attribute.string) }
        }
        return nil
    }
}

@Suite("What the kernel multicasts", .timeLimit(.minutes(2)))
struct EventsTests {
    @Test("what happens after the subscription is told, though nobody iterates yet")
    func delivered() async throws {
        let events = try await withTestNamespace {
            let events = try linkEvents()
            _ = try run("ip", "link", "add", "br0", "type", "bridge")
            _ = try run("ip", "link", "add", "br1", "type", "bridge")
            return events
        }
        var seen: Set<Event> = []
        for await event in events {
            seen.insert(event)
            if seen.isSuperset(of: [.link("br0"), .link("br1")]) { break }
        }
        #expect(seen == [.link("br0"), .link("br1")])
    }

    @Test("a reader that the kernel overran is told so, and goes on")
    func kernelOverrun() async throws {
        let events = try await withTestNamespace {
            // The smallest buffer fills while the reader is held; the kernel would wait for a quick one.
            let gate = Gate(isOpen: false)
            defer { gate.open() }
            let events = try linkEvents(receiveBuffer: 1, gate: gate)
            _ = try run("ip", "link", "add", "br0", "type", "bridge")
            var connection = NetlinkConnection(try NetlinkSocket(.route))
            var buffer = MessageBuffer()
            for round in 0..<2000 {
                buffer.message(type: RTM_NEWLINK) { message in
                    var header = ifinfomsg()
                    header.ifi_index = Int32(if_nametoindex("br0"))
                    message.header(header)
                    message.put(IFLA_MTU, UInt32(1000 + round))
                }
            }
            try connection.commit(&buffer)
            return events
        }
        var iterator = events.makeAsyncIterator()
        var event = await iterator.next()
        while let current = event, current != .overrun { event = await iterator.next() }
        #expect(event == .overrun)
    }

    @Test("elements lost because nobody consumed them are told by an overrun, and not by one each")
    func droppedYield() async throws {
        let events = try await withTestNamespace {
            let gate = Gate(isOpen: true)
            let events = try linkEvents(limit: 4, gate: gate)
            for number in 0..<20 { _ = try run("ip", "link", "add", "br\(number)", "type", "bridge") }
            gate.wait(for: 20)
            return events
        }
        events.cancel()
        var waiting: [Event] = []
        for await event in events { waiting.append(event) }
        #expect((1...2).contains(waiting.count { $0 == .overrun }))
        #expect(waiting.count <= 4)
    }

    @Test("cancelling ends the reader's thread, which ends the sequence")
    func cancelled() async throws {
        let events = try await withTestNamespace { try linkEvents() }
        events.cancel()
        var count = 0
        for await _ in events { count += 1 }
        #expect(count == 0)
    }

    @Test("cancelling the iterating task ends the sequence")
    func cancelledTask() async throws {
        let events = try await withTestNamespace { try linkEvents() }
        let task = Task { () -> Bool in
            for await _ in events {}
            return true
        }
        task.cancel()
        #expect(await task.value)
    }
}
