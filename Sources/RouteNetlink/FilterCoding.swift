import LinuxHeaders
import Netlink
public import NetworkTypes

extension RouteBatch {
    /// Adds a filter (RTM_NEWTFILTER): for a redirection a u32 that every frame matches, since it compares nothing,
    /// with the action mirred. Of a filter that only was read nothing is written, and the request fails.
    public mutating func add(_ filter: TrafficFilter<Int32>) {
        buffer.message(type: RTM_NEWTFILTER, flags: NLM_F_CREATE | NLM_F_EXCL) { message in
            message.header(Self.header(filter))
            guard case .redirect(let target?) = filter.action else { return }
            message.put(Int(TCA_KIND), string: "u32")
            message.nest(Int(TCA_OPTIONS)) { options in
                var selector = Selector()
                selector.flags = UInt8(TC_U32_TERMINAL)
                options.put(Int(TCA_U32_SEL), selector)
                options.nest(Int(TCA_U32_ACT)) { actions in
                    actions.nest(1) { action in
                        action.put(Int(TCA_ACT_KIND), string: "mirred")
                        action.nest(Int(TCA_ACT_OPTIONS)) { $0.put(Int(TCA_MIRRED_PARMS), mirred(target)) }
                    }
                }
            }
        }
    }

    /// Takes away every filter of the parent that has the priority (RTM_DELTFILTER).
    public mutating func remove(_ filter: TrafficFilter<Int32>) {
        buffer.message(type: RTM_DELTFILTER) { $0.header(Self.header(filter)) }
    }

    private static func header(_ filter: TrafficFilter<Int32>) -> tcmsg {
        var header = tcmsg()
        header.tcm_ifindex = filter.device
        header.tcm_parent = filter.parent
        // The priority, then the protocol in network order.
        header.tcm_info = UInt32(filter.priority) << 16 | UInt32(UInt16(ETH_P_ALL).bigEndian)
        return header
    }
}

/// `struct tc_u32_sel` (linux/pkt_cls.h) without its keys, whose array of no size keeps it from being imported as
/// plain memory.
private struct Selector: BitwiseCopyable {
    var flags: UInt8 = 0
    var offsetShift: UInt8 = 0
    var keys: UInt8 = 0
    var offsetMask: UInt16 = 0
    var offset: UInt16 = 0
    var offsetOffset: Int16 = 0
    var hashOffset: Int16 = 0
    var hashMask: UInt32 = 0
}

private func mirred(_ target: Int32) -> tc_mirred {
    var parameters = tc_mirred()
    parameters.action = TC_ACT_STOLEN
    parameters.eaction = Int32(TCA_EGRESS_REDIR)
    parameters.ifindex = UInt32(bitPattern: target)
    return parameters
}

extension TrafficFilter where Device == Int32 {
    /// Reads an RTM_NEWTFILTER message; nil for what only holds filters, such as u32's tables.
    static func decode(_ message: borrowing Message) -> TrafficFilter? {
        guard message.type == RTM_NEWTFILTER, let header = message.header(as: tcmsg.self) else { return nil }
        var kind = ""
        var action: Action?
        var attributes = message.attributes(after: tcmsg.self)
        while let attribute = attributes.next() {
            switch attribute.type {
            case Int(TCA_KIND): kind = attribute.string
            case Int(TCA_OPTIONS): if kind == "u32" { action = Self.match(attribute) }
            default: break
            }
        }
        if kind == "u32" {
            guard action != nil else { return nil }
        } else {
            // The kernel tells of a kind before it tells of its filters.
            guard header.tcm_handle != 0 else { return nil }
        }
        return TrafficFilter(
            device: header.tcm_ifindex, parent: header.tcm_parent,
            priority: UInt16(truncatingIfNeeded: header.tcm_info >> 16), action: action ?? .other(kind))
    }

    /// A u32's action; nil for a table.
    private static func match(_ options: borrowing Attribute) -> Action? {
        var keys: UInt8?
        var target: Device??
        var settings = options.nested
        while let setting = settings.next() {
            switch setting.type {
            case Int(TCA_U32_SEL): keys = setting.value(as: Selector.self)?.keys
            case Int(TCA_U32_ACT): target = redirection(setting)
            default: break
            }
        }
        guard let keys else { return nil }
        guard keys == 0, let target else { return .other("u32") }
        return .redirect(to: target)
    }

    /// Where an only action sends every frame: `.some(nil)` if the device is gone, nil if it does something else.
    private static func redirection(_ attribute: borrowing Attribute) -> Device?? {
        var result: Device??
        var actions = attribute.nested
        while let action = actions.next() {
            guard result == nil else { return nil }
            var kind = ""
            var fields = action.nested
            while let field = fields.next() {
                switch field.type {
                case Int(TCA_ACT_KIND): kind = field.string
                case Int(TCA_ACT_OPTIONS) where kind == "mirred":
                    var options = field.nested
                    while let option = options.next() {
                        guard option.type == Int(TCA_MIRRED_PARMS) else { continue }
                        guard let parameters = option.value(as: tc_mirred.self),
                            parameters.eaction == Int32(TCA_EGRESS_REDIR),
                            parameters.action == TC_ACT_STOLEN
                        else { return nil }
                        let index = Int32(bitPattern: parameters.ifindex)
                        result = .some(index == 0 ? nil : index)
                    }
                default: break
                }
            }
        }
        return result
    }
}
