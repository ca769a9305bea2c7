import LinuxHeaders
import Netlink
public import NetworkTypes

extension RouteBatch {
    /// Puts a queueing discipline in place, in exchange for the one there (RTM_NEWQDISC).
    public mutating func replace(_ qdisc: QueueingDiscipline<Int32>) {
        buffer.message(type: RTM_NEWQDISC, flags: NLM_F_CREATE | NLM_F_REPLACE) { message in
            message.header(Self.header(qdisc))
            message.put(Int(TCA_KIND), string: qdisc.kind.name)
            switch qdisc.kind {
            case .tokenBucket(let bucket): message.nest(Int(TCA_OPTIONS)) { $0.put(bucket) }
            case .other(_, let options):
                if !options.isEmpty { message.put(Int(TCA_OPTIONS), bytes: options) }
            }
        }
    }

    /// Takes a queueing discipline away; the kernel's own comes in its place (RTM_DELQDISC).
    public mutating func remove(_ qdisc: QueueingDiscipline<Int32>) {
        buffer.message(type: RTM_DELQDISC) { $0.header(Self.header(qdisc)) }
    }

    private static func header(_ qdisc: QueueingDiscipline<Int32>) -> tcmsg {
        var header = tcmsg()
        header.tcm_ifindex = qdisc.device
        header.tcm_handle = qdisc.handle
        header.tcm_parent = qdisc.parent
        return header
    }
}

extension MessageBuffer {
    /// Writes tbf's options. Times are in the kernel's ticks of 64 nanoseconds (psched).
    fileprivate mutating func put(_ bucket: QueueingDiscipline<Int32>.TokenBucket) {
        var options = tc_tbf_qopt()
        options.limit = bucket.limit
        options.rate.rate = UInt32(clamping: bucket.rate)
        let nanoseconds = bucket.rate == 0 ? 0 : UInt64(bucket.burst) * 1_000_000_000 / bucket.rate
        options.buffer = UInt32(clamping: nanoseconds >> 6)
        put(Int(TCA_TBF_PARMS), options)
        put(Int(TCA_TBF_BURST), bucket.burst)
        if bucket.rate > UInt64(UInt32.max) { put(Int(TCA_TBF_RATE64), bucket.rate) }
    }
}

extension QueueingDiscipline where Device == Int32 {
    /// Reads an RTM_NEWQDISC message.
    static func decode(_ message: borrowing Message) -> QueueingDiscipline? {
        guard message.type == RTM_NEWQDISC, let header = message.header(as: tcmsg.self) else { return nil }
        var name = ""
        var options: [UInt8] = []
        var parameters: tc_tbf_qopt?
        var rate: UInt64?
        var burst: UInt32?
        var attributes = message.attributes(after: tcmsg.self)
        while let attribute = attributes.next() {
            switch attribute.type {
            case Int(TCA_KIND): name = attribute.string
            case Int(TCA_OPTIONS):
                options = attribute.bytes
                guard name == "tbf" else { break }
                var settings = attribute.nested
                while let setting = settings.next() {
                    switch setting.type {
                    case Int(TCA_TBF_PARMS): parameters = setting.value()
                    case Int(TCA_TBF_RATE64): rate = setting.value()
                    case Int(TCA_TBF_BURST): burst = setting.value()
                    default: break
                    }
                }
            default: break
            }
        }
        var kind = Kind.other(name, options: options)
        if let parameters {
            let octets = rate ?? UInt64(parameters.rate.rate)
            // The kernel tells the bucket's depth as a time.
            let depth = burst ?? UInt32(clamping: (UInt64(parameters.buffer) << 6) * octets / 1_000_000_000)
            kind = .tokenBucket(TokenBucket(rate: octets, burst: depth, limit: parameters.limit))
        }
        return QueueingDiscipline(
            device: header.tcm_ifindex, handle: header.tcm_handle, parent: header.tcm_parent, kind: kind)
    }
}
