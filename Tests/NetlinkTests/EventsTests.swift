import Glibc
import LinuxHeaders
import Netlink
import TestSupport
import Testing

/// What the tests decode.
private enum Event: Hashable, Sendable {
    case link(String)
    case overrun
}

/// Link notifications of the calling thread's namespace.
private func linkEvents(limit: Int = 4096, receiveBuffer: Int32 = 8 << 20) throws -> NetlinkEvents<Event> {
    try NetlinkEvents(
        .route, groups: [UInt32(RTNLGRP_LINK.rawValue)], overrun: .overrun, limit: limit,
        receiveBuffer: receiveBuffer
    ) { message in
        guard message.type == RTM_NEWLINK else { return nil }
        var attributes = message.attributes(after: ifinfomsg.self)
        while let attribute = attributes.next() {
            if attribute.type == IFLA_IFNAME { return .link(attribute.string) }
        }
        return nil
    }
}

@Suite("What the kernel multicasts")
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
            // One batch of 2,000 changes is one send: it fills the smallest buffer before the reader runs.
            let events = try linkEvents(receiveBuffer: 1)
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

    @Test("elements dropped because nobody consumed them end in an overrun, the last of what waits")
    func droppedYield() async throws {
        let events = try await withTestNamespace {
            let events = try linkEvents(limit: 4)
            for number in 0..<20 { _ = try run("ip", "link", "add", "br\(number)", "type", "bridge") }
            return events
        }
        // The reader may still be at work: what counts is that the loss is told.
        var sawOverrun = false
        for await event in events where event == .overrun {
            sawOverrun = true
            break
        }
        #expect(sawOverrun)
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
