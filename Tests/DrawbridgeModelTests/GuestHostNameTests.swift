import DrawbridgeModel
import Testing

@Suite struct GuestHostNameTests {
    @Test(
        "§7-64: a guest behind NAT is named after its domain's name, else its number, as in Xen's script",
        arguments: [
            ("web_1.test", 1, "web-1-test-2"), (nil, 1, "dom300-2"), (nil, 0, "dom300"), ("web", 0, "web"),
            ("a:b/c+d", 0, "a-b-c-d"),
            ("", 0, "dom300"), ("-", 0, "dom300"), ("x\"; } host y {", 0, "dom300"), ("a\"; b", 0, "a---b"),
            (String(repeating: "a", count: 80), 9, String(repeating: "a", count: 60) + "-10"),
        ] as [(String?, UInt32, String)])
    func names(_ domain: String?, _ device: UInt32, _ name: String) {
        #expect(GuestHostName.derived(domain: domain, of: VifID(domain: 300, device: device)) == name)
    }

    @Test("§7-64: vif-nat takes the name that the store has for its scripts, not the domain's own")
    func read() throws {
        func request(_ store: [String: String]) throws -> VifRequest {
            let reading = try VifEvent.read(
                script: "vif-nat", arguments: ["online", "dhcp=yes"],
                environment: ["vif": "vif3.1", "XENBUS_PATH": "backend/vif/3/1"], store: store)
            guard case .event(let event) = reading else { throw DrawbridgeError(.invalidArgument, "", "") }
            return event.request
        }
        #expect(try request(["domain": "web"]).hostName == "web-2")
        let modern = try request(["name": "web"])
        #expect(modern.hostName == "dom3-2" && modern.domainName == "web" && modern.handsOut == true)
    }

    @Test("§7-67: dhcp is said by any word but no, and not at all where it is left out")
    func asked() throws {
        func handsOut(_ words: String...) throws -> Bool? {
            try RouteArguments(ScriptArguments(["start"] + words), script: .networkNAT).handsOut
        }
        #expect(try handsOut() == nil)
        #expect(try handsOut("dhcp=no") == false)
        #expect(try handsOut("dhcp=yes") == true)
        #expect(try handsOut("dhcp=") == nil)
    }
}
