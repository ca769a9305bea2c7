public import DrawbridgeModel
import NetworkTypes

/// What a vif's limits desire, whatever network it is on.
///
/// To the guest, its device sends through a token bucket. From the guest, what its device receives goes out of a
/// device of its own kind (ifb) first, which sends through a token bucket and gives it back. It is led there behind the
/// filters, by nf_tables, which is no part of the plan; earlier versions did it by a tc filter, before them, which goes.
public struct VifShaping: Hashable, Sendable {
    public var id: VifID
    public var rates: VifRates
    /// The link group of what Drawbridge makes.
    public var group: UInt32
    /// The kernel's timer tick in nanoseconds: in less time nothing is sent again.
    public var tick: UInt64

    public init(_ id: VifID, _ rates: VifRates, group: UInt32, tick: UInt64) {
        self.id = id
        self.rates = rates
        self.group = group
        self.tick = tick
    }

    private var vif: LinkKey { .vif(id) }
    private var ifb: LinkKey { .ifb(id) }

    /// The state with the limits of the vif, which is in it.
    ///
    /// - Throws: where somebody else's qdisc, filter or device is in the way.
    public func limited(in state: HostState) throws(PlanningError) -> HostState {
        var result = state
        try limit(in: &result)
        return result
    }

    /// Limits the vif, which is in the state; in place, since a batch of a thousand would copy a thousand links each.
    ///
    /// - Throws: where somebody else's qdisc, filter or device is in the way. The state is of no use then.
    public func limit(in state: inout HostState) throws(PlanningError) {
        let limiter = rates.fromGuest == nil ? nil : try device(in: state)
        unlimit(in: &state)
        let mtu = state.links[vif]?.mtu ?? 1500
        if let rate = rates.toGuest {
            if let old = state.qdisc(of: vif, at: .rootQdisc) { throw inTheWay(of: "rate-in", old, state) }
            state.qdiscs[vif, default: []].append(bucket(rate, on: vif, mtu: mtu))
        }
        guard let rate = rates.fromGuest else { return }
        state.links[ifb] = limiter
        state.settings[ifb, default: [:]][.disableIPv6] = "1"
        state.qdiscs[ifb] = [bucket(rate, on: ifb, mtu: mtu)]
    }

    /// The state without any limit of Drawbridge's. What others put on the vif stays.
    public func unlimited(in state: HostState) -> HostState {
        var result = state
        unlimit(in: &result)
        return result
    }

    /// Takes any limit of Drawbridge's away, and nothing that others put on the vif.
    public func unlimit(in state: inout HostState) {
        let filters = state.filters[vif] ?? []
        let others = filters.filter { $0.priority != .ownFilter }
        let rest = (state.qdiscs[vif] ?? []).filter { qdisc in
            switch qdisc.parent {
            case .rootQdisc: qdisc.handle != .ownHandle
            // It came with the filter, and goes with it.
            case .ingressQdisc: others.count == filters.count || !others.isEmpty
            default: true
            }
        }
        state.qdiscs[vif] = rest.isEmpty ? nil : rest
        state.filters[vif] = others.isEmpty ? nil : others
        if state.owner(of: ifb) == .drawbridge || state.links[ifb] == nil { state.remove(ifb) }
    }

    /// What was made of the limits other than was asked for, a line each.
    public func notices(mtu: UInt32) -> [String] {
        [("rate", rates.fromGuest), ("rate-in", rates.toGuest)].compactMap { key, rate in
            guard let rate else { return nil }
            let burst = UInt64(Self.burst(of: rate, mtu: mtu, tick: tick))
            if burst > rate.credit {
                return
                    "\(key) \(rate): the credit of \(rate.credit) octets is less than a frame or a timer tick, and was raised to \(burst)"
            }
            if burst < rate.credit {
                return
                    "\(key) \(rate): the credit of \(rate.credit) octets is more than the kernel counts, and was lowered to \(burst)"
            }
            return nil
        }
    }

    /// The octets that may be sent at once: those of the window, but at least one full frame with two VLAN tags,
    /// and what the rate gives in one timer tick.
    public static func burst(of rate: Rate, mtu: UInt32, tick: UInt64) -> UInt32 {
        let perTick = (UInt128(rate.octetsPerSecond) * UInt128(tick) + 999_999_999) / 1_000_000_000
        return UInt32(clamping: max(UInt128(rate.credit), UInt128(frame(mtu)), perTick))
    }

    private static func frame(_ mtu: UInt32) -> UInt32 { mtu + 22 }

    private func bucket(_ rate: Rate, on key: LinkKey, mtu: UInt32) -> QueueingDiscipline<LinkKey> {
        let burst = Self.burst(of: rate, mtu: mtu, tick: tick)
        // What waits is sent within the standard window, or is so little that a sender could not go on with less.
        let queue = UInt128(rate.octetsPerSecond) * UInt128(Rate.standardWindow) / 1_000_000
        let limit = UInt32(clamping: max(UInt128(burst), queue, 16 * UInt128(Self.frame(mtu))))
        return QueueingDiscipline(
            device: key, handle: .ownHandle, parent: .rootQdisc,
            kind: .tokenBucket(.init(rate: rate.octetsPerSecond, burst: burst, limit: limit)))
    }

    /// The device that the guest's frames go through.
    private func device(in state: HostState) throws(PlanningError) -> Link<LinkKey> {
        let alias = LinkMark.made(ifb).alias
        var link = state.links[ifb] ?? Link(name: "\(ifb)")
        if state.links[ifb] != nil {
            // One that bears no mark was being made when an earlier daemon ended.
            let isOurs =
                link.kind == .ifb && (link.alias == alias || (link.alias == nil && link.group == group))
            guard isOurs else {
                throw .refused(
                    DrawbridgeError(
                        .conflict, link.name, "is there already, and is not Drawbridge's",
                        advice: "the rate from \(id) needs a device of this name"))
            }
        }
        link.name = "\(ifb)"
        link.kind = .ifb
        link.alias = alias
        link.group = group
        link.flags.formUnion([.up, .noARP])
        link.flags.remove(.multicast)
        link.addressGeneration = AddressGeneration.none
        return link
    }

    private func inTheWay(
        of key: String, _ qdisc: QueueingDiscipline<LinkKey>, _ state: HostState
    ) -> PlanningError {
        let number = String(qdisc.handle >> 16, radix: 16)
        return .refused(
            DrawbridgeError(
                .conflict, state.name(of: vif),
                "has the qdisc '\(qdisc.kind.name) \(number):' of somebody else's",
                advice: "remove it, or the \(key)"))
    }
}
