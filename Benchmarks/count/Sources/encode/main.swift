// Encodes what the floor's `encode` does, as often as it is told, so that callgrind can count what one costs:
//
//     encode filter|link COUNT

import NetworkTypes
import Nftables
import RouteNetlink

/// The sets of the filter that a vif with addresses is in.
struct Sets {
    static let table = Table(.netdev, "drawbridge")
    let senders = TypedSet<LinkName, MACAddress>("senders", in: table)
    let networks = TypedSet<LinkName>("networks", in: table, data: .value(.mark))
    let sources4 = TypedSet<LinkName, MACAddress, IPv4Address>("ipv4-sources", in: table)
    let sources6 = TypedSet<LinkName, MACAddress, IPv6Address>("ipv6-sources", in: table)
    let protected4 = TypedSet<Mark, IPv4Address>("ipv4-protected", in: table)
    let protected6 = TypedSet<Mark, IPv6Address>("ipv6-protected", in: table)
    let drops = TypedSet<LinkName, Mark>("drops", in: table, isCounting: true)
    let names = ["ipv4-clients", "ipv6-clients", "pinning"]
    let modes = TypedSet<LinkName>("modes", in: table, data: .verdict)
    let guests = ChainDefinition("guests", in: table, hook: .ingress(-500), dropsByDefault: true)

    /// What a vif is in the filter, as one transaction. Returns how many requests it is, so that nobody leaves it out.
    func encode(_ domain: UInt32) -> Int {
        guard let name = LinkName("vif\(domain).0") else { return 0 }
        let mac = MACAddress(value: 0x0016_3e00_0000 | UInt64(domain))
        let ipv4 = IPv4Address(value: 0x0a00_0000 | domain)
        let ipv6 = IPv6Address(value: UInt128(0xfd) << 120 | UInt128(domain))
        let (table, network) = (Self.table, Mark(0x1f8d_f42c))
        var transaction = NftablesTransaction()
        func add(_ set: String, _ elements: [SetElement], _ transaction: inout NftablesTransaction) {
            transaction.add(elements, to: set, of: table)
        }
        add("senders", [SetElement(senders.key(name, mac))], &transaction)
        add("networks", [SetElement(networks.key(name), data: .value(network.keyOctets))], &transaction)
        add("ipv4-sources", [SetElement(sources4.key(name, mac, ipv4))], &transaction)
        add("ipv6-sources", [SetElement(sources6.key(name, mac, ipv6))], &transaction)
        add("ipv4-protected", [SetElement(protected4.key(network, ipv4))], &transaction)
        add("ipv6-protected", [SetElement(protected6.key(network, ipv6))], &transaction)
        for set in names { add(set, [SetElement(modes.key(name))], &transaction) }
        add("drops", (1...12).map { SetElement(drops.key(name, Mark($0))) }, &transaction)
        add("modes", [SetElement(modes.key(name), data: .verdict(.goto("filtered")))], &transaction)
        transaction.add(devices: [name.rawValue], to: guests)
        return transaction.count
    }
}

/// The pair and what is set of it, in the requests of an attach.
func encodeLink(_ domain: UInt32, _ batch: inout RouteBatch) -> Int {
    batch.removeAll()
    var link = Link<Int32>(name: "vif\(domain).0")
    link.kind = .veth
    link.address = .init(value: 0xfeff_ffff_ffff)
    link.mtu = 1500
    link.master = 5
    link.group = 1_679_688_299
    let peer = VethPeer(
        name: "g\(domain)", address: MACAddress(value: 0x0016_3e00_0000 | UInt64(domain)), mtu: 1500,
        namespace: 7)
    batch.create(link, peer: peer)
    var settings = LinkSettings()
    settings.alias = "drawbridge vif\(domain).0"
    settings.addressGeneration = AddressGeneration.none
    settings.flagMask = [.up, .noARP, .multicast]
    settings.flags = [.up, .noARP]
    var port = BridgePortSettings()
    port.bpduGuard = true
    port.learning = false
    settings.port = port
    batch.set(1_000_000 + Int32(domain), settings)
    return batch.count
}

let words = CommandLine.arguments
guard words.count == 3, let count = UInt32(words[2]), ["filter", "link"].contains(words[1]) else {
    fatalError("encode filter|link COUNT")
}
let sets = Sets()
var batch = RouteBatch()
var sum = 0
for domain in 0..<count { sum += words[1] == "filter" ? sets.encode(domain) : encodeLink(domain, &batch) }
print(sum)
