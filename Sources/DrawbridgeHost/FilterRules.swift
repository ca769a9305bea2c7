import DrawbridgePlanning
import Nftables

/// A chain of the filter with its rules, in the order in which frames meet them.
struct FilterChain {
    var name: String
    var rules: [[Expression]]
}

/// The rules of the filter. Registers: the device's name is in words 0 to 3, what is looked up with it in word 4 and
/// on.
///
/// A step that loads octets a short frame does not have does not match, so every chain ends in a drop and what is
/// accepted has been read.
enum FilterRules {
    static let name = Register.first
    static let value = Register(word: 4)
    static let afterMark = Register(word: 5)
    static let afterHardwareAddress = Register(word: 6)
    static let number = Register(word: 14)

    /// Keeps the network's number in the packet's mark, which a frame that just came in has not got otherwise, and takes
    /// it away again.
    static let markNetwork: [Expression] = [
        loadName, .map(set: "networks", source: name, destination: value),
        .setMeta(key: .mark, source: value),
    ]
    static let unmark: [Expression] = [
        .immediate([0, 0, 0, 0], destination: value), .setMeta(key: .mark, source: value),
    ]

    static let loadName = Expression.meta(key: .inputName, destination: name)

    static func load(
        _ base: PayloadBase, _ offset: UInt32, _ length: UInt32, _ register: Register = value
    ) -> Expression { .payload(base, offset: offset, length: length, destination: register) }

    static func equal(_ octets: UInt8...) -> Expression {
        .compare(value, operation: .equal, value: octets)
    }

    static func differs(_ octets: UInt8...) -> Expression {
        .compare(value, operation: .notEqual, value: octets)
    }

    static func inSet(_ set: String, _ register: Register = name) -> Expression {
        .lookup(set: set, source: register)
    }

    static func notInSet(_ set: String) -> Expression {
        .lookup(set: set, source: name, isInverted: true)
    }

    /// Counts the frame for its reason and drops it.
    static func refuse(_ reason: DropReason) -> [Expression] {
        [
            .immediate(Mark(reason.rawValue).keyOctets, destination: number),
            .setMeta(key: .mark, source: number), .verdict(.goto("refused")),
        ]
    }

    static func upperLayer(_ number: UInt8) -> [Expression] {
        [.meta(key: .upperLayer, destination: value), .compare(value, operation: .equal, value: [number])]
    }

    static var chains: [FilterChain] {
        [
            FilterChain(name: "refused", rules: refused),
            FilterChain(name: "closed", rules: [refuse(.closed)]),
            FilterChain(name: "advertisement", rules: [refuse(.routerAdvertisement)]),
            FilterChain(name: "redirection", rules: [refuse(.redirect)]),
            FilterChain(name: "ipv4-source", rules: claim4(.network, 12, .ipv4)),
            FilterChain(name: "arp-sender", rules: claim4(.network, 14, .arp)),
            FilterChain(name: "arp-target", rules: claim4(.network, 24, .arp)),
            FilterChain(name: "local-source", rules: local(.network, 8, .ipv6, pins: true)),
            FilterChain(
                name: "local-target", rules: [held(.transport, 8), refuse(.neighborDiscovery)]),
            FilterChain(
                name: "local-probe", rules: local(.transport, 8, .neighborDiscovery, pins: false)),
            FilterChain(name: "ipv6-source", rules: claim6(.network, 8, .ipv6, local: "local-source")),
            FilterChain(
                name: "ipv6-target",
                rules: claim6(.transport, 8, .neighborDiscovery, local: "local-target")),
            FilterChain(
                name: "ipv6-probe", rules: claim6(.transport, 8, .neighborDiscovery, local: "local-probe")),
            // A chain that is jumped to goes on with the next rule of where it was jumped from.
            FilterChain(name: "arp-probe", rules: [[.verdict(.jump("arp-target"))], [.accept]]),
            FilterChain(name: "probe", rules: [[.verdict(.jump("ipv6-probe"))], [.accept]]),
            FilterChain(name: "target", rules: [[.verdict(.jump("ipv6-target"))], [.accept]]),
            FilterChain(name: "fragment", rules: fragment),
            FilterChain(name: "authenticated", rules: authenticated),
            FilterChain(name: "arp-frame", rules: arp),
            FilterChain(name: "rarp-frame", rules: rarp),
            FilterChain(name: "ipv4-packet", rules: ipv4),
            FilterChain(name: "solicitation", rules: solicitation),
            FilterChain(name: "neighbour-advertisement", rules: neighborAdvertisement),
            FilterChain(name: "router-solicitation", rules: routerSolicitation),
            FilterChain(name: "icmpv6-message", rules: icmpv6),
            FilterChain(name: "ipv6-unspecified", rules: unspecified6),
            FilterChain(name: "ipv6-packet", rules: ipv6),
            FilterChain(name: "tagged", rules: tagged),
            FilterChain(name: "filtered", rules: filtered),
            FilterChain(name: "ipv4-known", rules: known4),
            FilterChain(name: "ipv6-known", rules: known6),
        ]
    }

    /// The rules of the base chain; its policy drops what is no vif's.
    ///
    /// Nearly every frame is a packet from the hardware address and the address of its vif: one lookup finds it. All
    /// other rules are for what is left.
    static var base: [[Expression]] {
        [
            [load(.link, 12, 2), equal(0x08, 0x00)] + speaker(.network, 12, 4)
                + [inSet("ipv4-sources"), .verdict(.goto("ipv4-known"))],
            [load(.link, 12, 2), equal(0x86, 0xdd)] + speaker(.network, 8, 16)
                + [inSet("ipv6-sources"), .verdict(.goto("ipv6-known"))],
            [loadName, .verdictMap(set: "modes", source: name)],
        ]
    }

    /// Loads the vif, the hardware address that the frame comes from and an address that it speaks for.
    static func speaker(_ base: PayloadBase, _ offset: UInt32, _ length: UInt32) -> [Expression] {
        [loadName, load(.link, 6, 6), load(base, offset, length, afterHardwareAddress)]
    }

    /// What remains to be seen of a packet whose source is right: whether it is a server's or a router's.
    static var known4: [[Expression]] {
        [
            [load(.transport, 2, 2), equal(0, 68), .verdict(.goto("ipv4-packet"))],
            [load(.network, 9, 1), differs(1), .accept],
            [.verdict(.goto("ipv4-packet"))],
        ]
    }

    static let typeElements: [SetElement] = [
        verdict([0x08, 0x00], "ipv4-packet"), verdict([0x08, 0x06], "arp-frame"),
        verdict([0x86, 0xdd], "ipv6-packet"),
        verdict([0x80, 0x35], "rarp-frame"), verdict([0x81, 0x00], "tagged"),
    ]
    static let taggedTypeElements: [SetElement] = Array(typeElements.prefix(4))
    /// Router advertisement and renumbering, inverse neighbour discovery's answer and multicast routers'
    /// advertisements are a router's; RFC 4861, 2894, 3122 and 4286.
    static let messageElements: [SetElement] = [
        verdict([133], "router-solicitation"), verdict([134], "advertisement"),
        verdict([135], "solicitation"), verdict([136], "neighbour-advertisement"),
        verdict([137], "redirection"),
        verdict([138], "advertisement"), verdict([141], "advertisement"), verdict([142], "advertisement"),
        verdict([151], "advertisement"), verdict([153], "advertisement"),
    ]

    static func verdict(_ key: [UInt8], _ chain: String) -> SetElement {
        SetElement(SetKey(octets: key), data: .verdict(.goto(chain)))
    }

    static var refused: [[Expression]] {
        [
            [loadName, .meta(key: .mark, destination: value), inSet("drops")],
            [loadName, inSet("logged"), .limit(Limit(10, burst: 20)), .log(Log(prefix: "drawbridge drop "))],
            [.drop],
        ]
    }

    static var filtered: [[Expression]] {
        [
            [loadName, load(.link, 6, 6), notInSet("senders")] + refuse(.hardwareAddress),
            [load(.link, 12, 2), .verdictMap(set: "types", source: value)],
            // A provider's tag (IEEE 802.1ad), which the kernel takes off as it does the other.
            [load(.link, 12, 2), equal(0x88, 0xa8)] + refuse(.vlan),
            refuse(.ethertype),
        ]
    }

    /// A tag that says VLAN 0 says a priority only (IEEE 802.1Q §6.9). What is behind one that the vif may send is looked
    /// at as without; behind a second there is nothing that passes.
    static var tagged: [[Expression]] {
        [
            [
                load(.link, 14, 2),
                .bitwise(source: value, destination: value, mask: [0x0f, 0xff], xor: [0, 0]),
                differs(0, 0), loadName, notInSet("vlans"),
            ] + refuse(.vlan),
            [.meta(key: .protocol, destination: value), .verdictMap(set: "tagged-types", source: value)],
            refuse(.vlan),
        ]
    }

    // MARK: ARP (RFC 826, RFC 5227)

    static var arp: [[Expression]] {
        [
            // Ethernet, IPv4, and the lengths of their addresses.
            [load(.network, 0, 6), differs(0, 1, 8, 0, 6, 4)] + refuse(.arp),
            [load(.network, 6, 2), .compare(value, operation: .greater, value: [0, 2])] + refuse(.arp),
            [load(.network, 6, 2), equal(0, 0)] + refuse(.arp),
            [loadName, load(.network, 8, 6), notInSet("senders")] + refuse(.hardwareAddress),
            // A probe claims what it asks for.
            [
                load(.network, 14, 4), equal(0, 0, 0, 0), load(.network, 6, 2), equal(0, 1),
                load(.network, 24, 4), .verdict(.goto("arp-probe")),
            ],
            [load(.network, 14, 4), differs(0, 0, 0, 0), .verdict(.jump("arp-sender"))],
            [load(.network, 14, 4), differs(0, 0, 0, 0), .accept],
            refuse(.arp),
        ]
    }

    static var rarp: [[Expression]] {
        [
            [loadName, inSet("rarp"), load(.network, 8, 6), inSet("senders"), .accept],
            refuse(.ethertype),
        ]
    }

    // MARK: IPv4

    static var ipv4: [[Expression]] {
        [
            // What a server says, and what a router; in fragments but the first there is no port to see.
            upperLayer(17) + [load(.transport, 2, 2), equal(0, 68)] + refuse(.dhcpServer),
            upperLayer(1) + [load(.transport, 0, 1), equal(5)] + refuse(.redirect),
            // A client that has no address yet (RFC 2131 §4.1).
            [load(.network, 12, 8), equal(0, 0, 0, 0, 255, 255, 255, 255)] + upperLayer(17)
                + [load(.transport, 0, 4), equal(0, 68, 0, 67), loadName, inSet("ipv4-clients"), .accept],
            [.verdict(.jump("ipv4-source"))],
            [load(.network, 12, 4), differs(0, 0, 0, 0), .accept],
            refuse(.ipv4),
        ]
    }

    /// Returns where the vif may use the address at an offset.
    static func claim4(_ base: PayloadBase, _ offset: UInt32, _ reason: DropReason) -> [[Expression]] {
        let field = load(base, offset, 4)
        let first = load(base, offset, 1)
        let ofNetwork = [.meta(key: .mark, destination: value), load(base, offset, 4, afterMark)]
        return [
            speaker(base, offset, 4) + [inSet("ipv4-sources"), .verdict(.return)],
            [loadName, field, inSet("ipv4-ranges"), .verdict(.return)],
            [loadName, notInSet("ipv4-free")] + refuse(reason),
            markNetwork,
            ofNetwork + [inSet("ipv4-protected", value)] + refuse(reason),
            ofNetwork + [inSet("ipv4-protected-ranges", value)] + refuse(reason),
            unmark,
            [first, equal(0)] + refuse(reason),
            [first, equal(127)] + refuse(reason),
            [first, .compare(value, operation: .greaterOrEqual, value: [224])] + refuse(reason),
        ]
    }
}
