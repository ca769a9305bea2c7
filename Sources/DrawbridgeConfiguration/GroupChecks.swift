import DrawbridgeModel
import NetworkTypes

extension SemanticChecks {
    /// Refuses groups that nobody describes, and those whose members would depend on themselves.
    mutating func checkGroups() {
        let groups = Set(configuration.groups.map(\.name))
        let sets = Set(configuration.addressSets.map(\.name))
        for name in sets.sorted() where groups.contains(name) {
            findings.add(
                .error, "address-sets.\(name)", "is the name of a group as well",
                expected: "a name that means one of them")
        }
        let names = groups.union(sets).map(\.rawValue).sorted()
        for group in configuration.groups {
            for rule in group.rules {
                for case .named(let peer) in rule.peers {
                    if peer == group.name {
                        findings.add(
                            .error, "groups.\(group.name)", "the rule '\(rule)' refers to the group itself",
                            expected: "another group, a set of addresses or a prefix")
                    } else if !groups.contains(peer), !sets.contains(peer) {
                        findings.add(
                            .error, "groups.\(group.name)",
                            "the rule '\(rule)' names '\(peer)', which is nowhere",
                            expected: "a group or a set of addresses of this file",
                            suggestion: NearMiss.of(peer.rawValue, among: names))
                    }
                }
            }
        }
        func check(_ used: [GroupName]?, _ key: String) {
            for name in used ?? [] where !groups.contains(name) {
                findings.add(
                    .error, key, "there is no group '\(name)'", expected: "a group of this file",
                    suggestion: NearMiss.of(name.rawValue, among: groups.map(\.rawValue).sorted()))
            }
        }
        check(configuration.networkDefaults.groups, "network-defaults.groups")
        for network in configuration.networks { check(network.groups, "networks.\(network.name).groups") }
        for vif in configuration.vifs { check(vif.groups, "vifs.\(vif.id).groups") }
    }
}
