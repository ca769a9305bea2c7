import DrawbridgeModel
public import DrawbridgePlanning
import Netlink
import NetworkTypes
import RouteNetlink

extension HostAccess {
    /// Applies a plan.
    ///
    /// Requests to rtnetlink of one phase go out in one send. No send holds steps of two phases: an rtnetlink
    /// batch goes on after an error, and `port`, `up`, `route` and `withdraw` would do harm if what comes before
    /// them had failed. A link that is made is acknowledged, with its index, before anything refers to it.
    ///
    /// - Parameters:
    ///   - plan: What to do.
    ///   - bindings: The devices of the observation that the plan was made from.
    ///   - peers: For pairs to be made, descriptors of the network namespaces that their other ends are born in.
    ///     They stay open and the caller's.
    public mutating func apply(
        _ plan: Plan, bindings: Bindings, peers: [LinkKey: Int32] = [:]
    ) -> Applied {
        var run = PlanRun(bindings: bindings, peers: peers)
        for (index, step) in plan.steps.enumerated() {
            if step.phase != run.phase { flush(&run) }
            guard run.applied.failure == nil else { break }
            run.phase = step.phase
            if step.phase >= .up, awaitsDevices {
                do throws(DrawbridgeError) { try hookMadeDevices() } catch {
                    run.fail(error, at: index)
                    break
                }
            }
            if step.phase >= .route, !run.unboundAddresses.isEmpty { awaitLocalRoutes(&run) }
            if !step.operation.isRouteRequest {
                flush(&run)
                guard run.applied.failure == nil else { break }
                perform(step.operation, at: index, &run)
                continue
            }
            // What a step refers to may have been made by one that waits to be sent.
            if !step.operation.links.allSatisfy({ run.applied.bindings.index(of: $0) != nil }) { flush(&run) }
            guard run.applied.failure == nil else { break }
            run.waiting.append((index, step.operation))
        }
        if run.applied.failure == nil { flush(&run) }
        closeBypasses(&run)
        return run.applied
    }

    /// Sends what waits.
    private mutating func flush(_ run: inout PlanRun) {
        let steps = run.waiting
        run.waiting = []
        guard !steps.isEmpty else { return }
        if deleteTogether(steps, &run) { return }
        var batch = RouteBatch()
        // A request that cannot be made fails its step alone; those before it are sent.
        for (place, step) in steps.enumerated() {
            do throws(DrawbridgeError) {
                try batch.add(step.operation, bindings: run.applied.bindings, peers: run.peers)
            } catch {
                send(Array(steps[..<place]), &batch, &run)
                if run.applied.failure == nil { run.fail(error, at: step.index) }
                return
            }
        }
        send(steps, &batch, &run)
    }

    private mutating func send(
        _ steps: [(index: Int, operation: Operation)], _ batch: inout RouteBatch, _ run: inout PlanRun
    ) {
        guard !steps.isEmpty else { return }
        traffic.sends += 1
        traffic.changes += steps.count
        var refusals: [NetlinkError.Refusal] = []
        var made: [Int: Int32] = [:]
        do throws(NetlinkError) {
            made = try route.commit(&batch)
        } catch {
            guard case .refused(let all) = error else {
                run.fail(
                    DrawbridgeError(error, about: run.name(of: steps[0].operation)), at: steps[0].index)
                return
            }
            refusals = all
        }
        let refused = Dictionary(refusals.map { ($0.index, $0) }) { first, _ in first }
        var created: [(index: Int, key: LinkKey, link: Link<LinkKey>)] = []
        for (place, step) in steps.enumerated() {
            if let refusal = refused[place] {
                let what = step.operation.text { run.name(of: $0) }
                if step.operation.mayFail {
                    run.applied.warnings.append("cannot \(what): \(refusal)")
                } else {
                    run.fail(
                        step.operation.missingPart(refusal, name: run.name(of: step.operation))
                            ?? DrawbridgeError(
                                .kernel, run.name(of: step.operation), "cannot \(what): \(refusal)"),
                        at: step.index)
                }
                continue
            }
            run.applied.steps += 1
            switch step.operation {
            case .createLink(let key, let link, _):
                guard let index = made[place] ?? self.index(ofLink: link.name) else {
                    run.fail(
                        DrawbridgeError(.kernel, link.name, "it vanished as soon as it was made"),
                        at: step.index)
                    continue
                }
                run.applied.bindings.bind(key, to: index, name: link.name)
                created.append((step.index, key, link))
            case .deleteLink(let key): run.applied.bindings.unbind(key)
            case .addAddress(let address)
            where address.prefix.address.family == .ipv6 && address.flags.contains(.noDuplicateDetection):
                run.unboundAddresses[address.device, default: []].insert(address.prefix.address)
            case .setLink(let key, let change):
                if let name = change.name, let index = run.applied.bindings.index(of: key) {
                    run.applied.bindings.bind(key, to: index, name: name)
                }
            default: break
            }
        }
        complete(created, &run)
    }

    /// Sets what the message that makes a link cannot carry: the kernel ignores an alias in it and refuses the
    /// mode of IPv6 address generation (`rtnl_newlink_create` in net/core/rtnetlink.c).
    private mutating func complete(
        _ created: [(index: Int, key: LinkKey, link: Link<LinkKey>)], _ run: inout PlanRun
    ) {
        var batch = RouteBatch()
        var steps: [(index: Int, name: String)] = []
        for (step, key, link) in created {
            guard let index = run.applied.bindings.index(of: key) else { continue }
            var settings = LinkSettings()
            settings.alias = link.alias
            settings.addressGeneration = link.addressGeneration
            guard settings != LinkSettings() else { continue }
            batch.set(index, settings)
            steps.append((step, link.name))
        }
        guard !steps.isEmpty else { return }
        traffic.sends += 1
        traffic.changes += steps.count
        do throws(NetlinkError) { _ = try route.commit(&batch) } catch {
            let failed = steps[min(error.index ?? 0, steps.count - 1)]
            run.fail(DrawbridgeError(error, about: failed.name, doing: "cannot be marked"), at: failed.index)
        }
    }

    private mutating func index(ofLink name: String) -> Int32? {
        traffic.reads += 1
        return (try? route.link(named: name))??.index
    }
}

/// How far a plan has come.
struct PlanRun {
    var applied: Applied
    let peers: [LinkKey: Int32]
    var phase: Phase?
    /// Steps to be sent, with their places in the plan.
    var waiting: [(index: Int, operation: Operation)] = []
    /// The uplinks whose frames go past them just now, by index.
    var bypassed: Set<Int32> = []
    /// IPv6 addresses added and not yet known to receive; see `awaitLocalRoutes`.
    var unboundAddresses: [LinkKey: Set<IPAddress>] = [:]

    init(bindings: Bindings, peers: [LinkKey: Int32]) {
        applied = Applied(bindings: bindings)
        self.peers = peers
    }

    func name(of key: LinkKey) -> String { applied.bindings.names[key] ?? key.description }

    func name(of operation: Operation) -> String {
        if case .createLink(_, let link, _) = operation { return link.name }
        return operation.links.first.map { name(of: $0) } ?? "routes"
    }

    mutating func fail(_ error: DrawbridgeError, at step: Int) {
        guard applied.failure == nil else { return }
        applied.failure = error
        applied.failedStep = step
    }
}

extension Operation {
    /// Whether rtnetlink does it.
    var isRouteRequest: Bool {
        switch self {
        case .createLink(_, let link, _): !link.kind.isTun
        case .setSetting, .openBypass, .closeBypass, .awaitCarrier, .reportMulticast, .solicitRouters: false
        default: true
        }
    }

    /// The links it refers to, which have to be there; the one it is about first.
    var links: [LinkKey] {
        switch self {
        case .createLink(_, let link, _): return [link.master, link.parent].compactMap { $0 }
        case .deleteLink(let key), .setSetting(let key, _, _), .awaitCarrier(let key, _),
            .reportMulticast(let key), .solicitRouters(let key), .closeBypass(let key):
            return [key]
        case .removeVLANs(let key, _), .addVLANs(let key, _): return [key]
        case .openBypass(let uplink, let bridge): return [uplink, bridge]
        case .setLink(let key, let change): return [key] + [change.master ?? nil].compactMap { $0 }
        case .addAddress(let address), .replaceAddress(let address), .deleteAddress(let address):
            return [address.device]
        case .addRoute(let route), .appendRoute(let route), .replaceRoute(let route), .deleteRoute(let route):
            return route.devices
        case .replaceNexthop(let nexthop): return [nexthop.device].compactMap { $0 }
        case .deleteNexthop: return []
        case .replaceNeighbor(let neighbor), .deleteNeighbor(let neighbor): return [neighbor.device]
        case .replaceQdisc(let qdisc), .deleteQdisc(let qdisc): return [qdisc.device]
        case .deleteFilter(let filter): return [filter.device]
        case .addFilter(let filter):
            guard case .redirect(let target?) = filter.action else { return [filter.device] }
            return [filter.device, target]
        }
    }
}
