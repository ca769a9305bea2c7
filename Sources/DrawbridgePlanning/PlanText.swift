import NetworkTypes

// What a plan does, a line a step, for people.

extension Plan {
    /// A line for each step. The states the plan leads from and to lend the names of the links.
    public func lines(from observed: HostState, to desired: HostState) -> [String] {
        steps.map { $0.operation.text { Plan.name(of: $0, observed, desired) } }
    }

    /// A link's name: the one it will have, else the one it has.
    static func name(of key: LinkKey, _ observed: HostState, _ desired: HostState) -> String {
        (desired.links[key] ?? observed.links[key])?.name ?? key.description
    }
}

extension Operation {
    /// One line that says what is done.
    public func text(name: (LinkKey) -> String) -> String {
        switch self {
        case .createLink(let key, let link, let peer):
            var words = "create \(link.kind.name ?? "link") \(name(key))"
            if let address = link.address { words += " with address \(address)" }
            if let peer { words += ", its other end \(peer.name) in the guest" }
            if let master = link.master { words += ", a port of \(name(master))" }
            return words
        case .deleteLink(let key): return "delete \(name(key))"
        case .setLink(let key, let change): return change.text(of: name(key), name: name)
        case .removeVLANs(let key, let vlans):
            return "take \(name(key)) out of VLAN \(vlans.map(String.init).joined(separator: ", "))"
        case .addVLANs(let key, let vlans): return "put \(name(key)) into VLAN \(vlans)"
        case .addAddress(let address): return "add \(address.text) to \(name(address.device))"
        case .replaceAddress(let address): return "set \(address.text) of \(name(address.device))"
        case .deleteAddress(let address): return "remove \(address.prefix) from \(name(address.device))"
        case .addRoute(let route): return "add route \(route.text(name: name))"
        case .appendRoute(let route): return "append route \(route.text(name: name))"
        case .replaceRoute(let route): return "replace route \(route.text(name: name))"
        case .deleteRoute(let route): return "remove route \(route.text(name: name))"
        case .replaceNexthop(let nexthop): return "set nexthop \(nexthop.text(name: name))"
        case .deleteNexthop(let id): return "remove nexthop \(id)"
        case .replaceNeighbor(let neighbor):
            let address = neighbor.address.map { " at \($0)" } ?? (neighbor.isProxy ? " by proxy" : "")
            return "set neighbour \(neighbor.destination)\(address) on \(name(neighbor.device))"
        case .deleteNeighbor(let neighbor):
            return "remove neighbour \(neighbor.destination) from \(name(neighbor.device))"
        case .replaceQdisc(let qdisc): return "limit \(qdisc.text(name: name))"
        case .deleteQdisc(let qdisc):
            return qdisc.parent == .ingressQdisc
                ? "stop sorting what \(name(qdisc.device)) receives"
                : "end the limit of \(name(qdisc.device))"
        case .addFilter(let filter):
            return "send what \(name(filter.device)) receives \(filter.text(name: name))"
        case .deleteFilter(let filter): return "end the way of what \(name(filter.device)) receives"
        case .setSetting(let key, let setting, let value): return "set \(setting) of \(name(key)) to \(value)"
        case .openBypass(let uplink, let bridge):
            return "lead the frames of \(name(uplink)) past it to \(name(bridge))"
        case .closeBypass(let uplink): return "lead the frames of \(name(uplink)) through it again"
        case .awaitCarrier(let key, let limit): return "wait for carrier on \(name(key)), at most \(limit) s"
        case .reportMulticast(let key): return "report multicast groups of \(name(key)) again"
        case .solicitRouters(let key): return "solicit routers on \(name(key))"
        }
    }
}

extension Address<LinkKey> {
    fileprivate var text: String {
        var words = "\(prefix)"
        if let peer { words += " peer \(peer)" }
        if let validLifetime { words += " for \(validLifetime) s" }
        return words
    }
}

extension Route<LinkKey> {
    fileprivate func text(name: (LinkKey) -> String) -> String {
        var words = type == .unicast ? "" : "\(type.name) "
        words += destination.map { "\($0)" } ?? (family == .ipv4 ? "default" : "default (IPv6)")
        if let source { words += " from \(source)" }
        if nexthopID != 0 { words += " by nexthop \(nexthopID)" }
        words += nexthops.map { $0.text(name: name) }.joined(separator: " and")
        if let preferredSource { words += " src \(preferredSource)" }
        if metric != 0, !(family == .ipv6 && metric == 1024) { words += " metric \(metric)" }
        if table != 254 { words += " in table \(table)" }
        return words
    }
}

extension RouteNexthop<LinkKey> {
    fileprivate func text(name: (LinkKey) -> String) -> String {
        var words = ""
        if let gateway { words += " via \(gateway)" }
        if let device { words += " dev \(name(device))" }
        if hops != 0 { words += " weight \(Int(hops) + 1)" }
        return words
    }
}

extension Nexthop<LinkKey> {
    fileprivate func text(name: (LinkKey) -> String) -> String {
        var words = "\(id)"
        if !group.isEmpty { words += " to the group \(group.map { "\($0.id)" }.joined(separator: ", "))" }
        if let gateway { words += " via \(gateway)" }
        if let device { words += " dev \(name(device))" }
        if isBlackhole { words += " blackhole" }
        return words
    }
}

extension RouteType {
    fileprivate var name: String {
        switch self {
        case .local: "local"
        case .broadcast: "broadcast"
        case .anycast: "anycast"
        case .multicast: "multicast"
        case .blackhole: "blackhole"
        case .unreachable: "unreachable"
        case .prohibit: "prohibit"
        case .throw: "throw"
        default: "type \(rawValue)"
        }
    }
}

extension LinkChange {
    fileprivate func text(of link: String, name: (LinkKey) -> String) -> String {
        var parts: [String] = []
        if let new = self.name { parts.append("rename to \(new)") }
        if let master {
            parts.append(master.map { "make it a port of \(name($0))" } ?? "take it off its bridge")
        }
        if let isUp { parts.append(isUp ? "up" : "down") }
        if let mtu { parts.append("MTU \(mtu)") }
        if let address { parts.append("address \(address)") }
        if let alias { parts.append(alias.isEmpty ? "no alias" : "alias \"\(alias)\"") }
        if let group { parts.append("group \(group)") }
        if flagMask.contains(.noARP) { parts.append("ARP \(flags.contains(.noARP) ? "off" : "on")") }
        if flagMask.contains(.multicast) {
            parts.append("multicast \(flags.contains(.multicast) ? "on" : "off")")
        }
        if let addressGeneration { parts.append("IPv6 address generation \(addressGeneration)") }
        if let bridge { parts += bridge.words }
        if let port { parts += port.words }
        return "\(link): \(parts.joined(separator: ", "))"
    }
}

private func onOff(_ name: String, _ value: Bool?) -> String? { value.map { "\(name) \($0 ? "on" : "off")" } }

extension BridgeSettings {
    fileprivate var words: [String] {
        [
            spanningTree.map { $0 == 0 ? "spanning tree off" : "spanning tree \($0)" },
            forwardDelay.map { "forward delay \($0)" },
            helloTime.map { "hello time \($0)" },
            maximumAge.map { "maximum age \($0)" },
            ageingTime.map { "ageing time \($0)" },
            priority.map { "priority \($0)" },
            onOff("VLAN filtering", vlanFiltering), onOff("multicast snooping", multicastSnooping),
            onOff("multicast querier", multicastQuerier), onOff("iptables", callIPTables),
            onOff("ip6tables", callIP6Tables), onOff("arptables", callARPTables),
        ].compactMap(\.self)
    }
}

extension BridgePortSettings {
    fileprivate var words: [String] {
        [
            cost.map { "cost \($0)" }, priority.map { "priority \($0)" },
            onOff("hairpin", hairpin), onOff("BPDU guard", bpduGuard), onOff("root block", rootBlock),
            onOff("learning", learning), onOff("unicast flood", unicastFlood),
            onOff("multicast flood", multicastFlood), onOff("broadcast flood", broadcastFlood),
            onOff("isolated", isolated), onOff("locked", locked),
            onOff("neighbour suppression", neighbourSuppression), onOff("proxy ARP", proxyARP),
        ].compactMap(\.self)
    }
}

extension QueueingDiscipline<LinkKey> {
    fileprivate func text(name: (LinkKey) -> String) -> String {
        guard case .tokenBucket(let bucket) = kind else {
            return "what \(name(device)) receives by \(kind.name)"
        }
        let (bits, isTooLarge) = bucket.rate.multipliedReportingOverflow(by: 8)
        let rate = isTooLarge ? "\(bucket.rate) octets a second" : "\(bits) bit/s"
        return "\(name(device)) to \(rate), \(bucket.burst) octets at once"
    }
}

extension TrafficFilter<LinkKey> {
    fileprivate func text(name: (LinkKey) -> String) -> String {
        switch action {
        case .redirect(let target?): "through \(name(target))"
        case .redirect(nil): "nowhere"
        case .other(let kind): "by \(kind)"
        }
    }
}
