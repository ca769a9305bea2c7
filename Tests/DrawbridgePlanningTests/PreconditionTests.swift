import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

@Suite struct PreconditionTests {
    private func errors(
        _ network: Network = xenbr0.network, facts: UplinkFacts = UplinkFacts(),
        others: [(network: Network, uplink: String)] = [], _ edit: (inout HostState) -> Void = { _ in }
    ) -> [Finding] {
        var state = OrderTests.host()
        edit(&state)
        return BridgeNetwork(network, group: 70001).findings(in: state, facts: facts, others: others)
    }

    @Test("A healthy uplink has no findings, with a VLAN child or without")
    func healthy() {
        #expect(errors().isEmpty)
        #expect(
            errors {
                var child = Link<LinkKey>(name: "eth0.100")
                child.kind = .other("vlan")
                child.parent = eth0
                $0.links[.other(12)] = child
            }.isEmpty)
    }

    private static let hindrances: [(String, @Sendable (inout Link<LinkKey>) -> Void)] = [
        ("loopback", { $0.flags.insert(.loopback) }),
        ("is a bridge", { $0.kind = .bridge(BridgeSettings()) }),
        ("not an Ethernet interface", { $0.hardwareType = 65534 }),
        (
            "port of the bond bond0",
            {
                $0.master = .other(20)
                $0.portKind = "bond"
            }
        ),
        (
            "port of the Open vSwitch bond0",
            {
                $0.master = .other(20)
                $0.portKind = "openvswitch"
            }
        ),
        ("vif vif3.1 of a guest", { $0.alias = "drawbridge uses vif3.1" }),
    ]

    @Test(
        "An uplink that cannot be a port is refused with the cause",
        arguments: hindrances)
    func impossible(cause: String, edit: @Sendable (inout Link<LinkKey>) -> Void) throws {
        let findings = errors {
            $0.links[.other(20)] = Link(name: "bond0")
            if var link = $0.links[eth0] {
                edit(&link)
                $0.links[eth0] = link
            }
        }
        let finding = try #require(findings.first)
        #expect(finding.severity == .error)
        #expect(finding.error.object == "eth0" && finding.error.cause.contains(cause), "\(finding.error)")
    }

    @Test("Children that take the uplink's frames are refused", arguments: ["macvlan", "macvtap", "ipvlan"])
    func children(kind: String) {
        let findings = errors {
            var child = Link<LinkKey>(name: "child0")
            child.kind = kind == "macvlan" ? .macvlan(MacvlanSettings()) : .other(kind)
            child.parent = eth0
            $0.links[.other(12)] = child
        }
        #expect(findings.map(\.error.object) == ["eth0"])
        #expect(findings.allSatisfy { $0.error.cause.contains("child0") })
    }

    @Test("An uplink that is not there, and a bridge's name that is taken")
    func names() {
        #expect(errors { $0.links[eth0] = nil }.map(\.error.cause) == ["no such interface"])
        let taken = errors { $0.links[.other(4)] = Link(name: "xenbr0") }
        #expect(taken.map(\.error.kind) == [.conflict])
        let other = errors {
            var link = Link<LinkKey>(name: "xenbr0")
            link.kind = .bridge(BridgeSettings())
            link.alias = "drawbridge bridge lan"
            $0.links[.other(4)] = link
        }
        #expect(other.map(\.error.object) == ["xenbr0"])
        var same = xenbr0.network
        same.bridge = LinkName("eth0")!
        #expect(errors(same).count == 1)
    }

    @Test("Two networks on one uplink are refused")
    func shared() {
        let other = Network(name: NetworkName("xenbr1")!, uplink: .named(LinkName("eth0")!))
        #expect(errors(others: [(other, "eth0")]).map(\.error.kind) == [.conflict])
        #expect(errors(others: [(other, "eth1")]).isEmpty)
    }

    @Test(
        "§7-88: dangers, a root file system on the network among them, are refused or only told, as the network says",
        arguments: [Reaction.refuse, .warn])
    func dangers(reaction: Reaction) {
        var network = xenbr0.network
        network.foreignManager = reaction
        network.networkRoot = reaction
        network.uplinkReferences = reaction
        var facts = UplinkFacts()
        facts.manager = .networkManager
        facts.rootFileSystem = "nfs from 192.0.2.1"
        facts.firewallReferences = ["nftables rule inet filter input: iifname \"eth0\""]
        facts.boundSockets = ["ntpd (process 7)"]
        let findings = errors(network, facts: facts) {
            var rule = Rule(.ipv4, priority: 100, table: 7)
            rule.inputName = "eth0"
            $0.rules = [rule]
        }
        #expect(findings.count == 5)
        #expect(findings.count { $0.severity == .error } == (reaction == .refuse ? 4 : 0))
        #expect(findings.contains { $0.error.cause.contains("ip rule 100: iif eth0") })
    }

    @Test("A DHCP client is handed over, refused or left alone")
    func dhcp() {
        var facts = UplinkFacts()
        facts.dhcpClient = "udhcpc (process 8)"
        var network = xenbr0.network
        #expect(errors(network, facts: facts).isEmpty)
        network.dhcpClient = .refuse
        #expect(errors(network, facts: facts).map(\.severity) == [.error])
        network.dhcpClient = .ignore
        #expect(errors(network, facts: facts).map(\.severity) == [.warning])
    }

    @Test("A network that is up already has nothing to be refused for")
    func alreadyUp() throws {
        var facts = UplinkFacts()
        facts.manager = .networkd
        let host = OrderTests.host()
        let raised = try xenbr0.raised(from: host)
        #expect(xenbr0.findings(in: raised, facts: facts).isEmpty)
    }
}
