import DrawbridgeAPI
import Glibc
import Testing
import Varlink

/// The interface as the repository has it.
private func interfaceFile() throws -> String {
    let path = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let file = open("/\(path)/Interfaces/io.drawbridge.varlink", O_RDONLY)
    try #require(file >= 0)
    defer { close(file) }
    var octets = [UInt8](repeating: 0, count: 1 << 20)
    let count = read(file, &octets, octets.count)
    return String(decoding: octets.prefix(max(0, count)), as: UTF8.self)
}

/// What the interface says of a method's parameters or a type's fields: name to whether it may be absent.
private func fields(of declaration: String) throws -> [String: Bool] {
    let text = API.description.split(separator: "\n").filter { !$0.hasPrefix("#") }.joined(separator: " ")
    let start = try #require(text.firstRange(of: declaration)).upperBound
    var rest = text[start...]
    rest = rest[rest.index(after: try #require(rest.firstIndex(of: "(")))...]
    let list = rest[..<(try #require(rest.firstIndex(of: ")")))]
    var fields: [String: Bool] = [:]
    for entry in list.split(separator: ",") {
        let parts = entry.split(separator: ":").map { $0.filter { $0 != " " } }
        guard parts.count == 2 else { continue }
        fields[parts[0]] = parts[1].hasPrefix("?")
    }
    return fields
}

@Suite("The interface")
struct InterfaceFileTests {
    @Test("the text in the program is the file of the repository")
    func equal() throws {
        #expect(try interfaceFile() == API.description)
    }

    @Test("its name, its methods, and an error for each exit code that has one")
    func names() throws {
        let interface = try #require(
            Interface(description: API.description) { _, _ throws(CallError) in [:] })
        #expect(interface.name == API.interface)
        #expect(
            interface.methods == [
                "GetStatus", "GetDaemonStatus", "StartNetwork", "StopNetwork", "ListNetworks", "GetNetwork",
                "AddVif", "RemoveVif", "SetVif", "MoveVif", "ListVifs", "GetVif",
                "ListAddresses", "AddForward", "RemoveForward", "ListForwards", "FollowEvents",
                "ReloadConfiguration",
                "Shutdown",
            ])
        #expect(API.description.contains("error NotFound ("))
    }

    @Test("every method that changes something takes dryRun")
    func dryRun() throws {
        for method in [
            "StartNetwork", "StopNetwork", "AddVif", "RemoveVif", "SetVif", "MoveVif", "AddForward",
            "RemoveForward",
            "ReloadConfiguration", "Shutdown",
        ] {
            #expect(try fields(of: "method \(method)")["dryRun"] == true, "\(method)")
        }
    }

    @Test("the types write the fields that the interface has, all of them and no others")
    func types() throws {
        var network = NetworkReport(name: "n", bridge: "b", state: .up)
        try compare("type Network ", Coding.encode(network), isFull: false)
        try compare(
            "type Address ",
            Coding.encode(
                AddressReport(network: "n", address: "a", mac: "m", vif: "v", name: "w", connected: true)))
        try compare(
            "type Forward ",
            Coding.encode(
                ForwardReport(port: 1, protocol: "tcp", guest: "g", guestPort: 2, addresses: ["a"])))
        network.uplink = "eth0"
        network.problem = "p"
        var handover = DHCPHandoverReport(client: "dhclient", resting: 7)
        try compare("type DHCPHandover ", Coding.encode(handover), isFull: false)
        handover.running = 8
        handover.address = "192.0.2.1"
        try compare("type DHCPHandover ", Coding.encode(handover))
        network.dhcpHandover = handover
        try compare("type Network ", Coding.encode(network))

        var vif = VifReport(id: "vif1.0", device: "vif1.0", state: .connected, owner: 0, pair: true)
        try compare("type Vif ", Coding.encode(vif), isFull: false)
        vif.domain = "web"
        vif.network = "n"
        vif.bridge = "b"
        vif.mac = "m"
        vif.mtu = 1500
        vif.rate = "r"
        vif.rateIn = "r"
        vif.netbackRate = "r"
        vif.ratePackets = "r"
        vif.rateInPackets = "r"
        vif.isolated = true
        vif.vlan = "10"
        vif.trusted = false
        vif.groups = ["web"]
        vif.filter = "addresses"
        let drop = DropReport(reason: "spoofed ARP", frames: 142, octets: 5964)
        try compare("type Drop ", Coding.encode(drop))
        vif.drops = [drop]
        vif.index = 7
        let tap = TapReport(owner: 1000, group: 7, multiQueue: true, virtioHeader: true)
        try compare("type Tap ", Coding.encode(tap))
        try compare("type Tap ", Coding.encode(TapReport()), isFull: false)
        vif.tap = tap
        try compare("type Vif ", Coding.encode(vif))

        var event = EventReport(sequence: 1, time: 2, event: "e", object: "o", detail: "")
        try compare("type Event ", Coding.encode(event), isFull: false)
        event.error = "bad"
        try compare("type Event ", Coding.encode(event))

        try compare("type Outcome ", Coding.encode(OutcomeReport(changed: true)))
        var daemon = DaemonReport(
            version: "1", process: 1, ready: true, configurationFile: "f", stateDirectory: "s",
            scriptDirectory: "d", stopOnExit: true, kernelChanges: 7)
        daemon.filterLayout = "one chain for all vifs"
        try compare("type Daemon ", Coding.encode(daemon))

        var specification = VifSpecification()
        specification.id = "vif1.0"
        specification.domain = "web"
        specification.device = "d"
        specification.guestName = "eth0"
        specification.bridge = "b"
        specification.mac = "m"
        specification.addresses = []
        specification.mtu = 1
        specification.vifName = "v"
        specification.rate = "r"
        specification.rateIn = "r"
        specification.ratePackets = "r"
        specification.rateInPackets = "r"
        specification.isolated = false
        specification.vlan = "10"
        specification.tap = tap
        try compare("type VifSpecification ", Coding.encode(specification))
        try compare("type VifSpecification ", Coding.encode(VifSpecification()), isFull: false)

        var own = NetworkSpecification()
        own.bridge = "b"
        own.uplink = "u"
        own.defaultRoute = true
        own.antispoof = true
        own.multicastSnooping = true
        own.uplinkReferences = "warn"
        own.foreignManager = "warn"
        own.networkRoot = "warn"
        own.dhcpClient = "ignore"
        own.kind = "nat"
        own.addresses = []
        own.natSources = []
        own.handOut = true
        own.domain = "d"
        own.connectGuests = true
        own.isolateGuests = true
        own.vlanFiltering = true
        try compare("type NetworkSpecification ", Coding.encode(own))
    }

    @Test("the requests write the parameters that their methods have")
    func requests() throws {
        try compare(
            "method StartNetwork",
            Coding.encode(StartNetwork(name: "n", specification: NetworkSpecification(), dryRun: true)))
        try compare("method StopNetwork", Coding.encode(StopNetwork(name: "n", dryRun: true)))
        try compare("method GetNetwork", Coding.encode(GetNetwork(name: "n")))
        try compare("method AddVif", Coding.encode(AddVif(vif: VifSpecification(), dryRun: true)))
        try compare("method RemoveVif", Coding.encode(RemoveVif(id: "v", dryRun: true)))
        try compare(
            "method SetVif",
            Coding.encode(
                SetVif(
                    id: "v", rate: "r", rateIn: "r", ratePackets: "p", rateInPackets: "p", vlan: "10",
                    dryRun: true)))
        try compare(
            "method MoveVif",
            Coding.encode(MoveVif(id: "v", network: "n", addresses: ["a"], dryRun: true)))
        try compare(
            "method AddForward",
            Coding.encode(AddForward(port: 1, protocol: "tcp", guest: "g", guestPort: 2, dryRun: true)))
        try compare(
            "method RemoveForward", Coding.encode(RemoveForward(port: 1, protocol: "tcp", dryRun: true)))
        try compare("method GetVif", Coding.encode(GetVif(id: "v")))
        try compare("method FollowEvents", Coding.encode(FollowEvents(since: 1)))
        try compare("method ReloadConfiguration", Coding.encode(ReloadConfiguration(dryRun: true)))
        try compare("method Shutdown", Coding.encode(Shutdown(keepNetwork: true, dryRun: true)))
    }

    private func compare(_ declaration: String, _ value: JSONValue, isFull: Bool = true) throws {
        let declared = try fields(of: declaration)
        let written = Set(try #require(value.object).keys)
        let expected = isFull ? Set(declared.keys) : Set(declared.filter { !$0.value }.keys)
        #expect(written == expected, "\(declaration)")
    }
}
