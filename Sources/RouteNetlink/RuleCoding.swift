import LinuxHeaders
import Netlink
import NetworkTypes

extension Rule {
    /// Reads an RTM_NEWRULE message.
    static func decode(_ message: borrowing Message) -> Rule? {
        guard message.type == RTM_NEWRULE, let header = message.header(as: fib_rule_hdr.self),
            let family = AddressFamily(rawValue: header.family)
        else { return nil }
        var rule = Rule(family, priority: 0, table: UInt32(header.table))
        rule.opaque.append(
            OpaqueAttribute(
                type: 0, content: message.payload.extracting(0..<min(12, message.payload.byteCount)).octets))
        var attributes = message.attributes(after: fib_rule_hdr.self)
        while let attribute = attributes.next() {
            switch attribute.type {
            case Int(FRA_PRIORITY): rule.priority = attribute.value() ?? 0
            case Int(FRA_TABLE): rule.table = attribute.value() ?? rule.table
            case Int(FRA_IIFNAME): rule.inputName = attribute.string
            case Int(FRA_OIFNAME): rule.outputName = attribute.string
            default: rule.opaque.append(OpaqueAttribute(type: attribute.rawType, content: attribute.bytes))
            }
        }
        return rule
    }
}

extension RawSpan {
    /// All octets of it.
    fileprivate var octets: [UInt8] { unsafe withUnsafeBytes { unsafe Array($0) } }
}
