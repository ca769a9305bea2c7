import DrawbridgeAPI
import DrawbridgeEngine
import DrawbridgeModel
import Glibc
import NetworkTypes
import TestSupport
import Testing

@testable import DrawbridgeDaemon

private struct FakeControl: DaemonControl {
    func report() async -> DaemonReport {
        DaemonReport(
            version: "1", process: 1, ready: true, configurationFile: nil, stateDirectory: "s",
            scriptDirectory: "d", stopOnExit: true, kernelChanges: 7)
    }
    func vifsPerUser() async -> UInt32 { 2 }
    func reload(dryRun: Bool) async throws(DrawbridgeError) -> Outcome { Outcome(changed: !dryRun) }
    func shutDown(keepNetwork: Bool, by caller: Caller) async throws(DrawbridgeError) {}
}

@Suite("Operations")
final class OperationsTests: Sendable {
    private let engine = FakeEngine()
    private let operations: Operations
    private let directory: String
    private let root = Caller(process: 1, user: 0, group: 0)
    private let member = Caller(process: 1, user: 1000, group: 4711)
    private let other = Caller(process: 1, user: 1001, group: 5, groups: [4711])
    private let stranger = Caller(process: 1, user: 1000, group: 1000)

    init() throws {
        directory = try TestDaemon.makeDirectory()
        try TestDaemon.write("drawbridge:x:4711:\n", to: "\(directory)/group")
        operations = Operations(
            engine: engine, control: FakeControl(), callers: Callers(groupFile: "\(directory)/group"))
    }

    deinit { _ = try? execute(["rm", "-rf", directory]) }

    private func specification(_ id: String?, domain: String? = nil) -> VifSpecification {
        var vif = VifSpecification()
        vif.id = id
        vif.domain = domain
        return vif
    }

    private func add(_ vif: VifSpecification, by caller: Caller) async throws(DrawbridgeError) -> String {
        try await operations.addVif(AddVif(vif: vif), namespace: 0, by: caller).id
    }

    private func kind(_ body: () async throws(DrawbridgeError) -> Void) async -> DrawbridgeError.Kind? {
        do throws(DrawbridgeError) {
            try await body()
            return nil
        } catch {
            return error.kind
        }
    }

    @Test("a member adds and removes vifs of its own, and no others")
    func ownVifs() async throws {
        #expect(try await add(specification("vif3.1"), by: member) == "vif3.1")
        #expect(await engine.requests.last?.owner == 1000)
        #expect(
            await kind { () throws(DrawbridgeError) in _ = try await add(specification("3.1"), by: other) }
                == .permissionDenied)
        #expect(
            await kind { () throws(DrawbridgeError) in
                _ = try await operations.removeVif(RemoveVif(id: "vif3.1"), by: other)
            } == .permissionDenied)
        _ = try await operations.removeVif(RemoveVif(id: "vif3.1"), by: member)
        _ = try await add(specification("vif4.0"), by: root)
        #expect(
            await kind { () throws(DrawbridgeError) in
                _ = try await operations.removeVif(RemoveVif(id: "vif4.0"), by: member)
            } == .permissionDenied)
        #expect(
            await engine.calls == [
                "attach vif3.1 dryRun=false", "detach vif3.1 dryRun=false",
                "attach vif4.0 dryRun=false",
            ])
    }

    @Test(
        "a user other than root has as many vifs as the configuration allows, also where several ask at once")
    func quota() async throws {
        for id in ["vif3.0", "vif3.1"] { _ = try await add(specification(id), by: member) }
        let refused = await kind { () throws(DrawbridgeError) in
            _ = try await add(specification("vif3.2"), by: member)
        }
        #expect(refused == .permissionDenied)
        // What is there already may be asked for again; others and root have room of their own.
        _ = try await add(specification("vif3.1"), by: member)
        _ = try await add(specification("vif4.0"), by: other)
        for id in ["vif5.0", "vif5.1", "vif5.2"] { _ = try await add(specification(id), by: root) }
        _ = try await operations.removeVif(RemoveVif(id: "vif3.0"), by: member)
        _ = try await add(specification("vif3.2"), by: member)
        #expect(await engine.requests.map(\.id.description).filter { $0 == "vif3.2" }.count == 1)
    }

    @Test("a tap is its maker's to open where nobody is named; a member makes none for others")
    func taps() async throws {
        func made(_ tap: TapReport, by caller: Caller) async throws(DrawbridgeError) -> VifSource? {
            var vif = specification(nil)
            vif.tap = tap
            _ = try await operations.addVif(AddVif(vif: vif), namespace: nil, by: caller)
            return await engine.requests.last?.source
        }
        var options = TapOptions()
        options.owner = 1000
        #expect(try await made(TapReport(), by: member) == .tap(options))
        for tap in [TapReport(owner: 1001), TapReport(group: 4711)] {
            let refused = await kind { () throws(DrawbridgeError) in _ = try await made(tap, by: member) }
            #expect(refused == .permissionDenied)
        }
        options.owner = nil
        options.group = 4711
        options.isMultiQueue = true
        #expect(try await made(TapReport(group: 4711, multiQueue: true), by: root) == .tap(options))
        var both = specification("vif3.1")
        both.tap = TapReport()
        both.device = "tap0"
        let refused = await kind { [both] () throws(DrawbridgeError) in
            _ = try await operations.addVif(AddVif(vif: both), namespace: nil, by: root)
        }
        #expect(refused == .invalidArgument)
    }

    @Test("networks, devices of the host, scripts, reload and end are root's; a stranger gets nothing")
    func rootOnly() async throws {
        var device = VifSpecification()
        device.device = "vif3.1"
        for caller in [member, stranger] {
            #expect(
                await kind { () throws(DrawbridgeError) in
                    _ = try await operations.startNetwork(StartNetwork(name: "x", dryRun: true), by: caller)
                } == .permissionDenied)
            #expect(
                await kind { () throws(DrawbridgeError) in
                    _ = try await operations.stopNetwork(StopNetwork(name: "x"), by: caller)
                } == .permissionDenied)
            #expect(
                await kind { () throws(DrawbridgeError) in
                    _ = try await operations.addVif(AddVif(vif: device), namespace: nil, by: caller)
                } == .permissionDenied)
            #expect(
                await kind { () throws(DrawbridgeError) in
                    _ = try await operations.run(
                        ScriptInvocation(script: "vif-bridge", arguments: [], environment: [:]), by: caller)
                } == .permissionDenied)
            #expect(
                await kind { () throws(DrawbridgeError) in
                    _ = try await operations.reload(ReloadConfiguration(), by: caller)
                } == .permissionDenied)
            #expect(
                await kind { () throws(DrawbridgeError) in
                    _ = try await operations.shutDown(Shutdown(dryRun: true), by: caller)
                } == .permissionDenied)
        }
        #expect(try await operations.vifs(by: member).vifs.isEmpty)
        #expect(
            await kind { () throws(DrawbridgeError) in _ = try await operations.vifs(by: stranger) }
                == .permissionDenied)
        #expect(await engine.calls.isEmpty)
        #expect(await engine.invocations.isEmpty)
    }

    @Test("a number is chosen: the next device of the user's domain, or a domain that no hypervisor has")
    func numbers() async throws {
        #expect(try await add(specification(nil, domain: "web"), by: root) == "vif32768.0")
        #expect(try await add(specification(nil, domain: "web"), by: root) == "vif32768.1")
        #expect(try await add(specification(nil, domain: "db"), by: root) == "vif32769.0")
        // The domain of that name is root's.
        #expect(try await add(specification(nil, domain: "web"), by: member) == "vif32770.0")
        #expect(try await add(specification(nil), by: root) == "vif32771.0")
        _ = try await operations.removeVif(RemoveVif(id: "vif32768.0"), by: root)
        #expect(try await add(specification(nil, domain: "web"), by: root) == "vif32768.0")
    }

    @Test("many requests at once get a number each")
    func concurrentNumbers() async throws {
        let ids = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<100 {
                group.addTask { try await self.add(self.specification(nil, domain: "web"), by: self.root) }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(ids.count == 100)
    }

    @Test("all that was said arrives, an alias of a bridge under its name")
    func mapping() async throws {
        var vif = specification("vif7.2", domain: "web")
        vif.bridge = "xen-br0"
        vif.mac = "00:16:3E:00:00:01"
        vif.addresses = ["10.0.0.5", "2001:db8::/64"]
        vif.mtu = 1400
        vif.vifName = "web0"
        vif.rate = "10Mb/s"
        vif.rateIn = "1MB/s@20ms"
        vif.guestName = "eth7"
        _ = try await add(vif, by: root)
        let request = try #require(await engine.requests.last)
        #expect(request.id == VifID(domain: 7, device: 2))
        #expect(request.bridge?.rawValue == "xenbr0")
        #expect(request.mac?.description == "00:16:3e:00:00:01")
        #expect(request.addresses.map(\.description) == ["10.0.0.5/32", "2001:db8::/64"])
        #expect(request.mtu == 1400)
        #expect(request.vifName?.rawValue == "web0")
        #expect("\(request.rate, default: "")" == "10Mb/s")
        #expect("\(request.rateIn, default: "")" == "8Mb/s@20ms")
        #expect(request.source == .pair(guestName: try #require(LinkName("eth7"))))
        #expect(request.domainName == "web")
    }

    @Test(
        "malformed texts are refused before the engine sees them",
        arguments: [
            { @Sendable in $0.id = "vif3" }, { $0.id = "vif03.1" }, { $0.id = "" }, { $0.bridge = "a/b" },
            { $0.bridge = "0123456789abcdef" }, { $0.mac = "00:16:3e" }, { $0.mac = "01:00:5e:00:00:01" },
            { $0.mac = "ff:ff:ff:ff:ff:ff" }, { $0.addresses = ["10.0.0.256"] }, { $0.addresses = ["x"] },
            { $0.addresses = ["10.0.0.1/33"] }, { $0.addresses = ["10.0.0.1/24"] }, { $0.mtu = 67 },
            { $0.mtu = 65536 }, { $0.vifName = "a b" },
            { $0.domain = "a\nb" }, { $0.domain = "" }, { $0.rate = "" }, { $0.rate = "0Mb/s" },
            { $0.rateIn = "10Xb/s" }, { $0.guestName = "a:b" },
            {
                $0.device = "vif3.1"; $0.guestName = "eth0"
            },
        ] as [@Sendable (inout VifSpecification) -> Void])
    func malformed(change: @Sendable (inout VifSpecification) -> Void) async {
        var vif = specification("vif3.1")
        change(&vif)
        #expect(
            await kind { () throws(DrawbridgeError) in _ = try await add(vif, by: root) } == .invalidArgument)
        #expect(await engine.calls.isEmpty)
    }

    @Test("a pair without a namespace is refused, and a dry run of it is not")
    func namespaceNeeded() async throws {
        let request = AddVif(vif: specification("vif3.1"))
        #expect(
            await kind { () throws(DrawbridgeError) in
                _ = try await operations.addVif(request, namespace: nil, by: root)
            } == .invalidArgument)
        let dry = AddVif(vif: specification("vif3.1"), dryRun: true)
        #expect(try await operations.addVif(dry, namespace: nil, by: root).outcome.plan == ["create vif3.1"])
        #expect(await engine.calls == ["attach vif3.1 dryRun=true"])
    }

    @Test("a network of one's own is made of what was said; contradictions are refused")
    func network() async throws {
        var own = NetworkSpecification()
        own.uplink = "eth1"
        own.bridge = "br1"
        _ = try await operations.startNetwork(StartNetwork(name: "lan", specification: own), by: root)
        #expect(await engine.calls.last == "start lan br1 named(eth1) dryRun=false")
        own.defaultRoute = true
        #expect(
            await kind { () throws(DrawbridgeError) in
                _ = try await operations.startNetwork(StartNetwork(name: "lan", specification: own), by: root)
            } == .invalidArgument)
        var bad = NetworkSpecification()
        bad.dhcpClient = "perhaps"
        #expect(
            await kind { () throws(DrawbridgeError) in
                _ = try await operations.startNetwork(StartNetwork(name: "lan", specification: bad), by: root)
            } == .invalidArgument)
    }

    @Test("a dry run of the end tells what lowering each network would do")
    func shutDownPlan() async throws {
        let name = try #require(LinkName("xenbr0"))
        await engine.set(
            networks: [NetworkStatus(network: Network(name: name, uplink: .none), state: .up)], vifs: [])
        #expect(
            try await operations.shutDown(Shutdown(dryRun: true), by: root).outcome.plan == ["delete xenbr0"])
        #expect(
            try await operations.shutDown(Shutdown(keepNetwork: true, dryRun: true), by: root).outcome.plan
                .isEmpty)
    }
}
