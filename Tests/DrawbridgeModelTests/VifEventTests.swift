import DrawbridgeModel
import NetworkTypes
import Testing

@Suite struct VifEventTests {
    private static let xen = ["XENBUS_PATH": "backend/vif/3/1", "vif": "vif3.1"]

    private func event(
        _ arguments: [String], _ environment: [String: String] = xen, store: [String: String]? = nil
    ) throws -> VifEvent {
        let reading = try VifEvent.read(
            script: "vif-bridge", arguments: arguments, environment: environment, store: store)
        guard case .event(let event) = reading else { throw Nothing() }
        return event
    }

    private struct Nothing: Error {}

    private func failure(
        _ arguments: [String], _ environment: [String: String] = xen, store: [String: String]? = nil
    ) -> String? {
        let error = #expect(throws: DrawbridgeError.self) {
            try event(arguments, environment, store: store)
        }
        return error?.description
    }

    @Test("§7-3: the store's value holds before the argument's, that before the environment's")
    func precedence() throws {
        let environment = Self.xen.merging(["bridge": "e"]) { $1 }
        #expect(
            try event(["online", "bridge=a"], environment, store: ["bridge": "s"]).request.bridge
                == LinkName("s"))
        #expect(try event(["online", "bridge=a"], environment, store: [:]).request.bridge == LinkName("a"))
        #expect(try event(["online"], environment).request.bridge == LinkName("e"))
        #expect(try event(["online"]).request.bridge == nil)
    }

    @Test("§7-5: an unknown command is refused", arguments: ["move", "up", "down", "status", nil])
    func unknownCommand(command: String?) {
        #expect(
            failure([command].compactMap(\.self))
                == "vif-bridge: Invalid command: \(command ?? ""); Valid commands are: online, offline, add, remove"
        )
    }

    @Test("§7-6: without XENBUS_PATH no vif comes where there is a store")
    func withoutPath() throws {
        #expect(
            failure(["online"], ["vif": "vif3.1"], store: [:])
                == "vif-bridge: XENBUS_PATH: is not set; it names the vif in the store")
        #expect(
            try event(["offline"], ["vif": "vif3.1"], store: [:]).request.id == VifID(domain: 3, device: 1))
        // Where there is none, the name is all the context there is.
        #expect(try event(["online"], ["vif": "vif3.1"]).request.id == VifID(domain: 3, device: 1))
        #expect(try event(["online", "vif=vif3.1"], [:]).request.source == .existing(try name("vif3.1")))
        #expect(
            failure(["online"], ["vif": "tap7"])?.hasPrefix("vif-bridge: vif: 'tap7' does not tell which vif")
                == true)
    }

    @Test("§7-34: a tap is known by its name, which is all that udev tells of it")
    func tapWithoutPath() throws {
        let tap = try event(["add", "type_if=tap"], ["INTERFACE": "vif3.1-emu"], store: ["bridge": "br9"])
        #expect(tap.request.id == VifID(domain: 3, device: 1).emulated)
        #expect(
            failure(["add", "type_if=tap"], ["INTERFACE": "own0"], store: [:])
                == "vif-bridge: XENBUS_PATH: is not set; it names the vif in the store")
    }

    @Test("§7-7: without vif no vif comes", arguments: ["online", "offline"])
    func withoutDevice(command: String) {
        let expected = "vif-bridge: vif: is not set; it names the device that the event is about"
        #expect(failure([command], ["XENBUS_PATH": "backend/vif/3/1"]) == expected)
        #expect(failure([command], ["XENBUS_PATH": "backend/vif/3/1", "vif": ""], store: [:]) == expected)
    }

    @Test("§7-10: the interface's type is vif unless said otherwise, and no other than vif and tap")
    func types() throws {
        #expect(try event(["online"]).interface == .vif)
        #expect(
            failure(["online", "type_if=foo"])
                == "vif-bridge: unknown interface type foo; Valid types are: vif, tap")
    }

    @Test(
        "§7-11: a vif's add and remove, and a tap's online and offline, have no effect",
        arguments: [("vif", "add"), ("vif", "remove"), ("tap", "online"), ("tap", "offline")])
    func noEffect(type: String, command: String) {
        #expect(throws: Nothing.self) { try event([command, "type_if=\(type)"]) }
        #expect(throws: Nothing.self) { try event([command, "type_if=\(type)"], [:]) }
    }

    @Test func taps() throws {
        let environment = Self.xen.merging(["INTERFACE": "vif3.1-emu"]) { $1 }
        let event = try event(["add", "type_if=tap"], environment)
        #expect(event.interface == .tap)
        #expect(event.command == .add)
        #expect(event.request.source == .existing(try name("vif3.1-emu")))
        #expect(event.request.id == VifID(domain: 3, device: 1, isEmulated: true))
        #expect(
            try self.event(["remove", "type_if=tap"], ["INTERFACE": "vif3.1-emu"]).request.id
                == VifID(domain: 3, device: 1, isEmulated: true))
        #expect(
            try self.event(["add", "type_if=tap"], ["INTERFACE": "tap3.1"]).request.id
                == VifID(domain: 3, device: 1, isEmulated: true))
        #expect(failure(["add", "type_if=tap"])?.hasPrefix("vif-bridge: INTERFACE: is not set") == true)
    }

    @Test(
        "the path of the vif in the store",
        arguments: [
            ("backend/vif/3/1", true), ("/local/domain/0/backend/vif/3/1", true),
            ("/local/domain/12/backend/vif/3/1", true),
            ("backend/vif/3", false), ("backend/vif/3/1/", false), ("backend/vbd/3/1", false),
            ("backend/vif/3/-1", false),
            ("../backend/vif/3/1", false), ("backend/vif/03/1", false),
            ("/local/domain/x/backend/vif/3/1", false),
            ("backend/vif/4/1", false),
        ])
    func paths(path: String, isRight: Bool) {
        let environment = ["XENBUS_PATH": path, "vif": "vif3.1"]
        if isRight {
            #expect(throws: Never.self) { try event(["online"], environment) }
        } else {
            #expect(failure(["online"], environment)?.contains(path) == true)
        }
    }

    @Test func aRenamedDeviceIsKnownByItsPath() throws {
        let event = try event(["offline"], ["XENBUS_PATH": "backend/vif/3/1", "vif": "web0"])
        #expect(event.request.id == VifID(domain: 3, device: 1))
        #expect(event.request.source == .existing(try name("web0")))
    }

    @Test func everythingThatCanBeAsked() throws {
        let event = try event([
            "online", "bridge=xen-br0", "ip=192.0.2.7 2001:db8::/64", "mac=00:16:3e:00:00:01", "mtu=1400",
            "vifname=web0", "rate=10Mb/s@50ms", "domain=web", "colour=red",
        ])
        var expected = VifRequest(id: VifID(domain: 3, device: 1), source: .existing(try name("vif3.1")))
        expected.bridge = try name("xenbr0")
        expected.addresses = ["192.0.2.7/32", "2001:db8::/64"].compactMap { Prefix($0) }
        expected.mac = MACAddress("00:16:3e:00:00:01")
        expected.mtu = 1400
        expected.vifName = try name("web0")
        expected.rate = .limited(try #require(Rate(octetsPerSecond: 1_250_000)))
        expected.domainName = "web"
        #expect(event.request == expected)
        #expect(event.notices == ["argument 'colour=red' is not known; ignored"])
        #expect(!event.isUdevCall)
    }

    @Test(
        "bad values are refused when a vif comes, and left aside when it goes",
        arguments: [
            ("bridge=a/b", "vif-bridge: bridge: a device's name may not hold '/'"),
            (
                "ip=192.0.2.256",
                "vif-bridge: ip: '192.0.2.256' is not an address; expected one like 192.0.2.7, 192.0.2.0/28 or 2001:db8::7"
            ),
            (
                "ip=192.0.2.1 x",
                "vif-bridge: ip: 'x' is not an address; expected one like 192.0.2.7, 192.0.2.0/28 or 2001:db8::7"
            ),
            (
                "mac=00:16:3e",
                "vif-bridge: mac: '00:16:3e' is not a hardware address; expected one like 00:16:3e:5e:6c:00"
            ),
            (
                "mac=01:00:00:00:00:01",
                "vif-bridge: mac: '01:00:00:00:00:01' is not the address of one interface (multicast, or all zero)"
            ),
            ("mtu=67", "vif-bridge: mtu: '67' is not a number from 68 to 65535"),
            ("mtu=0x5dc", "vif-bridge: mtu: '0x5dc' is not a number from 68 to 65535"),
            (
                "rate=fast",
                "vif-bridge: rate: 'fast' is not a rate; expected one like 10Mb/s, 250KB/s or 10MB/s@50ms"
            ),
            ("vifname=vif4.0", "vif-bridge: vifname: 'vif4.0' is the name of another vif than vif3.1"),
        ])
    func badValues(argument: String, message: String) throws {
        #expect(failure(["online", argument]) == message)
        let event = try event(["offline", argument])
        #expect(event.request.id == VifID(domain: 3, device: 1))
        #expect(event.notices == ["\(message); left aside, since the vif goes"])
    }

    @Test(
        "§7-38: a vif's name that is too long or has bad characters is refused, a tap's from 12 characters on"
    )
    func vifNames() throws {
        #expect(
            failure(["online", "vifname=abcdefghijklmnop"])
                == "vif-bridge: vifname: 'abcdefghijklmnop' has 16 octets, a device's name has at most 15")
        #expect(
            failure(["online", "vifname=we b"])
                == "vif-bridge: vifname: a device's name may not hold character code 32")
        #expect(
            failure(["online", "vifname=w%d"]) == "vif-bridge: vifname: a device's name may not hold '%'")
        #expect(
            try event(["online", "vifname=abcdefghijklmno"]).request.vifName?.rawValue == "abcdefghijklmno")
        let tap = ["INTERFACE": "vif3.1-emu"]
        #expect(
            try event(["add", "type_if=tap", "vifname=abcdefghijk"], tap).request.vifName?.rawValue
                == "abcdefghijk-emu")
        #expect(
            failure(["add", "type_if=tap", "vifname=abcdefghijkl"], tap)
                == "vif-bridge: vifname: 'abcdefghijkl' has 12 octets; a tap's name has at most 11, since '-emu' is appended"
        )
    }

    @Test("§7-4: values are never evaluated")
    func notEvaluated() throws {
        let event = try event(["online", "x=$(touch /tmp/pwn)", "domain=$(id)"])
        #expect(event.request.domainName == "$(id)")
        #expect(event.notices == ["argument 'x=$(touch /tmp/pwn)' is not known; ignored"])
    }

    @Test(
        "a vif's rate of the store is netback's to hold, and a tap's the host's; an argument's is the host's as well"
    )
    func storedRate() throws {
        func request(_ arguments: [String], _ interface: String, _ store: [String: String]?) throws
            -> VifRequest
        {
            let environment = [
                "XENBUS_PATH": "backend/vif/3/1", interface: interface == "vif" ? "vif3.1" : "vif3.1-emu",
            ]
            let reading = try VifEvent.read(
                script: "vif-bridge", arguments: arguments, environment: environment, store: store)
            guard case .event(let event) = reading else { throw CancellationError() }
            return event.request
        }
        let rate = RateLimit.limited(try #require(Rate(octetsPerSecond: 1_250_000)))
        let stored = try request(["online", "rate=1Mb/s"], "vif", ["rate": "62500,50000"])
        #expect(stored.netbackRate == rate && stored.rate == nil)
        let tap = try request(["add", "type_if=tap"], "INTERFACE", ["rate": "62500,50000"])
        #expect(tap.rate == rate && tap.netbackRate == nil)
        let argument = try request(["online", "rate=10Mb/s"], "vif", [:])
        #expect(argument.rate == rate && argument.netbackRate == nil)

        // What netback holds the host does not hold a second time, whatever the configuration says of others.
        var configuration = Configuration()
        configuration.networkDefaults.rate = Rate(octetsPerSecond: 5)
        #expect(configuration.rates(of: stored, on: nil).fromGuest == nil)
        #expect(configuration.rates(of: tap, on: nil).fromGuest == rate.rate)
        var set = stored
        set.rate = .limited(try #require(Rate(octetsPerSecond: 7)))
        #expect(configuration.rates(of: set, on: nil).fromGuest?.octetsPerSecond == 7)
    }

    @Test("the limit to the guest, by either spelling of its key", arguments: ["rate-in", "rate_in"])
    func rateIn(key: String) throws {
        let event = try event(["online", "\(key)=1MB/s@20"])
        #expect(event.request.rateIn?.rate?.stored == "20000000,20000000")
        #expect(event.request.rate == nil)
        #expect(event.notices.count == 1 && event.notices[0].hasPrefix("rate"), "\(event.notices)")
    }

    @Test(arguments: [
        "10Mb/s", "250KB/s", "1MB/s@20ms", "1B/s", "3GB/s@5s", "10MB/s@50000us", "8b/s@20", "62500,50000",
        "4294967295,0", "unlimited",
    ])
    func rates(text: String) { #expect(RateText.problem(in: text) == nil) }

    @Test(arguments: [
        "", "10", "10M", "10M/s", "Mb/s", "0Mb/s", "10Xb/s", "10Mb/s@", "10Mb/s@0ms", "10Mb/s@xms", "-1Mb/s",
        "4294967296b/s", "1,", "1,2,3", "1b/s", "0,50000", "62500,0",
    ])
    func badRates(text: String) { #expect(RateText.problem(in: text) != nil) }

    private func name(_ text: String) throws -> LinkName { try #require(LinkName(text)) }
}
