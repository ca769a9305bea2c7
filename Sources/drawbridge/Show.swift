import DrawbridgeAPI
import Glibc

/// How the values of the API look to people.
enum Show {
    static func networks(_ networks: [NetworkReport]) {
        var table = Table("NETWORK", "STATE", "BRIDGE", "UPLINK", "PORTS", "ADDRESSES")
        for network in networks {
            table.rows.append([
                .init(network.name), .init(network.state.rawValue, style(network.state)),
                .init(network.bridge),
                .init(network.uplink), .init(listed(network.ports)), .init(listed(network.addresses)),
            ])
        }
        table.show()
        for network in networks {
            if let problem = network.problem { Terminal.complain("warning: \(network.name): \(problem)") }
        }
    }

    static func handover(_ handover: DHCPHandoverReport, on bridge: String) {
        let address = handover.address.map { " and keeps \($0)" } ?? ""
        let running = handover.running.map { "process \($0)" } ?? "being started again"
        Terminal.say(
            Terminal.cleaned(
                "DHCP: \(handover.client) (process \(handover.resting)) rests, one on \(bridge) (\(running)) "
                    + "runs in its place\(address)"))
    }

    static func vifs(_ vifs: [VifReport]) {
        var table = Table("VIF", "STATE", "DOMAIN", "NETWORK", "DEVICE", "MAC", "ADDRESSES", "MTU")
        for vif in vifs {
            table.rows.append([
                .init(vif.id), .init(vif.state.rawValue, style(vif.state)), .init(vif.domain),
                .init(vif.network), .init(vif.device), .init(vif.mac), .init(listed(vif.addresses)),
                .init(vif.mtu.map(String.init)),
            ])
        }
        table.show()
    }

    static func addresses(_ addresses: [AddressReport]) {
        var table = Table("NETWORK", "ADDRESS", "NAME", "VIF", "MAC", "STATE")
        for one in addresses {
            table.rows.append([
                .init(one.network), .init(one.address), .init(one.name), .init(one.vif), .init(one.mac),
                .init(one.connected ? "connected" : "away"),
            ])
        }
        table.show()
    }

    static func forwards(_ forwards: [ForwardReport]) {
        var table = Table("PORT", "GUEST", "TO")
        for one in forwards {
            let targets = one.addresses.map { "\($0.contains(":") ? "[\($0)]" : $0):\(one.guestPort)" }
            table.rows.append([
                .init("\(one.port)/\(one.protocol)"), .init("\(one.guest):\(one.guestPort)"),
                .init(targets.isEmpty ? nil : listed(targets)),
            ])
        }
        table.show()
    }

    static func vif(_ vif: VifReport) {
        let rows: [(String, String?)] = [
            ("vif", vif.id), ("state", vif.state.rawValue), ("domain", vif.domain), ("network", vif.network),
            ("bridge", vif.bridge), ("device", vif.device), ("index", vif.index.map(String.init)),
            ("mac", vif.mac),
            ("addresses", vif.addresses.isEmpty ? nil : vif.addresses.joined(separator: " ")),
            ("mtu", vif.mtu.map(String.init)), ("rate", rate(of: vif)),
            ("rate-in", vif.rateIn), ("packets", packets(of: vif)),
            ("isolated", vif.isolated.map { $0 ? "yes" : "no" }), ("vlan", vif.vlan),
            ("trusted", vif.trusted.map { $0 ? "yes" : "no" }),
            ("filter", vif.filter), ("groups", vif.groups?.joined(separator: " ")),
            ("dropped", vif.drops.map(dropped)),
            ("owner", String(vif.owner)),
            ("made by", vif.pair || vif.tap != nil ? "drawbridge" : "others"),
            ("tap", vif.tap.map(opener)),
        ]
        for (name, value) in rows {
            let padding = String(repeating: " ", count: 11 - name.count)
            Terminal.say(Terminal.styled(name, .heading) + padding + Terminal.cleaned(value ?? "-"))
        }
    }

    static func taps(_ vifs: [VifReport]) {
        var table = Table("TAP", "VIF", "STATE", "NETWORK", "OPENED BY", "MAC", "ADDRESSES", "MTU")
        for vif in vifs {
            table.rows.append([
                .init(vif.device), .init(vif.id), .init(vif.state.rawValue, style(vif.state)),
                .init(vif.network), .init(vif.tap.map(opener)), .init(vif.mac), .init(listed(vif.addresses)),
                .init(vif.mtu.map(String.init)),
            ])
        }
        table.show()
    }

    /// `user 1000, several queues`
    private static func opener(_ tap: TapReport) -> String {
        [
            tap.owner.map { "user \($0)" }, tap.group.map { "group \($0)" },
            tap.multiQueue == true ? "several queues" : nil, tap.virtioHeader == true ? "virtio header" : nil,
        ].compactMap(\.self).joined(separator: ", ")
    }

    /// `10Mb/s`, `8Mb/s by netback`, or both.
    private static func rate(of vif: VifReport) -> String? {
        let held = [vif.rate, vif.netbackRate.map { "\($0) by netback" }].compactMap(\.self)
        return held.isEmpty ? nil : held.joined(separator: ", ")
    }

    /// `10K/s from it, 20K/s to it`
    private static func packets(of vif: VifReport) -> String? {
        let held = [vif.ratePackets.map { "\($0) from it" }, vif.rateInPackets.map { "\($0) to it" }]
            .compactMap(\.self)
        return held.isEmpty ? nil : held.joined(separator: ", ")
    }

    /// `142 spoofed ARP, 3 rogue RA`
    private static func dropped(_ drops: [DropReport]) -> String {
        drops.map { "\($0.frames) \($0.reason)" }.joined(separator: ", ")
    }

    static func daemon(_ daemon: DaemonReport) {
        Terminal.say(
            "drawbridged \(daemon.version), process \(daemon.process), "
                + Terminal.styled(daemon.ready ? "ready" : "starting", daemon.ready ? .good : .pending))
        Terminal.say("configuration  \(Terminal.cleaned(daemon.configurationFile ?? "-"))")
        Terminal.say("state          \(Terminal.cleaned(daemon.stateDirectory))")
        Terminal.say("scripts        \(Terminal.cleaned(daemon.scriptDirectory))")
        Terminal.say("stop on exit   \(daemon.stopOnExit ? "yes" : "no")")
        Terminal.say("kernel changes \(daemon.kernelChanges)")
        if let layout = daemon.filterLayout { Terminal.say("filter layout  \(Terminal.cleaned(layout))") }
    }

    /// What an event came to, or with a dry run would.
    static func outcome(
        _ outcome: OutcomeReport, of object: String, dryRun: Bool, _ isVerbose: Bool, done: String
    ) {
        if dryRun {
            for line in isVerbose ? outcome.plan : outcome.foldedPlan { Terminal.say(Terminal.cleaned(line)) }
            if outcome.plan.isEmpty {
                Terminal.say(
                    "\(object): \(outcome.changed ? "no change of the kernel's state" : "nothing to do")")
            }
        } else {
            Terminal.say("\(object): \(outcome.changed ? done : "nothing to do")")
        }
        Terminal.warn(outcome.warnings)
    }

    static func event(_ event: EventReport) {
        var seconds = time_t(event.time / 1_000_000_000)
        var parts = tm()
        localtime_r(&seconds, &parts)
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }
            .joined(separator: ":")
        var line = "\(Terminal.styled(clock, .faint)) \(Terminal.cleaned("\(event.event) \(event.object)"))"
        if !event.detail.isEmpty { line += " \(Terminal.cleaned(event.detail))" }
        if let error = event.error { line += " \(Terminal.styled(Terminal.cleaned(error), .bad))" }
        Terminal.say(line)
    }

    private static func style(_ state: NetworkReport.State) -> Terminal.Style {
        switch state {
        case .up: .good
        case .down: .faint
        case .degraded: .bad
        }
    }

    private static func style(_ state: VifReport.State) -> Terminal.Style {
        switch state {
        case .connected: .good
        case .waiting: .pending
        case .vanished: .bad
        }
    }

    private static func listed(_ items: [String]) -> String? {
        items.isEmpty ? nil : items.joined(separator: ",")
    }
}
