import DrawbridgeModel
import NetworkTypes

extension YAMLConfigurationReader {
    /// The kinds of networks by their words in the file.
    static let kinds = ["bridge", "routed", "nat"]

    /// What `kind` and `connect-guests` say; `.some(nil)` for a bridge, nil where it is wrong.
    mutating func routing(_ parts: [String: YAMLNode], _ path: String) -> Routing?? {
        var routing: Routing?
        if let node = parts["kind"] {
            guard let text = scalar(node, "\(path).kind")?.text else { return nil }
            switch text {
            case "bridge": break
            case "routed", "nat":
                routing = Routing()
                routing?.isNAT = text == "nat"
            default:
                findings.add(
                    .error, "\(path).kind", at: node.place, "'\(text)' is not a kind of network",
                    expected: Scalar.list(Self.kinds), suggestion: NearMiss.of(text, among: Self.kinds))
                return nil
            }
        }
        if routing != nil, parts["address"] == nil, let node = parts["bridge"] {
            findings.add(
                .error, "\(path).bridge", at: node.place, "a network that is no bridge has none",
                expected: "no bridge, kind: bridge, or an address")
            return nil
        }
        guard let node = parts["connect-guests"] else { return .some(routing) }
        guard parts["address"] == nil else {
            findings.add(
                .error, "\(path).connect-guests", at: node.place,
                "the guests of a subnet are connected by its bridge", expected: "isolate-guests: no")
            return nil
        }
        guard routing != nil else {
            findings.add(
                .error, "\(path).connect-guests", at: node.place,
                "the guests of a bridge are connected by it",
                expected: "kind: routed or kind: nat")
            return nil
        }
        guard let scalar = scalar(node, "\(path).connect-guests") else { return nil }
        do { routing?.connectsGuests = try scalar.bool() } catch {
            findings.add(error, "\(path).connect-guests", at: node.place)
            return nil
        }
        return .some(routing)
    }

    /// What can be said of a network that has an address.
    static let subnetKeys = ["nat-source", "hand-out", "domain", "reservations"]

    /// What `address` and what goes with it say; `.some(nil)` for a network without, nil where it is wrong.
    mutating func subnet(
        _ parts: [String: YAMLNode], _ path: String, routing: Routing?, uplink: UplinkChoice
    ) -> Subnet?? {
        guard let node = parts["address"] else {
            // Of what its uplink leads to a bridged network can hand out as well.
            let isSegment = routing == nil && uplink != .none
            for key in Self.subnetKeys {
                guard let node = parts[key], !isSegment || key == "nat-source" else { continue }
                findings.add(
                    .error, "\(path).\(key)", at: node.place, "a network without a subnet has none",
                    expected: "an address of the host on the network's bridge")
                return nil
            }
            return .some(nil)
        }
        guard routing != nil || uplink == .none else {
            findings.add(
                .error, "\(path).address", at: node.place, "the bridge has the addresses of its uplink",
                expected: "kind: nat, kind: routed or uplink: none")
            return nil
        }
        guard routing == nil || uplink != .none else {
            findings.add(
                .error, "\(path).uplink", at: parts["uplink"]?.place ?? node.place, "it leads nowhere",
                expected: "the interface that leads out, or kind: bridge")
            return nil
        }
        var isDelegated = false
        let addresses: [Prefix]? = list(
            node, "\(path).address", "10.0.0.1/24", { Prefix($0) }, { Subnet.problem(of: $0) },
            passing: { word in
                guard word == "delegated" else { return false }
                isDelegated = true
                return true
            })
        guard let addresses else { return nil }
        guard !isDelegated || uplink != .none,
            !isDelegated || !addresses.contains(where: { $0.family == .ipv6 })
        else {
            findings.add(
                .error, "\(path).address", at: node.place,
                uplink == .none
                    ? "nobody is there to delegate a prefix" : "'delegated' is the second of its family",
                expected: "one like 10.0.0.1/24 delegated, with kind: nat or kind: routed")
            return nil
        }
        var subnet = Subnet(addresses: addresses, exit: uplink, isNAT: routing?.isNAT == true)
        if isDelegated { subnet.isDelegated = true }
        if let node = parts["nat-source"] {
            guard subnet.isNAT else {
                findings.add(
                    .error, "\(path).nat-source", at: node.place, "nothing is rewritten here",
                    expected: "kind: nat")
                return nil
            }
            let sources: [IPAddress]? = list(node, "\(path).nat-source", "192.0.2.10", { IPAddress($0) }) {
                source in
                addresses.contains { $0.family == source.family }
                    ? nil : "is of a family that the subnet has no address of"
            }
            guard let sources else { return nil }
            subnet.sources = sources
        }
        if let node = parts["hand-out"] {
            guard let scalar = scalar(node, "\(path).hand-out") else { return nil }
            do { subnet.handsOut = try scalar.bool() } catch {
                findings.add(error, "\(path).hand-out", at: node.place)
                return nil
            }
        }
        if let node = parts["domain"] {
            guard let domain = domain(node, "\(path).domain") else { return nil }
            subnet.domain = domain
        }
        if let node = parts["reservations"] {
            let own = subnet.addresses
            let kept = reservations(node, "\(path).reservations") { address in
                if !own.contains(where: { $0.contains(address) }) { return "is not in the subnet" }
                return own.contains(where: { $0.address == address }) ? "is the host's own" : nil
            }
            guard let kept else { return nil }
            subnet.reservations = kept
        }
        return .some(subnet)
    }

    /// The domain of guests; nil where it is none.
    mutating func domain(_ node: YAMLNode, _ path: String) -> String? {
        guard let text = scalar(node, path)?.text else { return nil }
        guard DomainName.isValid(text) else {
            findings.add(
                .error, path, at: node.place, "'\(text)' is not a domain's name",
                expected: "labels of letters, digits and hyphens with dots between")
            return nil
        }
        return text
    }

    /// `00:16:3e:00:00:01: 10.0.0.50`: what is kept for guests by their hardware addresses.
    ///
    /// - Parameter problem: why an address cannot be kept; nil where it can.
    mutating func reservations(
        _ node: YAMLNode, _ path: String, _ problem: (IPAddress) -> String?
    ) -> [Subnet.Reservation]? {
        guard case .mapping(let pairs) = node.content else {
            findings.add(
                .error, path, at: node.place, "is \(node.kind)",
                expected: "a mapping of hardware addresses to addresses")
            return nil
        }
        var reservations: [Subnet.Reservation] = []
        for (key, value) in pairs {
            guard case .scalar(let text, _) = key.content, let mac = MACAddress(text), !mac.isMulticast else {
                findings.add(
                    .error, path, at: key.place, "\(key.kind) is not a guest's hardware address",
                    expected: "one like 00:16:3e:00:00:01")
                return nil
            }
            let own = "\(path).\(mac)"
            guard !reservations.contains(where: { $0.mac == mac }) else {
                findings.add(.error, own, at: key.place, "is there already")
                return nil
            }
            let taken = reservations.flatMap(\.addresses)
            let kept: [IPAddress]? = list(value, own, "10.0.0.50", { IPAddress($0) }) { address in
                problem(address) ?? (taken.contains(address) ? "is kept for another guest" : nil)
            }
            guard let kept else { return nil }
            reservations.append(Subnet.Reservation(mac: mac, addresses: kept))
        }
        return reservations
    }

    /// Values with blanks between, at most one of each family; nil where one is wrong.
    ///
    /// - Parameter isOther: told of each word; true for one that is no value.
    private mutating func list<Value: AddressFamilyBearing>(
        _ node: YAMLNode, _ path: String, _ example: String, _ read: (Substring) -> Value?,
        _ problem: (Value) -> String?, passing isOther: (Substring) -> Bool = { _ in false }
    ) -> [Value]? {
        guard let text = scalar(node, path)?.text else { return nil }
        var values: [Value] = []
        func refuse(_ message: String) {
            findings.add(
                .error, path, at: node.place, message, expected: "one like \(example), or one of each family")
        }
        var hasOthers = false
        for word in text.split(separator: " ") {
            guard !isOther(word) else {
                hasOthers = true
                continue
            }
            guard let value = read(word) else {
                refuse("'\(word)' is not an address")
                return nil
            }
            if let problem = problem(value) {
                refuse("'\(word)' \(problem)")
                return nil
            }
            guard !values.contains(where: { $0.family == value.family }) else {
                refuse("'\(word)' is the second of its family")
                return nil
            }
            values.append(value)
        }
        guard !values.isEmpty || hasOthers else {
            refuse("there is none")
            return nil
        }
        return values
    }
}

/// What is of a family.
private protocol AddressFamilyBearing { var family: AddressFamily { get } }
extension Prefix: AddressFamilyBearing {}
extension IPAddress: AddressFamilyBearing {}
