import DrawbridgeAPI
import DrawbridgeEngine
import DrawbridgeModel
import NetworkTypes
import Varlink

// From the model to the wire.

extension OutcomeReport {
    init(_ outcome: Outcome) {
        self.init(changed: outcome.changed, plan: outcome.plan, warnings: outcome.warnings)
    }
}

extension NetworkReport {
    init(_ status: NetworkStatus) {
        let state: State =
            switch status.state {
            case .down: .down
            case .up: .up
            case .degraded: .degraded
            }
        self.init(
            name: status.network.name.rawValue, bridge: status.network.bridge.rawValue, state: state,
            uplink: status.uplink, ports: status.ports, addresses: status.addresses,
            antispoof: status.network.filter.isOn, multicastSnooping: status.network.multicastSnooping,
            problem: status.problem)
        dhcpHandover = status.handover.map { handover in
            DHCPHandoverReport(
                client: handover.client, resting: handover.resting, running: handover.running,
                address: handover.address)
        }
    }
}

extension VifReport {
    init(_ status: VifStatus) {
        let state: State =
            switch status.state {
            case .connected: .connected
            case .waiting: .waiting
            case .vanished: .vanished
            }
        let request = status.request
        let isPair = if case .pair = request.source { true } else { false }
        self.init(
            id: request.id.description, device: status.device, state: state, owner: request.owner,
            pair: isPair)
        domain = request.domainName
        network = status.network?.rawValue
        bridge = request.bridge?.rawValue
        mac = request.mac?.description
        addresses = request.addresses.map(\.description)
        mtu = status.mtu ?? request.mtu
        rate = status.rates.fromGuest?.description
        rateIn = status.rates.toGuest?.description
        netbackRate = request.netbackRate?.rate?.description
        ratePackets = status.rates.packetsFromGuest?.description
        rateInPackets = status.rates.packetsToGuest?.description
        isolated = status.isIsolated ? true : nil
        vlan = status.vlans?.text
        trusted = request.isTrusted
        if case .tap(let options) = request.source {
            tap = TapReport(
                owner: options.owner, group: options.group, multiQueue: options.isMultiQueue ? true : nil,
                virtioHeader: options.hasVirtioHeader ? true : nil)
        }
        groups = status.groups.isEmpty ? nil : status.groups.map(\.rawValue)
        filter = status.filter
        if !status.drops.isEmpty {
            drops = status.drops.map {
                DropReport(reason: $0.reason, frames: $0.frames, octets: $0.octets)
            }
        }
        index = status.index
    }
}

extension EventReport {
    init(_ record: EventRecord) {
        self.init(
            sequence: record.sequence, time: record.time, event: record.event, object: record.object,
            detail: record.detail, error: record.error)
    }
}

extension Failure {
    init(_ error: DrawbridgeError) {
        self.init(
            kind: error.kind.rawValue, object: error.object, cause: error.cause, advice: error.advice)
    }
}

// From the wire to the model: every text is checked here, before the engine sees it.

/// Reads texts of a request into types of the model.
enum Mapping {
    static func linkName(_ text: String, _ field: String) throws(DrawbridgeError) -> LinkName {
        guard let name = LinkName(text) else {
            throw DrawbridgeError(
                .invalidArgument, field, whyNotLinkName(text) ?? "'\(text)' is not a device's name")
        }
        return name
    }

    static func vifID(_ text: String) throws(DrawbridgeError) -> VifID {
        // The command takes `3.1` as well; on the wire and in files it is always `vif3.1`.
        guard let id = VifID(text) ?? VifID("vif\(text)") else {
            throw DrawbridgeError(
                .invalidArgument, "vif '\(text)'", "is not the name of a vif", advice: "like vif3.1")
        }
        return id
    }

    /// Reads a specification but for the id, which may have to be chosen.
    static func request(
        _ specification: VifSpecification, id: VifID, owner: UInt32
    ) throws(DrawbridgeError) -> VifRequest {
        var request = VifRequest(id: id, source: try source(specification, owner: owner))
        if let text = specification.bridge {
            request.bridge = try linkName(text, "bridge").bridgeAliasResolved
        }
        if let text = specification.mac { request.mac = try guestAddress(text) }
        request.addresses = try addresses(specification.addresses ?? [])
        if let mtu = specification.mtu {
            // The least that IPv4 needs (RFC 791), the most that an Ethernet device takes (ETH_MAX_MTU).
            guard (68...65535).contains(mtu) else {
                throw DrawbridgeError(.invalidArgument, "mtu \(mtu)", "is not between 68 and 65535")
            }
            request.mtu = mtu
        }
        if let text = specification.vifName { request.vifName = try linkName(text, "vifName") }
        request.rate = try specification.rate.map { (text) throws(DrawbridgeError) in try rate(text, "rate") }
        request.rateIn = try specification.rateIn.map { (text) throws(DrawbridgeError) in
            try rate(text, "rateIn")
        }
        request.ratePackets = try specification.ratePackets.map { (text) throws(DrawbridgeError) in
            try packets(text, "ratePackets")
        }
        request.rateInPackets = try specification.rateInPackets.map { (text) throws(DrawbridgeError) in
            try packets(text, "rateInPackets")
        }
        request.isIsolated = specification.isolated
        request.vlans = try specification.vlan.map { (text) throws(DrawbridgeError) in try vlans(text) }
        if let text = specification.domain { request.domainName = try line(text, "domain") }
        request.owner = owner
        return request
    }

    /// Reads the addresses and prefixes of a guest.
    static func addresses(_ texts: [String]) throws(DrawbridgeError) -> [Prefix] {
        try texts.map { (text) throws(DrawbridgeError) in
            do throws(GuestAddress.Problem) { return try GuestAddress.read(text) } catch {
                throw DrawbridgeError(.invalidArgument, "ip", error.message)
            }
        }
    }

    /// Reads a rate, the key and the value named in the error.
    static func rate(_ text: String, _ field: String) throws(DrawbridgeError) -> RateLimit {
        let text = try line(text, field)
        do throws(RateText.Problem) { return try RateText.read(text).limit } catch {
            throw DrawbridgeError(.invalidArgument, field, error.message)
        }
    }

    /// Reads the VLANs of a bridge's port.
    static func vlans(_ text: String) throws(DrawbridgeError) -> PortVLANs {
        guard let vlans = VLANText.read(text) else {
            throw DrawbridgeError(
                .invalidArgument, "vlan '\(try line(text, "vlan"))'", "is not \(VLANText.expected)")
        }
        return vlans
    }

    /// Reads how the limits of a vif are to change.
    static func limits(_ request: SetVif) throws(DrawbridgeError) -> LimitsChange {
        var change = LimitsChange()
        if let text = request.rate { change.rate = try rate(text, "rate") }
        if let text = request.rateIn { change.rateIn = try rate(text, "rateIn") }
        if let text = request.ratePackets { change.ratePackets = try packets(text, "ratePackets") }
        if let text = request.rateInPackets { change.rateInPackets = try packets(text, "rateInPackets") }
        return change
    }

    /// Reads a limit of packets, the key and the value named in the error.
    static func packets(_ text: String, _ field: String) throws(DrawbridgeError) -> PacketLimit {
        let text = try line(text, field)
        do throws(PacketLimit.Problem) { return try PacketLimit(reading: text) } catch {
            throw DrawbridgeError(.invalidArgument, field, error.message)
        }
    }

    /// What of a rate was understood otherwise than a reader may expect, a line each.
    static func notices(_ rate: String?, _ rateIn: String?) -> [String] {
        [("rate", rate), ("rateIn", rateIn)].flatMap { field, text in
            let reading = text.flatMap { try? RateText.read($0) }
            return (reading?.notices ?? []).map { "\(field): \($0)" }
        }
    }

    static func source(
        _ specification: VifSpecification, owner: UInt32
    ) throws(DrawbridgeError) -> VifSource {
        if let tap = specification.tap {
            guard specification.device == nil, specification.guestName == nil else {
                throw DrawbridgeError(
                    .invalidArgument, "tap", "is made, and has neither a device that exists nor another end")
            }
            return .tap(try options(tap, owner: owner))
        }
        if let device = specification.device {
            guard specification.guestName == nil else {
                throw DrawbridgeError(
                    .invalidArgument, "guestName", "has no meaning for a device that exists already")
            }
            return .existing(try linkName(device, "device"))
        }
        return .pair(guestName: try linkName(specification.guestName ?? "eth0", "guestName"))
    }

    /// What a tap is to be; who asks for it may open it where nobody is named.
    private static func options(_ tap: TapReport, owner: UInt32) throws(DrawbridgeError) -> TapOptions {
        // -1 is nobody's number; the kernel would refuse it.
        for (field, number) in [("owner", tap.owner), ("group", tap.group)] where number == .max {
            throw DrawbridgeError(.invalidArgument, "tap: \(field)", "\(UInt32.max) is nobody's number")
        }
        var options = TapOptions()
        options.owner = tap.owner ?? (tap.group == nil ? owner : nil)
        options.group = tap.group
        options.isMultiQueue = tap.multiQueue ?? false
        options.hasVirtioHeader = tap.virtioHeader ?? false
        return options
    }

    static func network(
        _ name: String, _ specification: NetworkSpecification
    ) throws(DrawbridgeError) -> Network {
        let uplink: UplinkChoice
        if let text = specification.uplink {
            guard specification.defaultRoute != true else {
                throw DrawbridgeError(
                    .invalidArgument, "uplink", "is named, and the default route's is asked for")
            }
            uplink = .named(try linkName(text, "uplink"))
        } else {
            uplink = specification.defaultRoute == true ? .defaultRoute : .none
        }
        let bridge = try specification.bridge.map { text throws(DrawbridgeError) in
            try linkName(text, "bridge").bridgeAliasResolved
        }
        var network = Network(name: try linkName(name, "network"), bridge: bridge, uplink: uplink)
        try route(&network, specification)
        if let value = specification.antispoof { network.filter.isOn = value }
        if let value = specification.multicastSnooping { network.multicastSnooping = value }
        if let text = specification.uplinkReferences {
            network.uplinkReferences = try choice(text, "uplinkReferences")
        }
        if let text = specification.foreignManager {
            network.foreignManager = try choice(text, "foreignManager")
        }
        if let text = specification.networkRoot { network.networkRoot = try choice(text, "networkRoot") }
        if let value = specification.vlanFiltering { network.vlanFiltering = value ? true : nil }
        if let value = specification.isolateGuests { network.isolatesGuests = value }
        if let text = specification.dhcpClient { network.dhcpClient = try choice(text, "dhcpClient") }
        return network
    }

    private static func guestAddress(_ text: String) throws(DrawbridgeError) -> MACAddress {
        guard let mac = MACAddress(text), !mac.isMulticast, mac.value != 0 else {
            throw DrawbridgeError(
                .invalidArgument, "mac '\(text)'", "is not the address of one interface",
                advice: "like 00:16:3e:00:00:01")
        }
        return mac
    }

    static func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ text: String, _ field: String
    ) throws(DrawbridgeError) -> Choice {
        guard let choice = Choice(rawValue: text) else {
            let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw DrawbridgeError(.invalidArgument, "\(field) '\(text)'", "is not one of \(known)")
        }
        return choice
    }

    static func line(_ text: String, _ field: String) throws(DrawbridgeError) -> String {
        guard (1...255).contains(text.utf8.count),
            text.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 })
        else {
            throw DrawbridgeError(
                .invalidArgument, field, "is empty, longer than 255 octets or has control characters")
        }
        return text
    }
}
