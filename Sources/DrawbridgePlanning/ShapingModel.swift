public import NetworkTypes

extension UInt32 {
    /// `TC_H_ROOT` (linux/pkt_sched.h): the place of what limits the frames that a device sends.
    public static let rootQdisc: UInt32 = 0xffff_ffff
    /// `TC_H_INGRESS`: the place of what sorts the frames that a device receives.
    public static let ingressQdisc: UInt32 = 0xffff_fff1
    /// The number that the kernel gives what is there, and the parent of its filters.
    static let ingressHandle: UInt32 = 0xffff_0000
    /// The number by which a limit is known as Drawbridge's.
    static let ownHandle: UInt32 = 0xdb00_0000
}

extension UInt16 {
    /// The priority by which a filter is known as Drawbridge's.
    static let ownFilter: UInt16 = 0xdb1d
}

// What the kernel does with qdiscs and filters (net/sched/sch_api.c, net/sched/cls_api.c).

extension HostState {
    /// What stands at a place of a link; nil where that is only the kernel's own.
    public func qdisc(of key: LinkKey, at parent: UInt32) -> QueueingDiscipline<LinkKey>? {
        qdiscs[key]?.first { $0.parent == parent }
    }

    /// One of the same number is changed in place, and cannot become of another kind; any other is replaced.
    mutating func replace(_ qdisc: QueueingDiscipline<LinkKey>) -> Bool {
        guard links[qdisc.device] != nil else { return false }
        let old = self.qdisc(of: qdisc.device, at: qdisc.parent)
        if let old, old.handle == qdisc.handle, old.kind.name != qdisc.kind.name { return false }
        if let old, old.isEqual(to: qdisc) { return false }
        qdiscs[qdisc.device, default: []].removeAll { $0.parent == qdisc.parent }
        qdiscs[qdisc.device, default: []].append(qdisc)
        return true
    }

    /// With the one at the ingress go its filters.
    mutating func delete(_ qdisc: QueueingDiscipline<LinkKey>) -> Bool {
        guard self.qdisc(of: qdisc.device, at: qdisc.parent) != nil else { return false }
        let rest = (qdiscs[qdisc.device] ?? []).filter { $0.parent != qdisc.parent }
        qdiscs[qdisc.device] = rest.isEmpty ? nil : rest
        if qdisc.parent == .ingressQdisc { filters[qdisc.device] = nil }
        return true
    }

    mutating func add(_ filter: TrafficFilter<LinkKey>) -> Bool {
        guard qdisc(of: filter.device, at: .ingressQdisc) != nil,
            case .redirect(let target?) = filter.action, links[target] != nil,
            filters[filter.device]?.contains(filter) != true
        else { return false }
        filters[filter.device, default: []].append(filter)
        return true
    }

    /// Every filter of the priority goes.
    mutating func delete(_ filter: TrafficFilter<LinkKey>) -> Bool {
        guard let old = filters[filter.device], old.contains(where: { $0.priority == filter.priority })
        else { return false }
        let rest = old.filter { $0.priority != filter.priority }
        filters[filter.device] = rest.isEmpty ? nil : rest
        return true
    }

    /// Forgets what hangs on a link that goes; what is sent to it is lost from then on.
    mutating func forgetShaping(of key: LinkKey) {
        qdiscs[key] = nil
        filters[key] = nil
        for (link, list) in filters where list.contains(where: { $0.action == .redirect(to: key) }) {
            filters[link] = list.map { filter in
                guard filter.action == .redirect(to: key) else { return filter }
                var filter = filter
                filter.action = .redirect(to: nil)
                return filter
            }
        }
    }
}

extension QueueingDiscipline<LinkKey> {
    /// Whether the kernel would tell the two as the same.
    func isEqual(to other: Self) -> Bool {
        guard device == other.device, handle == other.handle, parent == other.parent else { return false }
        switch (kind, other.kind) {
        case (.tokenBucket(let left), .tokenBucket(let right)): return left.isEqual(to: right)
        case (.other(let left, let options), .other(let right, let others)):
            return left == right && (parent == .ingressQdisc || options == others)
        default: return false
        }
    }
}
