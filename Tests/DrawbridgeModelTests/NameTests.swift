import DrawbridgeModel
import NetworkTypes
import Testing

@Suite struct NameTests {
    @Test(arguments: ["vif0.0", "vif3.1", "vif4294967295.12", "vif3.1-emu"])
    func vifs(text: String) { #expect(VifID(text)?.description == text) }

    @Test(arguments: [
        "", "vif", "vif3", "vif3.", "vif.1", "vif3.1.2", "vif03.1", "vif3.01", "vif-3.1", "vif+3.1",
        "vif3.1-", "vif3.1-emu-emu", "vif-emu", "vif3-emu",
        "VIF3.1", "vif4294967296.0", "vif٣.1", " vif3.1", "tap3.1",
    ])
    func noVifs(text: String) { #expect(VifID(text) == nil) }

    @Test func vifsAreOrderedByNumber() {
        let sorted = ["vif10.0", "vif2.1", "vif2.0-emu", "vif2.0"].compactMap { VifID($0) }.sorted()
        #expect(sorted.map(\.description) == ["vif2.0", "vif2.0-emu", "vif2.1", "vif10.0"])
    }

    @Test(arguments: [
        ("xen-br0", "xenbr0"), ("xen-br12", "xenbr12"), ("xenbr0", "xenbr0"), ("xen-br", "xen-br"),
        ("xen-brx", "xen-brx"), ("br0", "br0"),
    ])
    func alias(text: String, resolved: String) {
        #expect(LinkName(text)?.bridgeAliasResolved.rawValue == resolved)
    }

    @Test("§7-96: the argument vector of a network script")
    func networkCommand() throws {
        let call = try #require(ScriptCall(splitting: "network-bridge netdev=eth1  bridge=xenbr1"))
        #expect(
            call.networkCommand("start", in: "/etc/xen/scripts")
                == ["/etc/xen/scripts/network-bridge", "start", "netdev=eth1", "bridge=xenbr1"])
        #expect(call.builtIn == .networkBridge)
    }

    @Test("§7-97: an absolute path stays what it is")
    func absolute() throws {
        let call = try #require(ScriptCall(splitting: "/bin/true"))
        #expect(call.networkCommand("start", in: "/etc/xen/scripts/") == ["/bin/true", "start"])
        #expect(call.builtIn == nil)
        #expect(ScriptCall(splitting: "") == nil)
        #expect(ScriptCall(splitting: "  ") == nil)
    }

    @Test func vifCommand() throws {
        let call = try #require(ScriptCall(splitting: "vif-bridge bridge=b1"))
        #expect(call.vifCommand("online", in: "/s/") == ["/s/vif-bridge", "bridge=b1", "online"])
    }

    @Test func errorsAreOneLine() {
        let error = DrawbridgeError(.kernel, "eth0", "File exists\nreally", advice: "try\r\nagain")
        #expect(error.description == "eth0: File exists really; try again")
    }
}
