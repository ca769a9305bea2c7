import DrawbridgeAPI
import DrawbridgeModel
import NetworkTypes

// Networks that the host forwards for, as the API asks for them.

extension Mapping {
    /// The kinds of networks by their words.
    private enum Kind: String, CaseIterable {
        case bridge, routed, nat
    }

    /// Makes a network one that the host forwards for, or that has a subnet, where the specification says so.
    static func route(
        _ network: inout Network, _ specification: NetworkSpecification
    ) throws(DrawbridgeError) {
        let name = network.name.rawValue
        let kind: Kind =
            try specification.kind.map { (text) throws(DrawbridgeError) in
                try choice(text, "kind")
            } ?? .bridge
        if kind != .bridge, network.uplink == .none {
            throw DrawbridgeError(
                .invalidArgument, name, "leads nowhere",
                advice: "name the interface that leads out as its uplink")
        }
        if let texts = specification.addresses {
            guard kind != .bridge || network.uplink == .none else {
                throw DrawbridgeError(
                    .invalidArgument, name, "its bridge has the addresses of its uplink",
                    advice: "make it a routed or NAT network, or one without an uplink")
            }
            guard specification.connectGuests == nil else {
                throw DrawbridgeError(
                    .invalidArgument, name, "the guests of a subnet are connected by its bridge",
                    advice: "leave connectGuests out")
            }
            network.subnet = try subnet(texts, specification, exit: network.uplink, isNAT: kind == .nat)
            network.uplink = .none
            return
        }
        guard
            specification.natSources == nil, specification.handOut == nil, specification.domain == nil
        else {
            throw DrawbridgeError(
                .invalidArgument, name, "has no subnet that this could be said of",
                advice: "give it an address, such as 10.0.0.1/24")
        }
        guard kind != .bridge else {
            guard specification.connectGuests == nil else {
                throw DrawbridgeError(
                    .invalidArgument, name, "the guests of a bridge are connected by it",
                    advice: "leave connectGuests out")
            }
            return
        }
        guard specification.vlanFiltering != true else {
            throw DrawbridgeError(
                .invalidArgument, name, "is no bridge that could filter by VLANs",
                advice: "leave vlanFiltering out")
        }
        guard specification.bridge == nil else {
            throw DrawbridgeError(
                .invalidArgument, name, "is no bridge and has none",
                advice: "leave the bridge out, or give it an address")
        }
        var routing = Routing()
        routing.isNAT = kind == .nat
        routing.connectsGuests = specification.connectGuests ?? false
        network.routing = routing
    }

    private static func subnet(
        _ texts: [String], _ specification: NetworkSpecification, exit: UplinkChoice, isNAT: Bool
    ) throws(DrawbridgeError) -> Subnet {
        var subnet = Subnet(addresses: [], exit: exit, isNAT: isNAT)
        for text in texts {
            guard let prefix = Prefix(text[...]) else {
                throw DrawbridgeError(
                    .invalidArgument, "address '\(text)'", "is not an address with the length of its network",
                    advice: "like 10.0.0.1/24")
            }
            if let problem = Subnet.problem(of: prefix) {
                throw DrawbridgeError(.invalidArgument, "address '\(text)'", problem)
            }
            guard subnet.address(prefix.family) == nil else {
                throw DrawbridgeError(.invalidArgument, "address '\(text)'", "is the second of its family")
            }
            subnet.addresses.append(prefix)
        }
        guard !subnet.addresses.isEmpty else {
            throw DrawbridgeError(.invalidArgument, "addresses", "are none", advice: "like 10.0.0.1/24")
        }
        for text in specification.natSources ?? [] {
            guard let source = IPAddress(text[...]), isNAT else {
                throw DrawbridgeError(
                    .invalidArgument, "natSource '\(text)'",
                    isNAT ? "is not an address" : "nothing is rewritten here, since the network is not NAT")
            }
            guard subnet.address(source.family) != nil, subnet.source(source.family) == nil else {
                throw DrawbridgeError(
                    .invalidArgument, "natSource '\(text)'",
                    subnet.source(source.family) == nil
                        ? "is of a family that the subnet has no address of" : "is the second of its family")
            }
            subnet.sources.append(source)
        }
        if let value = specification.handOut { subnet.handsOut = value }
        if let text = specification.domain {
            guard DomainName.isValid(text) else {
                throw DrawbridgeError(.invalidArgument, "domain '\(text)'", "is not a domain's name")
            }
            subnet.domain = text
        }
        return subnet
    }
}
