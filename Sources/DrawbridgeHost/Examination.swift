public import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import LinuxHeaders
import Netlink
import NetworkTypes
import Nftables
import RouteNetlink
import Synchronization

/// A part of the kernel or of the host, as it was found.
public struct ExaminedPart: Hashable, Sendable {
    public enum Verdict: String, Hashable, Sendable, CaseIterable {
        /// It is there, and works.
        case good
        /// Something works otherwise than one may think.
        case notice
        /// It is not there.
        case missing
    }

    public var name: String
    public var verdict: Verdict
    /// What was found.
    public var detail: String
    /// What follows from it; nil where nothing does.
    public var consequence: String?

    public init(_ name: String, _ verdict: Verdict, _ detail: String, _ consequence: String? = nil) {
        self.name = name
        self.verdict = verdict
        self.detail = detail
        self.consequence = consequence
    }
}

/// Tries out what Drawbridge needs of the kernel. It is done in a network namespace of its own, which goes with all that
/// was made in it: the host is not touched.
public enum Examination {
    /// - Throws: `kernel` where no namespace can be made; CAP_SYS_ADMIN and CAP_NET_ADMIN are needed.
    public static func kernel() throws(DrawbridgeError) -> [ExaminedPart] {
        try withinNamespace { access in access.examine() }
    }

    private static func withinNamespace<Found: Sendable>(
        _ look: @escaping @Sendable (inout HostAccess) -> Found
    ) throws(DrawbridgeError) -> Found {
        let thread = try KernelThread()
        defer { thread.stop() }
        let found = Mutex<Result<Found, DrawbridgeError>>(
            .failure(DrawbridgeError(.internal, "examination", "did not take place")))
        thread.performAndWait {
            let result: Result<Found, DrawbridgeError>
            do throws(DrawbridgeError) {
                guard unshare(Int32(LINUX_CLONE_NEWNET)) == 0 else {
                    throw DrawbridgeError(system: "network namespace", "cannot be made")
                }
                var access = try HostAccess()
                result = .success(look(&access))
            } catch { result = .failure(error) }
            found.withLock { $0 = result }
        }
        return try found.withLock { $0 }.get()
    }

    /// Whether the kernel's bridge can filter by VLANs, tried out in the same way.
    public static func filtersVLANs() throws(DrawbridgeError) -> Bool {
        try withinNamespace { access in access.refusesVLANFiltering() == nil }
    }

    /// What can be seen of the host itself without changing anything.
    public static func host() -> [ExaminedPart] {
        var parts: [ExaminedPart] = []
        let release =
            text(ofFile: "/proc/sys/kernel/osrelease")?.split(separator: "\n").first.map(String.init) ?? "?"
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        let isOld = numbers.count == 2 && (numbers[0], numbers[1]) < (6, 1)
        parts.append(
            ExaminedPart(
                "kernel", isOld ? .missing : .good, "Linux \(release)",
                isOld ? "Drawbridge is made for Linux 6.1 and later" : nil))
        let isFiltering = ["iptables", "ip6tables", "arptables"].filter {
            text(ofFile: "/proc/sys/net/bridge/bridge-nf-call-\($0)")?.first == "1"
        }
        if !isFiltering.isEmpty {
            parts.append(
                ExaminedPart(
                    "br_netfilter", .notice,
                    "bridged frames go through \(isFiltering.joined(separator: ", "))",
                    "rules for what the host forwards may drop what guests send each other: the kernel does so for every "
                        + "bridge, whatever is set of the bridge itself"))
        }
        return parts
    }
}

extension HostAccess {
    fileprivate mutating func examine() -> [ExaminedPart] {
        var parts: [ExaminedPart] = []
        var indexes: [String: Int32] = [:]
        for (kind, name, device, consequence) in [
            (LinkKind.bridge(BridgeSettings()), "bridge", "dbbridge", "no bridged network can be raised"),
            (
                .veth, "veth", "dbpair",
                "no pair can be made for a guest; taps and Xen's devices are not concerned"
            ),
            (.ifb, "ifb", "dbifb", "no rate from a guest can be held"),
        ] {
            var link = Link<Int32>(name: device)
            link.kind = kind
            let failure = tried { access throws(NetlinkError) in
                var batch = RouteBatch()
                batch.create(link)
                _ = try access.route.commit(&batch)
            }
            parts.append(Self.part(name, failure, consequence))
            indexes[name] = LinkName(device).flatMap { try? self.link(named: $0) }?.index
        }
        parts.append(
            refusesVLANFiltering().map { failure in
                ExaminedPart(
                    "VLAN filtering", .notice, failure,
                    "no vif can be put into a VLAN of a bridge (vlan-filtering)")
            } ?? ExaminedPart("VLAN filtering", .good, "is there"))
        parts.append(examineTap())
        if let pair = indexes["veth"] { parts += examineShaping(of: pair) }
        parts += examineNftables()
        parts.append(
            hasIPv6()
                ? ExaminedPart("IPv6", .good, "is there")
                : ExaminedPart("IPv6", .notice, "is off", "networks and guests are held to IPv4"))
        return parts
    }

    /// Why a bridge cannot be made that filters by VLANs; nil where it can.
    fileprivate mutating func refusesVLANFiltering() -> String? {
        var settings = BridgeSettings()
        settings.vlanFiltering = true
        var link = Link<Int32>(name: "dbvlans")
        link.kind = .bridge(settings)
        let failure = tried { access throws(NetlinkError) in
            var batch = RouteBatch()
            batch.create(link)
            _ = try access.route.commit(&batch)
        }
        return failure.map { "\($0)" }
    }

    private func examineTap() -> ExaminedPart {
        guard let name = LinkName("dbtap") else { return ExaminedPart("tap", .missing, "has no name") }
        var settings = TunSettings()
        settings.isTap = true
        do throws(DrawbridgeError) {
            try TunTap.create(name, settings)
            return ExaminedPart("tap", .good, "works")
        } catch {
            return ExaminedPart("tap", .missing, error.cause, "no tap can be made for QEMU or Firecracker")
        }
    }

    private mutating func examineShaping(of pair: Int32) -> [ExaminedPart] {
        let bucket = tried { access throws(NetlinkError) in
            var batch = RouteBatch()
            batch.replace(
                QueueingDiscipline(
                    device: pair, handle: 0x1_0000, parent: .rootQdisc,
                    kind: .tokenBucket(.init(rate: 1_000_000, burst: 20_000, limit: 100_000))))
            _ = try access.route.commit(&batch)
        }
        var parts = [Self.part("tbf", bucket, "no rate can be held")]
        do throws(DrawbridgeError) {
            try demandWays()
            parts.append(ExaminedPart("nf_tables fwd", .good, "leads what a guest sends to its limit"))
        } catch {
            parts.append(
                ExaminedPart("nf_tables fwd", .missing, error.cause, "no rate from a guest can be held"))
        }
        return parts
    }

    private mutating func examineNftables() -> [ExaminedPart] {
        guard let device = LinkName("dbpair"), let network = NetworkName("dbbridge") else { return [] }
        let id = VifID(domain: 0, device: 0)
        var parts: [ExaminedPart] = []
        do throws(DrawbridgeError) {
            try permit(
                VifFilter(id, device: device, network: network, mode: .addresses, mac: .xenVif))
            parts.append(ExaminedPart("nf_tables on ingress", .good, "\(filterLayout())"))
        } catch {
            parts.append(
                ExaminedPart(
                    "nf_tables on ingress", .missing, error.cause, "no guest can be held to its own addresses"
                ))
        }
        var layout = GroupLayout()
        layout.combinations[device] = 1
        do throws(DrawbridgeError) {
            try applyGroups(layout)
            parts.append(ExaminedPart("nf_tables on egress", .good, "works"))
        } catch {
            parts.append(
                ExaminedPart("nf_tables on egress", .missing, error.cause, "security groups cannot be held"))
        }
        let table = Table(.ipv4, "drawbridge-examined")
        var chain = ChainDefinition("out", in: table, hook: .postrouting(100))
        chain.type = "nat"
        do throws(NftablesError) {
            try nftables.commit { transaction in
                transaction.add(table)
                transaction.add(chain)
                transaction.add(rule: [.masquerade], to: chain.name, of: table)
            }
            parts.append(ExaminedPart("nf_tables NAT", .good, "works"))
        } catch {
            parts.append(ExaminedPart("nf_tables NAT", .missing, "\(error)", "NAT networks cannot be raised"))
        }
        return parts
    }

    /// What the kernel says to an attempt; nil where it works.
    private mutating func tried(_ body: (inout HostAccess) throws(NetlinkError) -> Void) -> NetlinkError? {
        do throws(NetlinkError) {
            try body(&self)
            return nil
        } catch { return error }
    }

    private static func part(_ name: String, _ failure: NetlinkError?, _ consequence: String) -> ExaminedPart
    {
        failure.map { ExaminedPart(name, .missing, "\($0)", consequence) }
            ?? ExaminedPart(name, .good, "works")
    }
}
