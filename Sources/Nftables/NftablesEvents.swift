import LinuxHeaders
public import Netlink

/// A change of the ruleset that the kernel told of (`NFNLGRP_NFTABLES`). What packets change in sets is not told.
public indirect enum NftablesEvent: Hashable, Sendable {
    case table(Table)
    case tableDeleted(Table)
    case chain(Chain)
    case chainDeleted(Chain)
    case rule(Rule)
    case ruleDeleted(Rule)
    case set(NamedSet)
    case setDeleted(NamedSet)
    case elements([SetElement], set: String, table: Table)
    case elementsDeleted([SetElement], set: String, table: Table)
    case object(NamedObject)
    case objectDeleted(NamedObject)
    /// The end of a transaction: the generation it led to, and who made it.
    case generation(UInt32, process: UInt32, program: String)
    /// A packet under trace (`meta nftrace set 1`).
    case trace(Trace)
    /// Events were lost: read everything anew.
    case overrun

    /// The table it is about.
    public var table: Table? {
        switch self {
        case .table(let table), .tableDeleted(let table): table
        case .chain(let chain), .chainDeleted(let chain): chain.table
        case .rule(let rule), .ruleDeleted(let rule): rule.table
        case .set(let set), .setDeleted(let set): set.table
        case .elements(_, _, let table), .elementsDeleted(_, _, let table): table
        case .object(let object), .objectDeleted(let object): object.table
        case .trace(let trace): trace.table
        case .generation, .overrun: nil
        }
    }
}

/// One step of a packet under trace (`NFTA_TRACE_*`).
public struct Trace: Hashable, Sendable {
    /// What the step was (`NFT_TRACETYPE_*`).
    public enum Kind: UInt32, Hashable, Sendable {
        case policy = 1
        case `return`
        case rule
    }

    /// The same for all steps of one packet.
    public var packet: UInt32
    public var table: Table
    public var chain: String
    public var kind: Kind
    /// The rule that the step was about.
    public var rule: UInt64?
    public var verdict: Verdict?
    /// The index of the device the packet came in by.
    public var inputIndex: UInt32?
    /// The headers as far as the kernel shows them, in the first step of a chain only.
    public var linkHeader: [UInt8]?
    public var networkHeader: [UInt8]?
}

/// What the kernel tells of changes of nf_tables in one network namespace, as an `AsyncSequence`.
public struct NftablesEvents: AsyncSequence, Sendable {
    private let events: NetlinkEvents<NftablesEvent>

    /// Listens in the network namespace of the calling thread.
    /// - Parameters:
    ///   - traces: Listens also to packets under trace.
    ///   - backlog: How many events may wait to be consumed before an overrun is told.
    ///   - port: The port of a socket of which the changes are not told; every notification bears that of the request.
    public init(traces: Bool = false, backlog: Int = 4096, ignoring port: UInt32? = nil) throws(NetlinkError)
    {
        // NFNLGRP_NFTABLES and NFNLGRP_NFTRACE.
        let groups: [UInt32] = traces ? [7, 9] : [7]
        events = try NetlinkEvents(.netfilter, groups: groups, overrun: .overrun, limit: backlog) { message in
            message.port == port ? nil : NftablesEvent(message)
        }
    }

    /// Ends the sequence and its thread.
    public func cancel() { events.cancel() }

    public func makeAsyncIterator() -> AsyncStream<NftablesEvent>.Iterator { events.makeAsyncIterator() }
}

extension NftablesEvent {
    /// What a notification says; nil if it is of no interest here.
    init?(_ message: borrowing Message) {
        guard message.type >> 8 == Int(NFNL_SUBSYS_NFTABLES), let content = message.nftables else {
            return nil
        }
        let (family, attributes) = content
        let kind = nf_tables_msg_types(UInt32(message.type & 0xff))
        switch kind {
        case NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE:
            guard let table = Decoding.table(family, attributes) else { return nil }
            self = kind == NFT_MSG_NEWTABLE ? .table(table) : .tableDeleted(table)
        case NFT_MSG_NEWCHAIN, NFT_MSG_DELCHAIN:
            guard let chain = Decoding.chain(family, attributes) else { return nil }
            self = kind == NFT_MSG_NEWCHAIN ? .chain(chain) : .chainDeleted(chain)
        case NFT_MSG_NEWRULE, NFT_MSG_DELRULE:
            guard let rule = Decoding.rule(family, attributes) else { return nil }
            self = kind == NFT_MSG_NEWRULE ? .rule(rule) : .ruleDeleted(rule)
        case NFT_MSG_NEWSET, NFT_MSG_DELSET:
            guard let set = Decoding.set(family, attributes) else { return nil }
            self = kind == NFT_MSG_NEWSET ? .set(set) : .setDeleted(set)
        case NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM:
            guard let table = attributes.text(1), let set = attributes.text(2) else { return nil }
            let elements = Decoding.elements(attributes)
            let place = Table(family, table)
            self =
                kind == NFT_MSG_NEWSETELEM
                ? .elements(elements, set: set, table: place)
                : .elementsDeleted(elements, set: set, table: place)
        case NFT_MSG_NEWOBJ, NFT_MSG_DELOBJ:
            guard let object = Decoding.object(family, attributes) else { return nil }
            self = kind == NFT_MSG_NEWOBJ ? .object(object) : .objectDeleted(object)
        case NFT_MSG_NEWGEN:
            self = .generation(
                attributes.number(1) ?? 0, process: attributes.number(2) ?? 0,
                program: attributes.text(3) ?? "")
        case NFT_MSG_TRACE:
            guard let trace = Trace(family, attributes) else { return nil }
            self = .trace(trace)
        default: return nil
        }
    }
}

extension Trace {
    init?(_ family: Family, _ attributes: AttributeTable) {
        guard let table = attributes.text(1), let chain = attributes.text(2),
            let kind = attributes.number(4).flatMap(Kind.init), let packet = attributes.number(6)
        else { return nil }
        let nfproto = attributes.number(15).map { Family(rawValue: UInt8(truncatingIfNeeded: $0)) }
        self.packet = packet
        self.table = Table(nfproto ?? family, table)
        self.chain = chain
        self.kind = kind
        rule = attributes.longNumber(3)
        // The verdict stands here without the data attribute that rules have around it.
        verdict = attributes.nested(5).flatMap { AttributeTable.verdict(in: $0) }
        if kind == .policy { verdict = attributes.number(16) == 0 ? .drop : .accept }
        inputIndex = attributes.number(10)
        linkHeader = attributes.bytes(7).map(Array.init)
        networkHeader = attributes.bytes(8).map(Array.init)
    }
}
