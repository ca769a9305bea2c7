import Glibc
import LinuxHeaders
import NetworkTypes
import RouteNetlink
import TestSupport
import Testing

/// The number that Drawbridge gives its qdiscs.
private let handle: UInt32 = 0xdb00_0000

@Suite("Shaping")
struct ShapingTests {
    private static func bucket(
        _ device: Int32, _ rate: UInt64, _ burst: UInt32
    ) -> QueueingDiscipline<Int32> {
        QueueingDiscipline(
            device: device, handle: handle, parent: TC_H_ROOT,
            kind: .tokenBucket(.init(rate: rate, burst: burst, limit: burst)))
    }

    @Test("several places are read in one round trip, whatever is missing among them")
    func severalPlaces() async throws {
        try await withTestNamespace {
            try run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
            var socket = try RouteSocket()
            let device = try #require(try socket.link(named: "v0")?.index)
            try socket.commit { $0.replace(Self.bucket(device, 125_000, 5000)) }
            let before = socket.roundTrips
            let read = try socket.qdiscs(
                at: [(99_999, TC_H_ROOT), (device, TC_H_ROOT), (device, TC_H_INGRESS)])
            #expect(read.map { $0?.handle } == [nil, handle, nil])
            #expect(socket.roundTrips == before + 1)
        }
    }

    @Test("a device's own place is read alone, and what the kernel put there is none of anybody's")
    func single() async throws {
        try await withTestNamespace {
            try run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
            try run("ip", "link", "add", "ifb0", "type", "ifb")
            try run("ip", "link", "set", "ifb0", "up")
            try run("ip", "link", "set", "v0", "up")
            var socket = try RouteSocket()
            for name in ["v0", "v1", "ifb0"] {
                let device = try #require(try socket.link(named: name)?.index)
                #expect(try socket.qdisc(of: device, parent: TC_H_ROOT) == nil)
                #expect(try socket.qdisc(of: device, parent: TC_H_INGRESS) == nil)
                #expect(try socket.filters(of: device, parent: 0xffff_0000).isEmpty)
                try socket.commit { $0.replace(Self.bucket(device, 1_250_000, 62_500)) }
                let read = try #require(try socket.qdisc(of: device, parent: TC_H_ROOT))
                #expect(read == Self.bucket(device, 1_250_000, 62_500))
            }
            #expect(try socket.qdisc(of: 99_999, parent: TC_H_ROOT) == nil)
        }
    }

    @Test(
        "what is set is told as equal, whatever its size",
        arguments: [
            (1, 1522), (7, 1522), (125, 1522), (1_250_000, 62_500), (12_500_000, 625_000),
            (125_000_000, 6_250_000), (1_250_000_000, 62_500_000), (12_500_000_000, 625_000_000),
            (100_000_000_000, 4_294_967_295), (4_294_967_295_000_000_000, 4_294_967_295),
            (50_000, 2_000_000_000),
        ] as [(UInt64, UInt32)])
    func roundTrip(rate: UInt64, burst: UInt32) async throws {
        try await withTestNamespace {
            try run("ip", "link", "add", "ifb0", "type", "ifb")
            var socket = try RouteSocket()
            let device = try #require(try socket.link(named: "ifb0")?.index)
            let wanted = Self.bucket(device, rate, burst)
            try socket.commit { $0.replace(wanted) }
            let read = try #require(try socket.qdisc(of: device, parent: TC_H_ROOT))
            guard case .tokenBucket(let told) = read.kind, case .tokenBucket(let set) = wanted.kind else {
                throw TestFailure("\(read.kind)")
            }
            #expect(told.isEqual(to: set), "\(told) for \(set)")
            var other = set
            other.rate += 1
            #expect(!told.isEqual(to: other))
        }
    }

    @Test("a redirection is set, seen by tc, read again, and told when its target is gone")
    func redirection() async throws {
        try await withTestNamespace {
            try run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
            try run("ip", "link", "add", "ifb0", "type", "ifb")
            var socket = try RouteSocket()
            let device = try #require(try socket.link(named: "v0")?.index)
            let target = try #require(try socket.link(named: "ifb0")?.index)
            let ingress = QueueingDiscipline(
                device: device, handle: 0xffff_0000, parent: TC_H_INGRESS,
                kind: .other("ingress", options: []))
            let filter = TrafficFilter(
                device: device, parent: 0xffff_0000, priority: 7, action: .redirect(to: target))
            try socket.commit {
                $0.replace(ingress)
                $0.add(filter)
            }
            let shown = try run("tc", "filter", "show", "dev", "v0", "parent", "ffff:")
            #expect(
                shown.contains("pref 7 u32") && shown.contains("Egress Redirect to device ifb0"), "\(shown)")
            #expect(try socket.filters(of: device, parent: 0xffff_0000) == [filter])
            #expect(try socket.qdisc(of: device, parent: TC_H_INGRESS)?.kind.name == "ingress")
            try run("ip", "link", "delete", "ifb0")
            #expect(try socket.filters(of: device, parent: 0xffff_0000).map(\.action) == [.redirect(to: nil)])
            try socket.commit { $0.remove(filter) }
            #expect(try socket.filters(of: device, parent: 0xffff_0000).isEmpty)
        }
    }

    @Test("filters of others are seen as such")
    func others() async throws {
        try await withTestNamespace {
            try run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
            try run("tc", "qdisc", "add", "dev", "v0", "ingress")
            try run(
                "tc", "filter", "add", "dev", "v0", "parent", "ffff:", "pref", "5", "protocol", "ip", "u32",
                "match", "ip", "src", "192.0.2.1", "flowid", "1:1")
            var socket = try RouteSocket()
            let device = try #require(try socket.link(named: "v0")?.index)
            let filters = try socket.filters(of: device, parent: 0xffff_0000)
            #expect(filters.map(\.action) == [.other("u32")])
            #expect(filters.map(\.priority) == [5])
        }
    }

    @Test("a bucket is changed in place: what is queued stays queued")
    func inPlace() async throws {
        try await withTestNamespace {
            try run("ip", "link", "add", "ifb0", "type", "ifb")
            var socket = try RouteSocket()
            let device = try #require(try socket.link(named: "ifb0")?.index)
            try socket.commit { $0.replace(Self.bucket(device, 1_250_000, 62_500)) }
            let before = try run("tc", "-j", "qdisc", "show", "dev", "ifb0")
            try socket.commit { $0.replace(Self.bucket(device, 2_500_000, 125_000)) }
            let after = try run("tc", "-j", "qdisc", "show", "dev", "ifb0")
            #expect(before.contains("\"rate\":1250000") && after.contains("\"rate\":2500000"))
            #expect(before.contains("\"handle\":\"db00:\"") && after.contains("\"handle\":\"db00:\""))
        }
    }
}

extension RouteSocket {
    fileprivate mutating func qdisc(of device: Int32, parent: UInt32) throws -> QueueingDiscipline<Int32>? {
        try qdiscs(at: [(device, parent)])[0]
    }
}
