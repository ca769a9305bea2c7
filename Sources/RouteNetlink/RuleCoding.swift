import LinuxHeaders
import Netlink
public import NetworkTypes

extension RouteBatch {
    /// Adds a policy rule (RTM_NEWRULE). Of two of one priority the later one is tried last.
    public mutating func add(_ rule: Rule) {
        encode(rule, type: RTM_NEWRULE, flags: NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Takes a policy rule away (RTM_DELRULE): the first that agrees in everything told.
    public mutating func remove(_ rule: Rule) { encode(rule, type: RTM_DELRULE, flags: 0) }

    private mutating func encode(_ rule: Rule, type: Int, flags: Int32) {
        buffer.message(type: type, flags: flags) { message in
            var header = fib_rule_hdr()
            if let read = rule.opaque.first(where: { $0.type == 0 })?.content {
                header = unsafe read.span.bytes.value(as: fib_rule_hdr.self) ?? header
            } else {
                header.action = UInt8(FR_ACT_TO_TBL)
            }
            header.family = rule.family.rawValue
            header.table = rule.table < 256 ? UInt8(rule.table) : UInt8(RT_TABLE_COMPAT.rawValue)
            // That a named device is missing is reported (FIB_RULE_IIF_DETACHED, FIB_RULE_OIF_DETACHED).
            header.flags &= ~0x1c
            message.header(header)
            message.put(Int(FRA_PRIORITY), rule.priority)
            if rule.table != 0 { message.put(Int(FRA_TABLE), rule.table) }
            if let name = rule.inputName { message.put(Int(FRA_IIFNAME), string: name) }
            if let name = rule.outputName { message.put(Int(FRA_OIFNAME), string: name) }
            message.put(rule.opaque.filter { $0.type != 0 })
        }
    }
}

extension Rule {
    /// Reads an RTM_NEWRULE or RTM_DELRULE message. The fixed header, which holds the action, the type of service
    /// and the lengths of the prefixes, is kept as an opaque attribute of type 0.
    static func decode(_ message: borrowing Message) -> Rule? {
        guard message.type == RTM_NEWRULE || message.type == RTM_DELRULE,
            let header = message.header(as: fib_rule_hdr.self),
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
            default: rule.opaque.append(attribute.opaque)
            }
        }
        return rule
    }
}
