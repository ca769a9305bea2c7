import NetworkTypes
import Testing

@testable import DrawbridgeHost

/// The frames are compared with what scapy makes of the same contents.
@Suite struct FrameTests {
    let mac = MACAddress(value: 0x0200_0000_0001)

    private func hex(_ octets: [UInt8]) -> String {
        octets.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test("an IGMPv3 report is what RFC 3376 draws, with the router alert option")
    func igmp() throws {
        let groups = try ["224.0.0.1", "224.0.0.251", "239.1.2.3"].map { try #require(IPv4Address($0)) }
        let source = try #require(IPv4Address("192.0.2.10"))
        let frames = MulticastReport.igmp(groups: groups, from: mac, source: source)
        #expect(
            frames.map(hex) == [
                "01005e000016020000000001080046c0003000004000010241e7c000020ae00000169404000022"
                    + "0003fd0000000204000000e00000fb04000000ef010203"
            ])
    }

    @Test("an MLDv2 report is what RFC 3810 draws, and leaves out what is never reported")
    func mld() throws {
        let groups = try ["ff02::1", "ff01::2", "ff02::1:ff00:1", "ff05::101"].map {
            try #require(IPv6Address($0))
        }
        let frames = MulticastReport.mld(groups: groups, from: mac, source: mac.linkLocal)
        #expect(
            frames.map(hex) == [
                "33330000001602000000000186dd6000000000380001fe80000000000000000000fffe000001ff"
                    + "0200000000000000000000000000163a000502000001008f006deb0000000204000000ff02"
                    + "00000000000000000001ff00000104000000ff050000000000000000000000000101"
            ])
    }

    @Test("many groups are reported in as many frames as the MTU asks for")
    func chunks() {
        let groups = (0..<400).map { IPv4Address(value: 0xef00_0000 + UInt32($0)) }
        let frames = MulticastReport.igmp(groups: groups, from: mac, source: IPv4Address(value: 0))
        #expect(frames.count == 3)
        #expect(frames.allSatisfy { $0.count <= 1514 })
        #expect(frames.map { ($0.count - 14 - 24 - 8) / 8 }.reduce(0, +) == 400)
        #expect(MulticastReport.mld(groups: [], from: mac, source: mac.linkLocal).isEmpty)
    }

    @Test("a router solicitation tells the hardware address only with a source address")
    func solicitation() {
        #expect(
            hex(RouterSolicitation.frame(from: mac, source: mac.linkLocal))
                == "33330000000202000000000186dd6000000000103afffe80000000000000000000fffe000001ff02"
                + "000000000000000000000000000285007b2c000000000101020000000001")
        let bare = RouterSolicitation.frame(from: mac, source: IPv6Address(value: 0))
        #expect(bare.count == 14 + 40 + 8)
    }

    @Test("memberships are read as the kernel prints them")
    func memberships() {
        let igmp = """
            Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter
            1\tlo        :     1      V3
            \t\t\t\t010000E0     1 0:00000000\t\t0
            7\teth0      :     2      V3
            \t\t\t\tFB0000E0     1 0:00000000\t\t0
            \t\t\t\t010000E0     1 0:00000000\t\t0
            """
        #expect(
            MulticastMembership.parseIGMP(igmp, index: 7).map(\.description) == ["224.0.0.251", "224.0.0.1"])
        #expect(MulticastMembership.parseIGMP(igmp, index: 2).isEmpty)
        let igmp6 = """
            1    lo              ff020000000000000000000000000001     1 0000000C 0
            7    eth0            ff0200000000000000000001ff000001     2 00000004 0
            """
        #expect(
            MulticastMembership.parseIGMP6(igmp6, index: 7).map(\.description) == ["ff02::1:ff00:1"])
    }
}
