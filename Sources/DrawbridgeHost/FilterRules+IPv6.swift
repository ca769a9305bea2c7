import DrawbridgePlanning
import Nftables

extension FilterRules {
    static var ipv6: [[Expression]] {
        let none = [UInt8](repeating: 0, count: 16)
        return [
            [
                load(.network, 8, 16), .compare(value, operation: .equal, value: none),
                .verdict(.goto("ipv6-unspecified")),
            ],
            [.verdict(.jump("ipv6-source"))],
            [
                .extensionHeader(
                    ExtensionHeader(ExtensionHeader.fragment, offset: 0, length: 1, isPresence: true),
                    destination: value), equal(1), .verdict(.jump("fragment")),
            ],
            upperLayer(58) + [.verdict(.goto("icmpv6-message"))],
            upperLayer(17) + [load(.transport, 2, 2), equal(0x02, 0x22)] + refuse(.dhcpServer),
            upperLayer(17) + [load(.transport, 2, 2), .accept],
            // A first fragment that ends before it says its ports (RFC 7112).
            upperLayer(17) + refuse(.malformed),
            upperLayer(51) + [.verdict(.jump("authenticated"))],
            [
                .meta(key: .upperLayer, destination: value),
                .compare(value, operation: .greaterOrEqual, value: [0]), load(.network, 8, 16), .accept,
            ],
            refuse(.malformed),
        ]
    }

    /// What remains to be seen of a packet whose source is right. Reading its transport header fails unless the kernel
    /// found it whole, so that a packet with headers in between goes the long way.
    static var known6: [[Expression]] {
        [
            [load(.network, 6, 1), equal(6), load(.transport, 0, 1), .accept],
            [load(.network, 6, 1), equal(17), load(.transport, 2, 2), differs(0x02, 0x22), .accept],
            [.verdict(.goto("ipv6-packet"))],
        ]
    }

    /// Refuses what is a message of ICMPv6, or could lead to one: the kernel reads no further than an authentication
    /// header.
    static var authenticated: [[Expression]] {
        [0, 43, 44, 51, 58, 60].map { [load(.transport, 0, 1), equal($0)] + refuse(.malformed) }
    }

    /// Accepts a fragment but the first, since what it belongs to is judged by the first; refuses a first one that does
    /// not say within itself what it carries (RFC 7112), or hides it behind other headers.
    ///
    /// Octets may follow the packet in its frame, so that reading beyond its end does not fail: its length is asked.
    static var fragment: [[Expression]] {
        let hiding: [UInt8] = [0, 43, 44, 60, 135, 139, 140]
        return [
            [
                .extensionHeader(
                    ExtensionHeader(ExtensionHeader.fragment, offset: 2, length: 2), destination: value),
                .bitwise(source: value, destination: value, mask: [0xff, 0xf8], xor: [0, 0]), differs(0, 0),
                .accept,
            ],
            [load(.network, 6, 1), differs(ExtensionHeader.fragment)] + refuse(.malformed),
            [load(.network, 4, 2), .compare(value, operation: .less, value: [0, 16])] + refuse(.malformed),
        ] + hiding.map { [load(.network, 40, 1), equal($0)] + refuse(.malformed) }
    }

    static var icmpv6: [[Expression]] {
        [
            [load(.transport, 0, 1), .verdictMap(set: "icmpv6-types", source: value)],
            [load(.transport, 0, 1), differs(0), .accept],
            refuse(.malformed),
        ]
    }

    /// From no address: the detection of duplicates, a router's solicitation, and listeners' reports (RFC 4862,
    /// RFC 4861 §4.1, RFC 3590).
    static var unspecified6: [[Expression]] {
        [
            [loadName, notInSet("ipv6-clients")] + refuse(.ipv6),
            upperLayer(58) + [load(.transport, 0, 1), equal(135)] + direct + length(24)
                + [load(.transport, 8, 16), .verdict(.goto("probe"))],
            upperLayer(58) + [load(.transport, 0, 1), equal(135)] + direct + length(32) + option(24, nonce)
                + [.verdict(.goto("probe"))],
            upperLayer(58) + [load(.transport, 0, 1), equal(135)] + refuse(.neighborDiscovery),
            upperLayer(58) + [load(.transport, 0, 1), equal(133)] + direct + length(8) + [.accept],
            upperLayer(58) + [load(.transport, 0, 1), equal(136)] + refuse(.neighborDiscovery),
            upperLayer(58) + [load(.transport, 0, 1), equal(131), .accept],
            upperLayer(58) + [load(.transport, 0, 1), equal(132), .accept],
            upperLayer(58) + [load(.transport, 0, 1), equal(143), .accept],
            upperLayer(58) + [load(.transport, 0, 1), .verdictMap(set: "icmpv6-types", source: value)],
            refuse(.ipv6),
        ]
    }

    // MARK: Neighbour discovery (RFC 4861): without extension headers, and with the options that are known

    /// ICMPv6 follows the IPv6 header at once, so that the length there is the message's.
    private static var direct: [Expression] { [load(.network, 6, 1), equal(58)] }
    private static func length(_ length: UInt8) -> [Expression] { [load(.network, 4, 2), equal(0, length)] }
    /// The nonce of RFC 7527, and link-layer addresses; each with its length in units of eight octets.
    private static var nonce: [UInt8] { [14, 1] }
    private static var sourceLink: [UInt8] { [1, 1] }
    private static var targetLink: [UInt8] { [2, 1] }

    private static func option(_ offset: UInt32, _ option: [UInt8]) -> [Expression] {
        [load(.transport, offset, 2), .compare(value, operation: .equal, value: option)]
    }

    /// A link-layer address option that holds the vif's own.
    private static func link(_ offset: UInt32, _ kind: [UInt8]) -> [Expression] {
        option(offset, kind) + [loadName, load(.transport, offset + 2, 6), inSet("senders")]
    }

    static var solicitation: [[Expression]] {
        [
            direct + length(24) + [load(.transport, 8, 16), .accept],
            direct + length(32) + link(24, sourceLink) + [.accept],
            direct + length(32) + option(24, nonce) + [.accept],
            direct + length(40) + link(24, sourceLink) + option(32, nonce) + [.accept],
            direct + length(40) + option(24, nonce) + link(32, sourceLink) + [.accept],
            refuse(.neighborDiscovery),
        ]
    }

    static var neighborAdvertisement: [[Expression]] {
        [
            direct + length(24) + [load(.transport, 8, 16), .verdict(.goto("target"))],
            direct + length(32) + link(24, targetLink) + [.verdict(.goto("target"))],
            refuse(.neighborDiscovery),
        ]
    }

    static var routerSolicitation: [[Expression]] {
        [
            direct + length(8) + [.accept],
            direct + length(16) + link(8, sourceLink) + [.accept],
            refuse(.neighborDiscovery),
        ]
    }

    // MARK: Claims

    private static func ofNetwork(_ base: PayloadBase, _ offset: UInt32) -> [Expression] {
        [.meta(key: .mark, destination: value), load(base, offset, 16, afterMark)]
    }

    /// Returns where the vif may use the address at an offset; `local` judges those of `fe80::/64`.
    static func claim6(
        _ base: PayloadBase, _ offset: UInt32, _ reason: DropReason, local: String
    ) -> [[Expression]] {
        let field = load(base, offset, 16)
        let ofNetwork = ofNetwork(base, offset)
        return [
            speaker(base, offset, 16) + [inSet("ipv6-sources"), .verdict(.return)],
            [loadName, field, inSet("ipv6-ranges"), .verdict(.return)],
            [load(base, offset, 8), equal(0xfe, 0x80, 0, 0, 0, 0, 0, 0), .verdict(.goto(local))],
            [loadName, notInSet("ipv6-free")] + refuse(reason),
            markNetwork,
            ofNetwork + [inSet("ipv6-protected", value)] + refuse(reason),
            ofNetwork + [inSet("ipv6-protected-ranges", value)] + refuse(reason),
            unmark,
            [load(base, offset, 1), equal(0xff)] + refuse(reason),
            [
                load(base, offset, 2),
                .bitwise(source: value, destination: value, mask: [0xff, 0xc0], xor: [0, 0]),
                equal(0xfe, 0x80),
            ] + refuse(reason),
            // `::`, `::1` and what was made of IPv4 addresses.
            [load(base, offset, 8), equal(0, 0, 0, 0, 0, 0, 0, 0)] + refuse(reason),
        ]
    }

    /// Matches and returns where the vif has pinned the address.
    static func held(_ base: PayloadBase, _ offset: UInt32) -> [Expression] {
        [loadName, load(base, offset, 16), inSet("pins"), .verdict(.return)]
    }

    /// Returns where the vif may use the link-local address at an offset: the one it pinned, or, as long as it pinned
    /// none, one that is nobody's. With `pins`, that is pinned.
    static func local(
        _ base: PayloadBase, _ offset: UInt32, _ reason: DropReason, pins: Bool
    ) -> [[Expression]] {
        let ofNetwork = ofNetwork(base, offset)
        var rules = [
            held(base, offset),
            [loadName, notInSet("pinning")] + refuse(reason),
            [loadName, inSet("choosers")] + refuse(reason),
            markNetwork,
            ofNetwork + [inSet("ipv6-protected", value)] + refuse(reason),
            ofNetwork + [inSet("pins-of-network", value)] + refuse(reason),
        ]
        guard pins else { return rules + [unmark] }
        rules += [
            [loadName, load(base, offset, 16), .update(SetUpdate(.add, set: "pins", key: name))],
            [loadName, .update(SetUpdate(.add, set: "choosers", key: name))],
            ofNetwork + [.update(SetUpdate(.add, set: "pins-of-network", key: value))],
            unmark,
        ]
        return rules
    }
}
