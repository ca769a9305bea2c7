import DrawbridgeHost
public import DrawbridgeModel
import NetworkTypes

// Ports of the host's that lead to guests of subnets. See docs/subnets.md.

extension HostEngine {
    public func addForward(
        _ forward: PortForward, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        await turn.begin()
        defer { turn.end() }
        if let other = forwards.first(where: { $0.key == forward.key }) {
            guard other != forward else { return Outcome(changed: false) }
            throw DrawbridgeError(
                .conflict, forward.key, "leads to \(other.guest):\(other.guestPort) already",
                advice: "take that back with 'drawbridge forward remove \(forward.key)'")
        }
        let addresses = targets(of: forward)
        guard !addresses.isEmpty else {
            let isThere = attachments.values.contains { $0.request.isNamed(forward.guest) }
            throw DrawbridgeError(
                .notFound, forward.guest,
                isThere
                    ? "has no address on a subnet that leads out"
                    : "no guest of this name or vif is attached",
                advice: "'drawbridge address list' shows those that have one")
        }
        let holders = try await host.transact { (access) throws(DrawbridgeError) in
            try access.listeners(on: forward.transport, port: forward.port)
        }
        if let holder = holders.first {
            throw DrawbridgeError(
                .conflict, forward.key, "the host's own \(holder) listens there",
                advice: "choose another port, or stop that program")
        }
        let lines = addresses.map {
            "lead \(forward.key) to \($0) port \(forward.guestPort) (\(forward.guest))"
        }
        guard !dryRun else { return Outcome(lines: lines) }
        try await replaceForwards(with: forwards + [forward])
        log.add("forward-added", forward.key, "\(forward.guest):\(forward.guestPort)")
        return Outcome(lines: lines)
    }

    public func removeForward(
        _ transport: TransportProtocol, port: UInt16, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        await turn.begin()
        defer { turn.end() }
        let key = "\(port)/\(transport.rawValue)"
        guard forwards.contains(where: { $0.key == key }) else {
            throw DrawbridgeError(
                .notFound, key, "leads to no guest", advice: "'drawbridge forward list' shows those that do")
        }
        let lines = ["keep \(key) for the host itself"]
        guard !dryRun else { return Outcome(lines: lines) }
        try await replaceForwards(with: forwards.filter { $0.key != key })
        log.add("forward-removed", key)
        return Outcome(lines: lines)
    }

    public func portForwards() async -> [ForwardStatus] {
        forwards.map { ForwardStatus(forward: $0, addresses: targets(of: $0)) }
    }

    /// Writes the forwards down and has the kernel follow; what the kernel refuses is as if it had not been asked for.
    private func replaceForwards(with new: [PortForward]) async throws(DrawbridgeError) {
        let old = forwards
        try store.setForwards(new)
        forwards = new
        do throws(DrawbridgeError) { try await settleForwards() } catch {
            forwards = old
            try store.setForwards(old)
            throw error
        }
    }

    /// Takes up what was written down.
    func recoverForwards() {
        do throws(DrawbridgeError) { forwards = try store.forwards() } catch {
            log.add("forwards", "daemon", error: "\(error)")
        }
    }

    /// Has the kernel lead the ports to where their guests are now.
    ///
    /// - Parameter isUnknown: whether it is not known what the kernel was told last.
    func settleForwards(isUnknown: Bool = false) async throws(DrawbridgeError) {
        await settleHairpins(isUnknown: isUnknown)
        let wanted = forwards.flatMap { forward in
            targets(of: forward).map {
                PortTranslation(forward.transport, port: forward.port, to: $0, port: forward.guestPort)
            }
        }
        guard isUnknown || wanted != translations else { return }
        // Without a network that leads out there is no table that they could stand in.
        if !forwardingNetworks.isEmpty {
            try await host.transact { (access) throws(DrawbridgeError) in try access.setForwards(wanted) }
        }
        let gone = translations.filter { !wanted.contains($0) }
        translations = wanted
        // New connections are led elsewhere by now; those that are there would go on.
        do throws(DrawbridgeError) {
            try await host.transact { (access) throws(DrawbridgeError) in
                try access.forgetConnections(of: gone)
            }
        } catch {
            log.add("forwards", "daemon", error: "\(error)")
        }
    }

    /// The same, where a failure concerns nobody who waits for an answer.
    func followForwards() async {
        guard !forwards.isEmpty || !translations.isEmpty else { return }
        do throws(DrawbridgeError) { try await settleForwards() } catch {
            log.add("forwards", "daemon", error: "\(error)")
        }
    }

    /// The same in a turn of its own.
    func lookAfterForwards() async {
        await turn.begin()
        defer { turn.end() }
        await followForwards()
    }

    /// Where br_netfilter has a bridge itself carry what a port of the host's leads to its guests, has the guest's own
    /// port give back what it asked for. The kernel tells nobody when br_netfilter is switched on.
    private func settleHairpins(isUnknown: Bool) async {
        var wanted: Set<Hairpin> = []
        for forward in forwards {
            guard let (one, _) = target(of: forward), let mac = one.request.mac, one.isIsolated != true else {
                continue
            }
            wanted.insert(Hairpin(device: one.device, index: one.index, mac: mac))
        }
        guard isUnknown || !wanted.isEmpty || !hairpins.isEmpty, !forwardingNetworks.isEmpty else { return }
        let (asked, had) = (wanted, hairpins)
        let known = attachments.values.filter { one in
            one.network.flatMap { raised[$0]?.network.subnet } != nil
        }.map(\.index)
        do throws(DrawbridgeError) {
            hairpins = try await host.transact { (access) throws(DrawbridgeError) in
                let effective = access.bridgesAreRouted() ? asked : []
                guard isUnknown || effective != had else { return had }
                try access.setHairpins(effective.sorted { $0.index < $1.index }, known: known)
                return effective
            }
        } catch {
            log.add("forwards", "daemon", error: "\(error)")
        }
    }

    /// The vif of a forward's guest: the first that is connected to a subnet that leads out.
    private func target(of forward: PortForward) -> (Attachment, Subnet)? {
        let known = attachments.values.filter { one in
            one.request.isNamed(forward.guest) && !one.request.id.isEmulated
                && one.network.flatMap { raised[$0]?.network.subnet?.exitName } != nil
        }
        guard let one = known.min(by: { $0.request.id < $1.request.id }),
            let subnet = one.network.flatMap({ raised[$0]?.network.subnet })
        else { return nil }
        return (one, subnet)
    }

    /// The addresses of a forward's guest.
    private func targets(of forward: PortForward) -> [IPAddress] {
        guard let (one, subnet) = target(of: forward) else { return [] }
        var found: [IPAddress] = []
        for prefix in one.request.addresses where prefix.length == prefix.family.bits {
            guard !found.contains(where: { $0.family == prefix.family }),
                subnet.addresses.contains(where: { $0.contains(prefix.address) })
            else { continue }
            found.append(prefix.address)
        }
        return found
    }
}

extension VifRequest {
    /// Whether people mean this vif: by its guest's name, or by itself.
    fileprivate func isNamed(_ text: String) -> Bool {
        domainName == text || id.description == text || id.description == "vif\(text)"
    }
}
