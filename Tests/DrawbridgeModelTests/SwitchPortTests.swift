import DrawbridgeModel
import NetworkTypes
import Testing

@Suite("Ports of Open vSwitch")
struct SwitchPortTests {
    @Test(
        "§7-70: name[.tag][:trunk…]",
        arguments: [
            ("ovs0", nil, []), ("ovs0.5", 5, []), ("ovs0:6:7", nil, [6, 7]), ("ovs0.5:6:7", 5, [6, 7]),
            ("ovs0.0:4095", 0, [4095]), ("b:7:6:7", nil, [6, 7]),
        ] as [(String, UInt16?, [UInt16])])
    func grammar(text: String, tag: UInt16?, trunks: [UInt16]) throws {
        let port = try #require(SwitchPort(text))
        #expect(port.tag == tag)
        #expect(port.trunks == trunks)
        #expect(port.bridge?.rawValue == String(text.prefix { $0 != "." && $0 != ":" }))
        #expect(SwitchPort("\(port)") == port)
    }

    @Test(
        "§7-70: anything else is no bridge",
        arguments: [
            "", ".5", ":6", "ovs0.", "ovs0:", "ovs0:x", "ovs0.x", "ovs0.5.6", "ovs0:6.5", "ovs0.4096",
            "ovs0.-1",
            "ovs0.+1", "ovs0: 6", "ovs 0", "ovs0.٥", "ovs0.99999999999999999999", "a234567890123456",
        ])
    func refusals(text: String) { #expect(SwitchPort(text) == nil) }

    @Test("§7-70: the script refuses a vif without a valid bridge when it comes, and not when it goes")
    func script() throws {
        func read(_ command: String, _ bridge: String?) throws -> VifEvent.Reading {
            try VifEvent.read(
                script: "vif-openvswitch", arguments: [command], environment: ["vif": "vif5.0"],
                store: bridge.map { ["bridge": $0] })
        }
        for bridge in [nil, "ovs0:x"] {
            let error = #expect(throws: DrawbridgeError.self) {
                try VifEvent.read(
                    script: "vif-openvswitch",
                    arguments: ["online"] + (bridge.map { ["bridge=\($0)"] } ?? []),
                    environment: ["vif": "vif5.0"])
            }
            #expect(error?.description.contains("No valid bridge was specified") == true)
        }
        guard case .event(let event) = try read("offline", "ovs0:x") else {
            Issue.record("no event")
            return
        }
        #expect(event.request.switchPort == SwitchPort())
    }

    @Test("§7-72: the guest's name and UUID are the store's, blanks and quotes included")
    func identity() throws {
        let reading = try VifEvent.read(
            script: "vif-openvswitch", arguments: ["online"],
            environment: ["vif": "vif5.0", "XENBUS_PATH": "backend/vif/5/0"],
            store: ["bridge": "ovs0.5", "domain": "it's \"mine\"", "uuid": "u-1"])
        guard case .event(let event) = reading else {
            Issue.record("no event")
            return
        }
        #expect(event.request.domainName == "it's \"mine\"")
        #expect(event.request.domainUUID == "u-1")
        #expect(event.request.switchPort == SwitchPort("ovs0.5"))
        #expect(event.request.bridge == nil)
    }
}
