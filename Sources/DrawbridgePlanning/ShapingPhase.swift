import NetworkTypes

// Limits come before their links are up, so that they hold from the first frame. On a link that is up a frame finds
// either the old way or the new one, complete: what it is sent to is limited and up before it is sent there.

extension Planner {
    mutating func planShaping() {
        for key in plannedLinks where predicted.links[key] != nil {
            guard desired.links[key] != nil else { continue }
            planRoot(of: key)
            if case .ifb = key, desired.links[key]?.isUp == true, predicted.links[key]?.isUp == false {
                set(key) { $0.isUp = true }
            }
            planIngress(of: key)
        }
    }

    private mutating func planRoot(of key: LinkKey) {
        guard let wanted = desired.qdisc(of: key, at: .rootQdisc) else {
            // What others put there stays.
            if let old = predicted.qdisc(of: key, at: .rootQdisc), old.handle == .ownHandle {
                emit(.deleteQdisc(old))
            }
            return
        }
        if let old = predicted.qdisc(of: key, at: .rootQdisc), old.handle == wanted.handle,
            old.kind.name != wanted.kind.name
        {
            emit(.deleteQdisc(old))
        }
        emit(.replaceQdisc(wanted))
    }

    private mutating func planIngress(of key: LinkKey) {
        guard let wanted = desired.qdisc(of: key, at: .ingressQdisc) else {
            if let old = predicted.qdisc(of: key, at: .ingressQdisc) { emit(.deleteQdisc(old)) }
            return
        }
        let old = (predicted.filters[key] ?? []).filter { $0.priority == .ownFilter }
        let own = (desired.filters[key] ?? []).filter { $0.priority == .ownFilter }
        if let first = old.first, old != own { emit(.deleteFilter(first)) }
        if predicted.qdisc(of: key, at: .ingressQdisc) == nil { emit(.replaceQdisc(wanted)) }
        for filter in own { emit(.addFilter(filter)) }
    }

    /// What is lacking of the limits.
    func unmetShaping() -> String? {
        for key in plannedLinks where predicted.links[key] != nil {
            let name = { (key: LinkKey) in desired.name(of: key) }
            for wanted in desired.qdiscs[key] ?? [] {
                guard predicted.qdisc(of: key, at: wanted.parent)?.isEqual(to: wanted) == true else {
                    return Operation.replaceQdisc(wanted).text(name: name)
                }
            }
            if let old = predicted.qdisc(of: key, at: .rootQdisc), old.handle == .ownHandle,
                desired.qdisc(of: key, at: .rootQdisc) == nil
            {
                return Operation.deleteQdisc(old).text(name: name)
            }
            let (have, wanted) = (predicted.filters[key] ?? [], desired.filters[key] ?? [])
            if let filter = wanted.first(where: { !have.contains($0) }) {
                return Operation.addFilter(filter).text(name: name)
            }
            if let filter = have.first(where: { $0.priority == .ownFilter && !wanted.contains($0) }) {
                return Operation.deleteFilter(filter).text(name: name)
            }
        }
        return nil
    }
}
