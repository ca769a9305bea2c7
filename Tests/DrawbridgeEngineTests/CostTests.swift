import CountedAllocations
import DrawbridgeHost
import DrawbridgeModel
import Glibc
import Logging
import NetworkTypes
import TestSupport
import Testing

@testable import DrawbridgeEngine

/// What events cost, counted and not timed: these counts are what `make bench` measures in milliseconds.
@Suite struct CostTests {
    static let root = Caller(process: 0, user: 0, group: 0)
    let directory: TestDirectory
    let namespace: Int32
    let guests: Int32
    let host: Host
    let engine: HostEngine
    let network = NetworkName("isolated0")!

    init() async throws {
        try await self.init(configuration: Configuration())
    }

    private init(configuration: Configuration) async throws {
        directory = try TestDirectory()
        namespace = try makeNamespace()
        guests = try makeNamespace()
        host = try Host(namespace: namespace)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let state = directory.path + "/state"
        engine = try HostEngine(
            configuration: configuration,
            paths: EnginePaths(
                stateDirectory: state, scriptDirectory: "", socket: "", persistentDirectory: "\(state)-kept"),
            host: host,
            journal: Journal(path: state), version: "test", logger: logger)
        try await engine.startUp()
        _ = try await engine.startNetwork(
            Network(name: network, uplink: .none), dryRun: false, by: Self.root)
    }

    func request(_ number: UInt32) -> VifRequest {
        var request = VifRequest(
            id: VifID(domain: number, device: 0), source: .pair(guestName: LinkName("g\(number)")!))
        request.bridge = network
        return request
    }

    /// Attaches vifs, all asked for before the first is answered.
    func attach(_ numbers: ClosedRange<UInt32>) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in numbers {
                let request = request(number)
                group.addTask {
                    _ = try await engine.attach(request, namespace: guests, dryRun: false, by: Self.root)
                }
            }
            try await group.waitForAll()
        }
    }

    func detach(_ numbers: ClosedRange<UInt32>) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in numbers {
                group.addTask {
                    _ = try await engine.detach(
                        VifID(domain: number, device: 0), dryRun: false, by: Self.root)
                }
            }
            try await group.waitForAll()
        }
    }

    func cost(_ body: () async throws -> Void) async throws -> KernelTraffic {
        let before = await host.traffic()
        try await body()
        let after = await host.traffic()
        var cost = KernelTraffic()
        cost.changes = after.changes - before.changes
        cost.sends = after.sends - before.sends
        cost.reads = after.reads - before.reads
        return cost
    }

    @Test func `An attach is done in one round: what it asks of the kernel is a fixed number of messages`()
        async throws
    {
        defer { closeAll() }
        // The first vif of a bridge that had none takes a round more.
        try await attach(9...9)
        let cost = try await self.cost { try await attach(1...1) }
        // The pair, its mark, its way of making addresses, IPv6 off, the port's settings, up; the bridge's entry for it;
        // and its filter, one batch.
        #expect(cost.changes <= 6 + 1 + 1)
        #expect(cost.sends <= 5 + 1 + 1)
        // Before and after: the bridge, the device, what limits it; and of the device its addresses and qdiscs. And the
        // filter's table.
        #expect(cost.reads <= 10)
        let again = try await self.cost { try await attach(1...1) }
        #expect(again.changes == 0)
    }

    @Test func `What an attach and a detach ask of the kernel does not grow with the vifs that are there`()
        async throws
    {
        defer { closeAll() }
        try await attach(9...9)
        let first = try await self.cost { try await attach(1...1) }
        try await attach(100...300)
        let later = try await self.cost { try await attach(2...2) }
        #expect(later == first)
        let lastDetach = try await self.cost { try await detach(2...2) }
        try await detach(100...300)
        let firstDetach = try await self.cost { try await detach(1...1) }
        #expect(firstDetach == lastDetach)
    }

    @Test func `An attach asks for memory as often with two hundred vifs as with a few`() async throws {
        defer { closeAll() }
        func allocations(_ number: UInt32) async throws -> UInt {
            // What the news of an earlier change still has done is not this one's.
            try await Task.sleep(for: .milliseconds(200))
            let before = counted_allocations()
            try await attach(number...number)
            return counted_allocations() - before
        }
        try await attach(8...12)
        var few: [UInt] = []
        for number in UInt32(20)..<25 { few.append(try await allocations(number)) }
        try await attach(100...300)
        var many: [UInt] = []
        for number in UInt32(30)..<35 { many.append(try await allocations(number)) }
        // The middle one of five: a table that is made larger at times is no cost of each.
        let (first, later) = (few.sorted()[2], many.sorted()[2])
        #expect(first > 0, "nothing is counted")
        #expect(later <= first + first / 10, "\(few), then \(many)")
        // Of a build without optimizations, in which it was 2,431: what makes it more by a quarter is worth a look.
        #expect(first <= 3000, "\(few), then \(many)")
    }

    @Test
    func
        `With the filter, groups, rates and limits of packets an attach and a detach do not grow with the vifs either`()
        async throws
    {
        defer { closeAll() }
        var configuration = Configuration()
        let group = try #require(GroupName("web"))
        let rules = [try GroupRule("in tcp 80"), try GroupRule("out udp 53")]
        configuration.groups = [SecurityGroup(name: group, rules: rules)]
        configuration.networkDefaults.groups = [group]
        configuration.networkDefaults.rate = Rate(octetsPerSecond: 10_000_000)
        configuration.networkDefaults.rateIn = Rate(octetsPerSecond: 20_000_000)
        configuration.networkDefaults.ratePackets = PacketRate(perSecond: 10_000)
        configuration.networkDefaults.rateInPackets = PacketRate(perSecond: 20_000)
        let other = try await CostTests(configuration: configuration)
        defer { other.closeAll() }
        try await other.attach(9...9)
        let first = try await other.cost { try await other.attach(1...1) }
        #expect(first.changes > 0)
        try await other.attach(100...160)
        let later = try await other.cost { try await other.attach(2...2) }
        #expect(later == first)
        let lastDetach = try await other.cost { try await other.detach(2...2) }
        try await other.detach(100...160)
        let firstDetach = try await other.cost { try await other.detach(1...1) }
        #expect(firstDetach == lastDetach)
        let listed = try inNamespace(other.namespace) { try run("nft", "list", "ruleset") }
        for table in ["drawbridge {", "drawbridge-groups {", "drawbridge-rates {"] {
            #expect(listed.contains("table netdev \(table)"))
        }
    }

    @Test func `Vifs that are detached together are deleted by one message`() async throws {
        defer { closeAll() }
        try await attach(1...50)
        #expect(try await engine.vifs().count == 50)
        // Whoever holds the turn makes the rest wait together.
        await engine.turn.begin()
        let detaching = Task { try await self.cost { try await detach(1...50) } }
        while await engine.pending.count < 50 { await Task.yield() }
        await engine.turn.end()
        let cost = try await detaching.value
        #expect(try await engine.vifs().isEmpty)
        // One message each to move them into a group, and one that deletes it; and for the filter, a batch that takes
        // their elements away and one that takes them off its hook.
        #expect(cost.changes == 51 + 2)
        #expect(cost.sends == 4)
        let left = try inNamespace(namespace) { try run("ip", "-br", "link") }
        #expect(!left.contains("vif"))
    }

    @Test func `Vifs that are attached together are one transaction, each told its own part`() async throws {
        defer { closeAll() }
        await engine.turn.begin()
        let attaching = Task {
            try await withThrowingTaskGroup(of: (UInt32, Outcome).self) { group in
                for number in UInt32(1)...50 {
                    let request = request(number)
                    group.addTask {
                        (
                            number,
                            try await engine.attach(
                                request, namespace: guests, dryRun: false, by: Self.root)
                        )
                    }
                }
                return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
        }
        while await engine.pending.count < 50 { await Task.yield() }
        let before = await host.traffic()
        await engine.turn.end()
        let outcomes = try await attaching.value
        let sends = await host.traffic().sends - before.sends
        // In one send each: the pairs, the marks, up. The settings of a port follow those of its link, each their own.
        #expect(sends <= 60)
        for (number, outcome) in outcomes {
            #expect(outcome.changed)
            #expect(!outcome.plan.isEmpty)
            #expect(outcome.plan.allSatisfy { $0.contains("vif\(number).0") })
        }
    }

    func closeAll() {
        close(namespace)
        close(guests)
    }
}
