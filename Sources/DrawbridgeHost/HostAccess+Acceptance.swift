public import DrawbridgeModel
import Netlink
import NetworkTypes
import Nftables

/// The administrator's chain, by the names that iptables has for it.
private enum AdministratorsChain {
    static let table = Table(.ipv4, "filter")
    static let name = "FORWARD"
}

extension HostAccess {
    /// Which of these rules the administrator's chain lacks. Nothing is changed.
    ///
    /// - Throws: `notFound` where there is no such chain.
    public mutating func lackingAcceptRules(
        _ rules: [AcceptRule]
    ) throws(DrawbridgeError) -> [AcceptRule] {
        let there = Set(try acceptRulesThere().map(\.expressions))
        return rules.filter { !there.contains($0.expressions) }
    }

    /// Adds rules at the beginning of the administrator's chain, and deletes others where they are there, all in one
    /// transaction. Nothing else of the chain is touched.
    public mutating func changeAcceptRules(
        adding coming: [AcceptRule], removing leaving: [AcceptRule]
    ) throws(DrawbridgeError) {
        let gone = Set(leaving.map(\.expressions))
        var handles: [UInt64] = []
        if !gone.isEmpty {
            // What was added once goes once.
            var left = gone
            for rule in try acceptRulesThere() where left.remove(rule.expressions) != nil {
                handles.append(rule.handle)
            }
        }
        guard !coming.isEmpty || !handles.isEmpty else { return }
        let (table, chain) = (AdministratorsChain.table, AdministratorsChain.name)
        do throws(DrawbridgeError) {
            try change(about: "iptables") { transaction in
                for handle in handles { transaction.delete(rule: handle, of: chain, of: table) }
                for rule in coming.reversed() {
                    transaction.insert(
                        rule: rule.expressions + [.counter, .verdict(.accept)], in: chain, of: table)
                }
            }
        } catch {
            throw DrawbridgeError(
                .kernel, "iptables", error.cause,
                advice: "accepting vifs there needs nft_compat and xt_physdev in the kernel")
        }
    }

    /// The rules of the chain that accept what they match, without counters.
    private mutating func acceptRulesThere() throws(DrawbridgeError) -> [(
        expressions: [Expression], handle: UInt64
    )] {
        let (table, chain) = (AdministratorsChain.table, AdministratorsChain.name)
        traffic.reads += 2
        let rules = try readFilter { access throws(NetlinkError) in
            guard try access.nftables.state(of: table) != nil,
                try access.nftables.chains(of: table).contains(where: { $0.name == chain })
            else { return [Nftables.Rule]?.none }
            return try access.nftables.rules(of: table, chain: chain)
        }
        guard let rules else {
            throw DrawbridgeError(
                .notFound, "iptables", "there is no chain FORWARD in the table filter of iptables-nft",
                advice: "make one, as 'iptables -P FORWARD DROP' does, or take compat.iptables-accept away")
        }
        return rules.compactMap { rule in
            guard rule.expressions.last == .verdict(.accept) else { return nil }
            let matches = rule.expressions.dropLast().filter { expression in
                if case .counter = expression { false } else { true }
            }
            return (matches, rule.handle)
        }
    }
}
