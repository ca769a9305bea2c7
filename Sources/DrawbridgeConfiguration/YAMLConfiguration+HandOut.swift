import DrawbridgeModel
import NetworkTypes

extension YAMLConfigurationReader {
    /// What can be said of a bridged network that hands out addresses of what its uplink leads to, and of no other.
    static let segmentKeys = ["pool", "router", "dns"]

    /// What `hand-out: yes` and what goes with it say of a bridge that an uplink is a port of; `.some(nil)` where nothing
    /// is handed out, nil where it is wrong.
    mutating func handOut(_ parts: [String: YAMLNode], _ path: String, isSegment: Bool) -> HandOut?? {
        func misplaced(_ keys: [String], _ message: String, _ expected: String) -> Bool {
            guard let key = keys.first(where: { parts[$0] != nil }), let node = parts[key] else {
                return false
            }
            findings.add(.error, "\(path).\(key)", at: node.place, message, expected: expected)
            return true
        }
        guard isSegment else {
            let isMisplaced = misplaced(
                Self.segmentKeys, "is for a bridge that its uplink is a port of",
                "a bridged network, or none: guests of a subnet are given addresses of it")
            return isMisplaced ? nil : .some(nil)
        }
        var isWanted = false
        if let node = parts["hand-out"] {
            guard let scalar = scalar(node, "\(path).hand-out") else { return nil }
            do { isWanted = try scalar.bool() } catch {
                findings.add(error, "\(path).hand-out", at: node.place)
                return nil
            }
        }
        guard isWanted, let place = parts["hand-out"]?.place else {
            let isMisplaced = misplaced(
                Self.segmentKeys + ["domain", "reservations"], "a network that hands out nothing has none",
                "hand-out: yes")
            return isMisplaced ? nil : .some(nil)
        }
        for (key, example) in [("pool", "192.0.2.100-192.0.2.199"), ("router", "192.0.2.1")]
        where parts[key] == nil {
            findings.add(
                .error, "\(path).\(key)", at: place, "is missing, and guests cannot be told of it",
                expected: "one like \(example)")
            return nil
        }
        guard let poolNode = parts["pool"], let text = scalar(poolNode, "\(path).pool")?.text else {
            return nil
        }
        guard let pool = HandOut.pool(text) else {
            findings.add(
                .error, "\(path).pool", at: poolNode.place,
                "'\(text)' is not a pool of at most 65536 addresses",
                expected: "the first and the last one, like 192.0.2.100-192.0.2.199")
            return nil
        }
        guard let routerNode = parts["router"],
            let routers = servers(routerNode, "\(path).router", besides: pool, atMost: 1),
            let router = routers.first
        else { return nil }
        var handOut = HandOut(pool: pool, router: router)
        if let node = parts["dns"] {
            guard let servers = servers(node, "\(path).dns", besides: pool, atMost: 4) else { return nil }
            handOut.nameServers = servers
        }
        if let node = parts["domain"] {
            guard let domain = domain(node, "\(path).domain") else { return nil }
            handOut.domain = domain
        }
        if let node = parts["reservations"] {
            let others = ([router] + handOut.nameServers).map { IPAddress.ipv4($0) }
            let kept = reservations(node, "\(path).reservations") { address in
                if address.family != .ipv4 { return "is none of IPv4" }
                return others.contains(address) ? "is the router's or a server's of names" : nil
            }
            guard let kept else { return nil }
            handOut.reservations = kept
        }
        return .some(handOut)
    }

    /// Addresses of IPv4 with blanks between; nil where one is wrong, or is in the pool.
    private mutating func servers(
        _ node: YAMLNode, _ path: String, besides pool: ClosedRange<IPv4Address>, atMost limit: Int
    ) -> [IPv4Address]? {
        guard let text = scalar(node, path)?.text else { return nil }
        let expected =
            limit == 1 ? "one address, like 192.0.2.1" : "up to \(limit) addresses, like 192.0.2.53"
        var servers: [IPv4Address] = []
        for word in text.split(separator: " ") {
            guard let address = IPv4Address(word) else {
                findings.add(
                    .error, path, at: node.place, "'\(word)' is not an IPv4 address", expected: expected)
                return nil
            }
            guard !pool.contains(address) else {
                findings.add(
                    .error, path, at: node.place,
                    "'\(word)' is in the pool that guests are given addresses of",
                    expected: "one outside of the pool")
                return nil
            }
            servers.append(address)
        }
        guard (1...limit).contains(servers.count) else {
            findings.add(
                .error, path, at: node.place,
                servers.isEmpty ? "there is none" : "there are \(servers.count)",
                expected: expected)
            return nil
        }
        return servers
    }
}
