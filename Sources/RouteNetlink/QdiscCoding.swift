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
        // TC_LINKLAYER_ETHERNET: the kernel then needs no table of rates (linux/pkt_sched.h).
        options.rate.linklayer = UInt8(TC_LINKLAYER_ETHERNET.rawValue)
        let ticks = bucket.rate == 0 ? 0 : UInt64(bucket.burst) * (1_000_000_000 >> 6) / bucket.rate
        options.buffer = UInt32(clamping: ticks)
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
        var attributes = message.attributes(after: tcmsg.self)
        while let attribute = attributes.next() {
            switch attribute.type {
            case Int(TCA_KIND): name = attribute.string
            case Int(TCA_OPTIONS):
                options = name == "htb" ? hierarchicalOptions(attribute) : attribute.bytes
                guard name == "tbf" else { break }
                var settings = attribute.nested
                while let setting = settings.next() {
                    switch setting.type {
                    case Int(TCA_TBF_PARMS): parameters = setting.value()
                    case Int(TCA_TBF_RATE64): rate = setting.value()
                    default: break
                    }
                }
            default: break
            }
        }
        var kind = Kind.other(name, options: options)
        if let parameters, parameters.isPlain {
            let octets = rate ?? UInt64(parameters.rate.rate)
            kind = .tokenBucket(
                TokenBucket(rate: octets, burst: burst(parameters, rate: octets), limit: parameters.limit))
        }
        return QueueingDiscipline(
            device: header.tcm_ifindex, handle: header.tcm_handle, parent: header.tcm_parent, kind: kind)
    }

    /// The options of htb as they can be set: the kernel tells its version in another form than it takes it, and
    /// with it how many packets went past the classes.
    private static func hierarchicalOptions(_ options: borrowing Attribute) -> [UInt8] {
        var settable = MessageBuffer(capacity: 64)
        var attributes = options.nested
        while let attribute = attributes.next() {
            if attribute.type == Int(TCA_HTB_INIT), var settings = attribute.value(as: tc_htb_glob.self) {
                if settings.version > UInt16.max { settings.version >>= 16 }
                settings.direct_pkts = 0
                settable.put(Int(attribute.rawType), settings)
            } else {
                settable.put(Int(attribute.rawType), bytes: attribute.content)
            }
        }
        return settable.bytes.octets
    }

    /// The depth of the bucket, which the kernel tells as the time that it takes to send it, cut to ticks.
    /// Rounded up, so that what is read and set again is the same time.
    private static func burst(_ parameters: tc_tbf_qopt, rate: UInt64) -> UInt32 {
        var nanoseconds = UInt128(parameters.buffer) << 6
        // The kernel cuts its own sum too. Where a tick is more than an octet, a nanosecond of slack stays within
        // the tick; below that, rounding up is exact.
        if rate > 1_000_000_000 >> 6 { nanoseconds += 1 }
        let octets = (UInt128(rate) * nanoseconds + 999_999_999) / 1_000_000_000
        return UInt32(clamping: octets)
    }
}

extension tc_tbf_qopt {
    /// Whether a rate, a burst and a limit are all there is: no peak rate, no overhead.
    fileprivate var isPlain: Bool { peakrate.rate == 0 && rate.overhead == 0 && rate.mpu == 0 }
}
