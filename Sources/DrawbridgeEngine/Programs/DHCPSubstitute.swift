import DrawbridgeModel
import Glibc

/// The client that runs on the bridge in the place of the host's own: of the same kind, from the same file, with
/// the same identifier, asking for the same address.
struct DHCPSubstitute: Sendable {
    let client: RunningDHCPClient
    let uplink: String
    let bridge: String
    /// The address that the host has by DHCP, if it is known.
    let address: String?
    /// Where udhcpc's event script keeps what it must remember.
    let stateDirectory: String

    /// What its files are called by: hosts in several network namespaces may have bridges of one name.
    let tag: String

    /// What starts it outside of the daemon's unit; nil makes it a child of the daemon.
    var launcher = ClientLauncher.configured

    /// Where dhclient's files are: Debian's AppArmor profile lets it use no others.
    var leaseFile: String { "/var/lib/dhcp/dhclient.drawbridge-\(tag).leases" }
    var configurationFile: String { "/var/lib/dhcp/dhclient.drawbridge-\(tag).conf" }
    var eventFile: String { "\(stateDirectory)/dhcp-\(bridge).lease" }

    /// Where the host's own dhclient keeps its leases.
    var hostLeaseFile: String { client.command.leaseFile ?? Self.standardLeaseFile }
    static let standardLeaseFile = "/var/lib/dhcp/dhclient.leases"
    private var hostConfigurationFile: String {
        client.command.configurationFile ?? "/etc/dhcp/dhclient.conf"
    }

    /// The largest file of leases or configuration that is read.
    static let fileLimit = 4 << 20

    /// `argv`.
    func arguments(ownConfiguration: Bool) -> [String] {
        let inherited = client.command.inherited
        switch client.command.kind {
        case .dhclient:
            var arguments = ["dhclient", "-4", "-d", "-q", "--no-pid", "-lf", leaseFile]
            if ownConfiguration {
                arguments += ["-cf", configurationFile]
            } else if let file = client.command.configurationFile {
                arguments += ["-cf", file]
            }
            return arguments + inherited.filter { $0 != "-4" } + [bridge]
        default:
            return ["udhcpc", "-f", "-i", bridge, "-s", "/proc/self/fd/\(Program.inheritedDescriptor)"]
                + (address.map { ["-r", $0] } ?? []) + inherited
        }
    }

    /// The environment of the host's own, so that its hooks find what they know.
    var environment: [String] {
        let kept = client.environment.filter { !$0.hasPrefix("DRAWBRIDGE_") && !$0.hasPrefix("PATH=") }
        return kept + ["PATH=\(CustomScript.searchPath)", "DRAWBRIDGE_LEASE=\(eventFile)"]
    }

    /// Puts the files in place that the client starts from: for dhclient the host's leases and configuration with
    /// the bridge in the uplink's place, so that it asks for the same address by the same identifier.
    ///
    /// - Returns: Whether it has a configuration of its own.
    func prepare() throws(DrawbridgeError) -> Bool {
        unlink(eventFile)
        guard client.command.kind == .dhclient else { return false }
        let leases = try rename(hostLeaseFile)
        try write(leases ?? "", to: leaseFile)
        guard let text = Self.text(hostConfigurationFile) else { return false }
        let renamed = DHCPLeaseFile.renamed(text, from: uplink, to: bridge)
        guard renamed != text else { return false }
        try write(renamed, to: configurationFile)
        return true
    }

    /// Removes them.
    func cleanUp() {
        unlink(eventFile)
        guard client.command.kind == .dhclient else { return }
        for file in [leaseFile, "\(leaseFile)~", configurationFile] { unlink(file) }
    }

    /// The program.
    func program(ownConfiguration: Bool) throws(DrawbridgeError) -> Program {
        let arguments = arguments(ownConfiguration: ownConfiguration)
        var program: Program
        if let launcher {
            program = ClientLauncher.program(launcher, client: client, on: bridge, arguments)
        } else {
            program = Program(.path(client.executable), arguments: arguments)
        }
        program.environment = environment
        // Its output has no reader once the daemon ends, and would end it; both clients tell the system's log.
        program.standardFiles = .files([nil, nil, nil])
        program.outlivesRunner = true
        if client.command.kind == .udhcpc { program.inherited = .descriptor(try DHCPEventScript.open()) }
        return program
    }

    /// The lease that dhclient got last for an interface.
    static func lease(in file: String, for interface: String) -> DHCPLeaseFile.Lease? {
        text(file).flatMap { DHCPLeaseFile($0).current(for: interface) }
    }

    private func rename(_ file: String) throws(DrawbridgeError) -> String? {
        Self.text(file).map { DHCPLeaseFile.renamed($0, from: uplink, to: bridge) }
    }

    private static func text(_ file: String) -> String? {
        SmallFile.read(file, limit: fileLimit).map { String(decoding: $0, as: UTF8.self) }
    }

    private func write(_ text: String, to file: String) throws(DrawbridgeError) {
        let code = SmallFile.write(file, Array(text.utf8), mode: 0o644)
        guard code == 0 else {
            throw DrawbridgeError(.script, file, "cannot be written: \(systemText(code))")
        }
    }
}
