import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Nftables

/// The rules of the security groups.
///
/// There is no connection tracking on these hooks, and none is needed: what a rule lets pass is noted with the addresses
/// and ports of both ends, and what answers is looked up there. A note stays while either end speaks: an hour with TCP,
/// three minutes without, half a minute for echo.
enum GroupRules {
    typealias F = FilterRules

    /// The rules of the base chains. What is no IP is the filter's against spoofing, but for what a tag would hide.
    static var from: [[Expression]] { leading(to: "from") + [[.accept]] }
    static var to: [[Expression]] {
        leading(to: "to") + [
            [type, F.equal(0x81, 0x00), .verdict(.goto("to-refused"))],
            [type, F.equal(0x88, 0xa8), .verdict(.goto("to-refused"))],
            [.accept],
        ]
    }

    static var chains: [FilterChain] {
        let sides = GroupLayout.Side.all.map(Chains.init)
        return [
            FilterChain(name: "from-refused", rules: refused(.out)),
            FilterChain(name: "to-refused", rules: refused(.in)),
        ] + sides.map { FilterChain(name: $0.name + "-new", rules: $0.new) }
            + sides.map { FilterChain(name: $0.name, rules: $0.rules) }
    }

    /// The rules of a combination, on one side.
    static func permits(_ side: GroupLayout.Side, _ set: String) -> [[Expression]] {
        Chains(side).permits(set)
    }

    private static let type = Expression.meta(key: .protocol, destination: F.value)

    private static func leading(to chain: String) -> [[Expression]] {
        [
            [type, F.equal(0x08, 0x00), .verdict(.goto("\(chain)-ipv4"))],
            [type, F.equal(0x86, 0xdd), .verdict(.goto("\(chain)-ipv6"))],
        ]
    }

    private static func refused(_ direction: GroupRule.Direction) -> [[Expression]] {
        [
            // By way of the packet's mark, which goes with the packet: nft(8) 1.0.6 cannot show a number within a key.
            [
                .immediate(GroupTable.mark(direction).keyOctets, destination: F.value),
                .setMeta(key: .mark, source: F.value), Chains(GroupLayout.Side(direction, .ipv4)).loadName,
                .meta(key: .mark, destination: F.value), .lookup(set: "drops", source: F.name),
            ],
            [.drop],
        ]
    }
}

/// The chains for one direction and one family.
private struct Chains {
    let side: GroupLayout.Side

    init(_ side: GroupLayout.Side) { self.side = side }

    /// Seen from the host: what is out for the guest comes from it.
    var name: String { "\(isFromGuest ? "from" : "to")-\(side.family.word)" }
    private var isFromGuest: Bool { side.direction == .out }
    private var isIPv4: Bool { side.family == .ipv4 }
    private var words: Int { isIPv4 ? 1 : 4 }

    var loadName: Expression {
        .meta(key: isFromGuest ? .inputName : .outputName, destination: FilterRules.name)
    }

    private func address(ofGuest: Bool, _ register: Int) -> Expression {
        let isSource = ofGuest == isFromGuest
        let offset: UInt32 = isIPv4 ? (isSource ? 12 : 16) : (isSource ? 8 : 24)
        return FilterRules.load(.network, offset, isIPv4 ? 4 : 16, Register(word: register))
    }

    private func port(ofGuest: Bool, _ register: Int) -> Expression {
        FilterRules.load(.transport, ofGuest == isFromGuest ? 0 : 2, 2, Register(word: register))
    }

    /// Loads zeros, as a load that nft(8) 1.0.6 can show as a part of a key: there is no such device on this hook.
    private func nothing(_ register: Int) -> Expression {
        .meta(key: isFromGuest ? .outputIndex : .inputIndex, destination: Register(word: register))
    }

    private var echo: UInt8 { isIPv4 ? 1 : 58 }
    private var echoRequest: UInt8 { isIPv4 ? 8 : 128 }
    private var echoReply: UInt8 { isIPv4 ? 0 : 129 }

    private typealias Layer = GroupTable.Layer

    private func matches(_ layer: Layer, _ register: Int) -> [Expression] {
        let place = Register(word: register)
        let load = Expression.meta(key: .upperLayer, destination: place)
        switch layer {
        case .tcp: return [load, .compare(place, operation: .equal, value: [6])]
        case .datagrams: return [load, .lookup(set: "ported", source: place)]
        case .echoes: return [load, .compare(place, operation: .equal, value: [echo])]
        case .others:
            return [
                load, .lookup(set: "ported", source: place, isInverted: true),
                .compare(place, operation: .notEqual, value: [6]),
                .compare(place, operation: .notEqual, value: [echo]),
            ]
        }
    }

    /// Puts the key of a flow into the registers: vif, the guest's end, the other's.
    private func flow(_ layer: Layer) -> [Expression] {
        let (guest, guestPort, peer, peerPort) = (4, 4 + words, 5 + words, 5 + 2 * words)
        let ports: [Expression] =
            switch layer {
            case .tcp, .datagrams: [port(ofGuest: true, guestPort), port(ofGuest: false, peerPort)]
            case .echoes:
                // The identifier (RFC 792, RFC 4443 §4.1).
                [guestPort, peerPort].map { FilterRules.load(.transport, 4, 2, Register(word: $0)) }
            case .others:
                [.meta(key: .upperLayer, destination: Register(word: guestPort)), nothing(peerPort)]
            }
        return matches(layer, 4) + [loadName, address(ofGuest: true, guest), address(ofGuest: false, peer)]
            + ports
    }

    private func note(_ layer: Layer) -> Expression {
        .update(
            SetUpdate(
                .update, set: flows(layer), key: FilterRules.name, timeout: layer.timeout))
    }

    private func flows(_ layer: Layer) -> String { GroupTable.flows(layer, side.family).name }

    private func message(_ type: UInt8) -> [Expression] {
        [FilterRules.load(.transport, 0, 1), FilterRules.equal(type)]
    }

    var rules: [[Expression]] {
        always + known + [
            [loadName, .verdictMap(set: GroupTable.members(side).definition.name, source: FilterRules.name)],
            [.verdict(.goto(refusedChain))],
        ]
    }

    private var refusedChain: String { isFromGuest ? "from-refused" : "to-refused" }

    /// Notes what was let pass.
    var new: [[Expression]] {
        Layer.allCases.map { layer in
            let isRequest = layer == .echoes ? message(echoRequest) : []
            return isRequest + flow(layer) + [note(layer)]
        } + [[.accept]]
    }

    /// What answers something that was let pass the other way, or goes on with it.
    private var known: [[Expression]] {
        Layer.allCases.map { layer in
            let isReply = layer == .echoes ? message(echoReply) : []
            return isReply + flow(layer)
                + [.lookup(set: flows(layer), source: FilterRules.name), note(layer), .accept]
        }
    }

    /// What a combination lets pass, which the set of that name holds.
    func permits(_ set: String) -> [[Expression]] {
        Layer.allCases.map { layer in
            let port: Expression =
                switch layer {
                case .tcp, .datagrams: FilterRules.load(.transport, 2, 2, Register(word: 5))
                case .echoes: FilterRules.load(.transport, 0, 1, Register(word: 5))
                case .others: nothing(5)
                }
            return matches(layer, 4) + [port, address(ofGuest: false, 6)] + [
                .lookup(set: set, source: FilterRules.value), .verdict(.goto(name + "-new")),
            ]
        } + [[.verdict(.goto(refusedChain))]]
    }

    /// What everything else needs: fragments, whose first one was looked at, DHCP, errors, and in IPv6
    /// neighbours, routers and listeners.
    private var always: [[Expression]] {
        let value = FilterRules.value
        let load: Expression
        let mask: [UInt8]
        if isIPv4 {
            load = FilterRules.load(.network, 6, 2)
            mask = [0x1f, 0xff]
        } else {
            load = .extensionHeader(
                ExtensionHeader(ExtensionHeader.fragment, offset: 2, length: 2), destination: value)
            mask = [0xff, 0xf8]
        }
        let fragment: [Expression] = [
            load, .bitwise(source: value, destination: value, mask: mask, xor: [0, 0]),
            FilterRules.differs(0, 0),
            .accept,
        ]
        let (client, server): ([UInt8], [UInt8]) = isIPv4 ? ([0, 68], [0, 67]) : ([2, 34], [2, 35])
        let dhcp: [Expression] =
            FilterRules.upperLayer(17) + [
                FilterRules.load(.transport, 0, 4),
                .compare(value, operation: .equal, value: isFromGuest ? client + server : server + client),
                .accept,
            ]
        func messages(_ types: ClosedRange<UInt8>) -> [Expression] {
            FilterRules.upperLayer(echo) + [
                FilterRules.load(.transport, 0, 1),
                .range(value, from: [types.lowerBound], to: [types.upperBound]),
                .accept,
            ]
        }
        // What cannot be reached, what is too big, what was too long under way, what is malformed.
        return isIPv4
            ? [fragment, dhcp, messages(3...3), messages(11...12), FilterRules.upperLayer(2) + [.accept]]
            : [fragment, dhcp, messages(1...4), messages(130...137), messages(143...143)]
    }
}
