import DrawbridgeModel
import NetworkTypes
import SExpression

// Security groups and sets of addresses: lists by their names.

extension YAMLConfigurationReader {
    /// `web: [in tcp 80, in tcp 22 from office]`
    mutating func readGroups(_ node: YAMLNode) {
        forEachList(node, "groups", of: "rules") { reader, name, path, lines in
            var group = SecurityGroup(name: name)
            for (text, place) in lines {
                do throws(DrawbridgeError) { group.rules.append(try GroupRule(text)) } catch {
                    reader.findings.add(
                        .error, path, at: place, "\(error.object) \(error.cause)", expected: error.advice)
                }
            }
            reader.configuration.groups.append(group)
        }
    }

    /// `office: [192.0.2.0/24, 2001:db8::/32]`
    mutating func readAddressSets(_ node: YAMLNode) {
        forEachList(node, "address-sets", of: "addresses and prefixes") { reader, name, path, lines in
            var set = AddressSet(name: name)
            for (text, place) in lines {
                guard let prefix = Prefix(text), prefix.network == prefix else {
                    reader.findings.add(
                        .error, path, at: place, "'\(text)' is no address and no prefix",
                        expected: Prefix(text).map { "\($0.network)" } ?? "one like 192.0.2.0/24")
                    continue
                }
                set.prefixes.append(prefix)
            }
            reader.configuration.addressSets.append(set)
        }
    }

    private mutating func forEachList(
        _ node: YAMLNode, _ key: String, of what: String,
        _ body: (inout YAMLConfigurationReader, GroupName, String, [(String, SourceLocation)]) -> Void
    ) {
        if case .scalar("", isQuoted: false) = node.content { return }
        let expected = "a mapping of names to lists of \(what)"
        guard case .mapping(let pairs) = node.content else {
            findings.add(.error, key, at: node.place, "is \(node.kind)", expected: expected)
            return
        }
        var known: [GroupName: Int] = [:]
        for (nameNode, value) in pairs {
            guard case .scalar(let text, _) = nameNode.content, let name = GroupName(text), text != "none"
            else {
                findings.add(
                    .error, key, at: nameNode.place, "\(nameNode.kind) is not a name",
                    expected: "letters, digits, - and _, a letter first, at most 32")
                continue
            }
            let path = "\(key).\(name)"
            if let line = known[name] {
                findings.add(.error, path, at: nameNode.place, "is there already, on line \(line)")
                continue
            }
            known[name] = nameNode.place.line
            findings.places[path] = nameNode.place
            guard case .sequence(let nodes) = value.content else {
                findings.add(.error, path, at: value.place, "is \(value.kind)", expected: "a list of \(what)")
                continue
            }
            var lines: [(String, SourceLocation)] = []
            for node in nodes {
                guard case .scalar(let text, _) = node.content else {
                    findings.add(
                        .error, path, at: node.place, "is \(node.kind)", expected: "a list of \(what)")
                    continue
                }
                lines.append((text, node.place))
            }
            body(&self, name, path, lines)
        }
    }
}
