import ArgumentParser
import DrawbridgeAPI

/// What is said of the guest and its network, whichever way its interface comes about.
struct GuestOptions: ParsableArguments {
    @Option(help: "The guest's name.")
    var domain: String?
    @Option(help: "The bridge or network; the only one there is without.")
    var bridge: String?
    @Option(help: "The guest's hardware address.")
    var mac: String?
    @Option(name: .customLong("ip"), help: "An address or prefix of the guest's; may be repeated.")
    var addresses: [String] = []
    @Option(help: "The MTU; the bridge's without.")
    var mtu: UInt32?
    @Option(help: "The limit from the guest: 10Mb/s, 1MB/s@20ms or unlimited; the configuration's without.")
    var rate: String?
    @Option(help: "The limit to the guest.")
    var rateIn: String?
    @Option(help: "How many packets may come from the guest: 10K/s, 500/s@20ms or unlimited.")
    var ratePackets: String?
    @Option(help: "How many packets may go to the guest.")
    var rateInPackets: String?
    @Flag(
        inversion: .prefixedNo, exclusivity: .exclusive,
        help: "Whether it reaches no other isolated guest; the configuration says it without.")
    var isolated: Bool?
    @Option(help: "The VLAN that it is in: 10, or 10:20:30 with those whose tags it sends and sees.")
    var vlan: String?

    /// A vif that says this much and no more.
    var specification: VifSpecification {
        var vif = VifSpecification()
        vif.domain = domain
        vif.bridge = bridge
        vif.mac = mac
        vif.addresses = addresses.isEmpty ? nil : addresses
        vif.mtu = mtu
        vif.rate = rate
        vif.rateIn = rateIn
        vif.ratePackets = ratePackets
        vif.rateInPackets = rateInPackets
        vif.isolated = isolated
        vif.vlan = vlan
        return vif
    }
}
