import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import TestSupport
import Testing

/// The way round an uplink, with real frames.
@Suite struct BypassTests {
    private let network = NetworkName("xenbr0")

    /// A host whose bridge has the address, and whose uplink is no port of it: without a way round it is deaf.
    private func makeHost() throws -> TestHost {
        let world = try TestHost()
        try on(
            world.namespace,
            "ip link add xenbr0 address 02:00:00:00:00:01 type bridge; ip link set xenbr0 up; ip addr add 192.0.2.10/24 dev xenbr0"
        )
        return world
    }

    private func apply(_ operations: [DrawbridgePlanning.Operation], in world: TestHost) async throws
        -> Applied
    {
        let network = try #require(theNetwork)
        return try await world.host.transact { access throws(DrawbridgeError) in
            let observation = try access.observe(network)
            return access.apply(
                Plan(steps: operations.map { Step(.port, $0) }), bindings: observation.bindings)
        }
    }

    private func isAnswered(_ world: TestHost) throws -> Bool {
        try on(world.router, "ping -c 1 -W 1 192.0.2.10 >/dev/null && echo yes || echo no") == "yes"
    }

    private func isGone(_ world: TestHost) throws -> Bool {
        try on(world.namespace, "nft list ruleset; ip -o link show | grep bypass || true").isEmpty
    }

    /// The steps with the way round open for a second between them: the time that a link without carrier is
    /// waited for.
    private func openForASecond(_ world: TestHost) async throws -> Applied {
        let name = try #require(network)
        try on(world.namespace, "ip link add idle up type veth peer name off0")
        let idle = try #require(Int32(on(world.namespace, "ip -j link show idle | jq .[0].ifindex")))
        return try await apply(
            [
                .openBypass(uplink: .uplink(name), bridge: .bridge(name)), .awaitCarrier(.other(idle), 1),
                .closeBypass(uplink: .uplink(name)),
            ], in: world)
    }

    @Test(
        "while the way round is open frames reach the bridge and answers the wire; then nothing is left of it"
    )
    func opensAndCloses() async throws {
        let world = try makeHost()
        #expect(try !isAnswered(world))
        let router = world.router
        // Questions for an address would be repeated once a second only, which is as long as the way is open.
        try on(router, "ip neigh replace 192.0.2.10 lladdr 02:00:00:00:00:01 dev router0")
        let mac = try on(router, "ip -j link show router0 | jq -r .[0].address")
        try on(world.namespace, "ip neigh replace 192.0.2.1 lladdr \(mac) dev xenbr0")
        let pings = Task.detached { try on(router, "ping -i 0.05 -w 3 192.0.2.10 || true") }
        let applied = try await openForASecond(world)
        #expect(applied.failure == nil)
        #expect(applied.warnings.count == 1)
        let said = try await pings.value
        #expect(said.contains("bytes from 192.0.2.10"), "\(said)")
        #expect(try isGone(world))
        #expect(try !isAnswered(world))
    }

    @Test("a plan that fails leaves no way round open")
    func failure() async throws {
        let world = try makeHost()
        let name = try #require(network)
        var change = LinkChange()
        change.master = .some(.other(1))
        let applied = try await apply(
            [
                .openBypass(uplink: .uplink(name), bridge: .bridge(name)),
                .setLink(.uplink(name), change), .closeBypass(uplink: .uplink(name)),
            ], in: world)
        #expect(applied.failure != nil)
        #expect(try isGone(world))
    }

    @Test("what a killed run left open is closed, and links of the same name that others made are not")
    func leftOpen() async throws {
        let world = try makeHost()
        let index = try on(world.namespace, "ip -j link show eth0 | jq .[0].ifindex")
        let close = {
            try await world.host.transact { access throws(DrawbridgeError) in try access.closeLeftBypasses() }
        }
        try on(world.namespace, "ip link add bypass\(index) type veth peer name bypassp\(index)")
        try await close()
        #expect(try on(world.namespace, "ip -o link show | grep -c bypass") == "2")
        try on(
            world.namespace,
            """
            ip link set bypass\(index) group 1684175216
            nft 'add table netdev drawbridge-bypass-\(index); add table netdev drawbridge-bypass-\(index)-back'
            """)
        try await close()
        #expect(try isGone(world))
    }
}
