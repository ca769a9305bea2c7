import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import NetworkTypes
import TestSupport
import Testing

/// The filter against spoofing on a kernel, with nft(8) as the witness and raw frames as the proof.
@Suite struct FilterTests {
    private func filter(_ number: UInt32, _ mode: VifFilter.Mode = .addresses, _ addresses: String...) throws
        -> VifFilter
    {
        let id = VifID(domain: number, device: 0)
        return VifFilter(
            id, device: try #require(LinkName("\(id)")), network: try #require(NetworkName("xenbr0")),
            mode: mode, mac: MACAddress(value: 0x0016_3e00_0000 + UInt64(number)),
            addresses: addresses.compactMap { Prefix($0) })
    }

    /// The elements of the table as nft lists them, the constant ones left out.
    private func elements(_ namespace: Int32) throws -> [String] {
        let text = try on(
            namespace,
            "nft -j list table netdev drawbridge 2>/dev/null | jq -c '.nftables[] | (.set // .map // empty)"
                + " | select(.elem and (.name | endswith(\"types\") | not)) | [.name, (.elem | length)]'")
        return text.split(separator: "\n").map(String.init)
    }

    @Test(
        "a vif is permitted before its device exists, and nothing of it is left when it is forbidden")
    func permission() async throws {
        let test = try TestHost()
        let filter = try filter(
            1, .addresses, "192.0.2.21", "198.51.100.0/28", "2001:db8:1::21", "2001:db8:2::/64")
        try await test.host.transact { (access) throws(DrawbridgeError) in try access.permit(filter) }
        let permitted = try elements(test.namespace)
        for part in [
            "[\"ipv4-sources\",1]", "[\"ipv4-ranges\",1]", "[\"ipv6-sources\",1]", "[\"ipv6-ranges\",1]",
            "[\"senders\",1]", "[\"modes\",1]", "[\"ipv4-protected\",1]", "[\"drops\",12]",
        ] { #expect(permitted.contains(part), "\(part) is not in \(permitted)") }
        try on(test.namespace, "ip link add vif1.0 type veth peer name p0")
        try await test.host.transact { (access) throws(DrawbridgeError) in try access.forbid(filter) }
        #expect(try elements(test.namespace) == [])
        #expect(try on(test.namespace, "nft list chain netdev drawbridge guests").contains("vif1.0") == false)
    }

    @Test(
        "what a guest sends is dropped and counted by reason, and a link-local address is pinned until it is forbidden"
    )
    func frames() async throws {
        let test = try TestHost()
        let filter = try filter(1, .addresses, "192.0.2.21", "2001:db8:1::21")
        try await test.host.transact { (access) throws(DrawbridgeError) in try access.permit(filter) }
        try on(
            test.namespace,
            "ip link add vif1.0 type veth peer name p0 && ip link set p0 address 00:16:3e:00:00:01"
                + " && ip link set vif1.0 up && ip link set p0 netns /proc/\(getpid())/fd/\(test.router)"
                + " && sysctl -qw net/ipv6/conf/vif1.0/disable_ipv6=1")
        // Raw frames by a packet socket, put together octet by octet.
        let mac = "00163e000001"
        let ipv4 = { (source: String) in "4500001c0001000040110000\(source)c0000201" + "0035003500080000" }
        let ipv6 = { (source: String) in
            "60000000000811ff" + source + "ff020000000000000000000000000001" + "0035003500080000"
        }
        let local = { (last: String) in "fe80000000000000000000000000000\(last)" }
        let frames = [
            mac + "0800" + ipv4("c0000215"), mac + "0800" + ipv4("c0000263"),
            "020000000077" + "0800" + ipv4("c0000215"),
            mac + "0806" + "0001080006040001" + mac + "c0000263" + "000000000000c0000201",
            mac + "81000005" + "0800" + ipv4("c0000215"),
            mac + "86dd" + ipv6(local("5")), mac + "86dd" + ipv6(local("6")),
            mac + "86dd" + "6000000000103aff" + "20010db8000100000000000000000021"
                + "ff020000000000000000000000000001" + "86000000400007080000000000000000",
        ].map { "ffffffffffff" + $0 }
        try on(
            test.router,
            "ip link set p0 up; python3 -c 'import socket, sys\ns = socket.socket(17, 3)\ns.bind((\"p0\", 0))\n"
                + "for f in sys.argv[1:]: s.send(bytes.fromhex(f))' " + frames.joined(separator: " "))
        let drops = try await test.host.transact { (access) throws(DrawbridgeError) in
            try access.drops(of: filter.device)
        }
        let counts = Dictionary(uniqueKeysWithValues: drops.map { ($0.reason, $0.packets) })
        #expect(counts[.hardwareAddress] == 1)
        #expect(counts[.ipv4] == 1)
        #expect(counts[.arp] == 1)
        #expect(counts[.vlan] == 1)
        #expect(counts[.routerAdvertisement] == 1)
        #expect((counts[.ipv6] ?? 0) >= 1)
        #expect(try elements(test.namespace).contains("[\"pins\",1]"))
        try await test.host.transact { (access) throws(DrawbridgeError) in try access.forbid(filter) }
        #expect(try elements(test.namespace) == [])
    }

    @Test(
        "a vif asks as much of the kernel among a hundred others as alone, and of the ruleset only elements grow"
    )
    func flat() async throws {
        let test = try TestHost()
        let filters = try (1...101).map { try filter(UInt32($0), .addresses, "10.0.0.\($0)") }
        let rules = {
            try on(
                test.namespace,
                "nft -j list table netdev drawbridge 2>/dev/null | jq '[.nftables[].rule | values] | length'")
        }
        var asked: [Int] = []
        var lengths: [String] = []
        for filter in filters {
            let cost = try await test.host.transact { (access) throws(DrawbridgeError) in
                let before = access.traffic
                try access.permit(filter)
                return access.traffic.changes - before.changes
            }
            asked.append(cost)
            if [2, 101].contains(asked.count) { lengths.append(try rules()) }
        }
        #expect(asked[1] == asked[100])
        #expect(asked[0] > asked[1])
        #expect(lengths.count == 2 && lengths[0] == lengths[1])
    }

    @Test(
        "the filter outlives a flush of the administrator's rules, where the kernel has lasting owners"
    )
    func flush() async throws {
        let test = try TestHost()
        let filter = try filter(1, .addresses, "192.0.2.21")
        try await test.host.transact { (access) throws(DrawbridgeError) in try access.permit(filter) }
        try on(test.namespace, "nft add table ip admin && nft flush ruleset")
        #expect(try on(test.namespace, "nft list tables") == "table netdev drawbridge")
        #expect(try elements(test.namespace).contains("[\"modes\",1]"))
    }

    @Test("a vif is changed in one transaction, its device and pins kept; what it had before it has no more")
    func change() async throws {
        let test = try TestHost()
        let old = try filter(1, .addresses, "192.0.2.21")
        let new = try filter(1, .addresses, "192.0.2.22", "2001:db8:1::21")
        try await test.host.transact { (access) throws(DrawbridgeError) in
            try access.permit(old)
            try access.permit(new, insteadOf: old)
        }
        let sources = try on(test.namespace, "nft list set netdev drawbridge ipv4-sources")
        #expect(sources.contains("192.0.2.22") && !sources.contains("192.0.2.21"))
        #expect(try elements(test.namespace).contains("[\"ipv6-sources\",1]"))
    }
}
