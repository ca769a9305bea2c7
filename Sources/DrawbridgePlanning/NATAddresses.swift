public import DrawbridgeModel
public import NetworkTypes

/// The addresses of a guest behind `vif-nat`, derived as Xen's script derives them.
public struct NATAddresses: Hashable, Sendable {
    /// The guest's own.
    public var guest: IPv4Address
    /// The host's, which is the guest's router: the guest's with 127 added to its last octet.
    public var router: IPv4Address

    /// Of one that is asked for, or by the numbers of the domain and the vif: `10.<domain/256>.<domain%256>.<vif+1>`.
    ///
    /// - Throws: `refused` where there is no such address: the last octet overflows, or there are several.
    public init(of request: VifRequest) throws(PlanningError) {
        func refused(_ key: String, _ cause: String, _ advice: String) -> PlanningError {
            .refused(DrawbridgeError(.invalidArgument, "\(request.id): \(key)", cause, advice: advice))
        }
        let asked = request.addresses.filter { $0.family == .ipv4 }
        guard asked.count <= 1 else {
            throw refused(
                "ip", "a vif of a NAT network has one IPv4 address, not \(asked.count)",
                "give one, or none to have it derived")
        }
        if let prefix = asked.first {
            guard prefix.length == 32, case .ipv4(let address) = prefix.address else {
                throw refused(
                    "ip", "'\(prefix)' is a network; a vif of a NAT network has one address", "give one")
            }
            guest = address
        } else {
            let (domain, device) = (request.id.domain, request.id.device)
            guard domain < 65536, device < 255 else {
                throw refused(
                    "ip", "no address in 10.0.0.0/8 can be derived for domain \(domain), vif \(device)",
                    "give one with ip=")
            }
            guest = IPv4Address(value: 10 << 24 | UInt32(domain) << 8 | (UInt32(device) + 1))
        }
        guard guest.value & 0xff <= 128 else {
            throw refused(
                asked.isEmpty ? "devid" : "ip",
                "the router of \(guest) would end in \((guest.value & 0xff) + 127), which is more than 255",
                "give an address that ends in at most 128 with ip=")
        }
        router = IPv4Address(value: guest.value + 127)
    }
}
