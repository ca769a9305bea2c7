import LinuxHeaders
import NetworkTypes

/// Programs of the kernel's for packet sockets (bpf(4), `linux/filter.h`).
enum PacketFilter {
    /// What passes up the frames that may tell of a guest's addresses: those of DHCP servers that go out to it, and,
    /// where its use counts, ARP and neighbour discovery that come in from its hardware address.
    static func addresses(of mac: MACAddress, heedingUse: Bool) -> [sock_filter] {
        let high = UInt32(truncatingIfNeeded: mac.value >> 16)
        let low = UInt32(truncatingIfNeeded: mac.value & 0xffff)
        var program = Program()
        program.load(.word, packetType)
        program.unless(equal: UInt32(PACKET_OUTGOING), "in")
        program.load(.half, 12)
        program.when(equal: 0x0800, "ipv4")
        program.unless(equal: 0x86dd, "drop")
        program.load(.byte, 20)
        program.unless(equal: 17, "drop")
        program.load(.half, 54)
        program.unless(equal: 547, "drop")
        program.load(.half, 56)
        program.when(equal: 546, "pass")
        program.go("drop")
        program.label("ipv4")
        program.load(.byte, 23)
        program.unless(equal: 17, "drop")
        program.load(.half, 20)
        program.when(anyOf: 0x1fff, "drop")
        program.loadHeaderLength(14)
        program.loadBeyondHeader(.half, 14)
        program.unless(equal: 67, "drop")
        program.loadBeyondHeader(.half, 16)
        program.when(equal: 68, "pass")
        program.go("drop")
        program.label("in")
        if heedingUse {
            program.load(.word, 6)
            program.unless(equal: high, "drop")
            program.load(.half, 10)
            program.unless(equal: low, "drop")
            program.load(.half, 12)
            program.when(equal: 0x0806, "pass")
            program.unless(equal: 0x86dd, "drop")
            program.load(.byte, 20)
            program.unless(equal: 58, "drop")
            program.load(.byte, 54)
            program.when(equal: 135, "pass")
            program.when(equal: 136, "pass")
        }
        program.label("drop")
        program.end(passing: 0)
        program.label("pass")
        program.end(passing: 0xffff)
        return program.instructions
    }

    /// SKF_AD_OFF + SKF_AD_PKTTYPE: the kind of packet, instead of octets of it.
    private static let packetType = UInt32(bitPattern: -0x1000 + 4)
}

/// Instructions with labels in place of distances.
private struct Program {
    enum Size: UInt16 {
        case word = 0x00
        case half = 0x08
        case byte = 0x10
    }

    private struct Instruction {
        var code: UInt16
        var constant: UInt32
        var then: String?
        var otherwise: String?
    }

    private var steps: [Instruction] = []
    private var labels: [String: Int] = [:]

    mutating func label(_ name: String) { labels[name] = steps.count }

    mutating func load(_ size: Size, _ offset: UInt32) {
        add(UInt16(BPF_LD | BPF_ABS) | size.rawValue, offset)
    }

    /// Loads four times the low half of an octet into the index: the length of an IPv4 header.
    mutating func loadHeaderLength(_ offset: UInt32) { add(UInt16(BPF_LDX | BPF_B | BPF_MSH), offset) }

    mutating func loadBeyondHeader(_ size: Size, _ offset: UInt32) {
        add(UInt16(BPF_LD | BPF_IND) | size.rawValue, offset)
    }

    mutating func when(equal constant: UInt32, _ label: String) {
        add(UInt16(BPF_JMP | BPF_JEQ | BPF_K), constant, then: label)
    }

    mutating func unless(equal constant: UInt32, _ label: String) {
        add(UInt16(BPF_JMP | BPF_JEQ | BPF_K), constant, otherwise: label)
    }

    mutating func when(anyOf bits: UInt32, _ label: String) {
        add(UInt16(BPF_JMP | BPF_JSET | BPF_K), bits, then: label)
    }

    mutating func go(_ label: String) { when(anyOf: 0, label, otherwise: label) }

    mutating func end(passing octets: UInt32) { add(UInt16(BPF_RET | BPF_K), octets) }

    private mutating func when(anyOf bits: UInt32, _ label: String, otherwise: String) {
        add(UInt16(BPF_JMP | BPF_JSET | BPF_K), bits, then: label, otherwise: otherwise)
    }

    private mutating func add(
        _ code: UInt16, _ constant: UInt32, then: String? = nil, otherwise: String? = nil
    ) {
        steps.append(Instruction(code: code, constant: constant, then: then, otherwise: otherwise))
    }

    /// The finished program; a jump without a label goes on to what follows.
    var instructions: [sock_filter] {
        steps.enumerated().map { place, step in
            func distance(_ label: String?) -> UInt8 {
                label.flatMap { labels[$0] }.map { UInt8($0 - place - 1) } ?? 0
            }
            return sock_filter(
                code: step.code, jt: distance(step.then), jf: distance(step.otherwise), k: step.constant)
        }
    }
}
