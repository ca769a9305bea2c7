import DrawbridgeModel
import NetworkTypes
import Testing

@Suite struct VLANTextTests {
    @Test(
        "VLANs as people write them are read, and written the same way",
        arguments: [
            ("10", 10, []), ("10:20:30-32", 10, [20, 30, 31, 32]), (":20", nil, [20]), ("4094", 4094, []),
        ] as [(String, UInt16?, [UInt16])])
    func read(text: String, untagged: UInt16?, tagged: [UInt16]) throws {
        let vlans = try #require(VLANText.read(text))
        #expect(vlans == PortVLANs(untagged: untagged, tagged: tagged))
        #expect(VLANText.read(vlans.text) == vlans)
    }

    @Test(
        "What is no VLAN is refused",
        arguments: [
            "", ":", "0", "4095", "65536", "a", "10:", "10:10", "10-20", "10:30-20", "-10", "10:20-", "1 0",
            "+5",
        ])
    func refused(text: String) { #expect(VLANText.read(text) == nil) }

    @Test(
        "xl's notation is read",
        arguments: [
            ("10p", 10, []), ("10p/20/30-32", 10, [20, 30, 31, 32]), ("20/30", nil, [20, 30]),
            ("100+10x3", nil, [100, 110, 120]), ("10p/10u", 10, []),
        ] as [(String, UInt16?, [UInt16])])
    func readXen(text: String, untagged: UInt16?, tagged: [UInt16]) {
        #expect(VLANText.readXen(text) == PortVLANs(untagged: untagged, tagged: tagged))
    }

    @Test(
        "What xl does not write is refused, and what a port of Drawbridge's cannot be",
        arguments: [
            "", "/", "10p/11p", "10u", "10-11p", "0p", "4000+100x2", "10+1", "10x3", "a", "10p//20",
            "4094+1x65535",
        ])
    func refusedXen(text: String) { #expect(VLANText.readXen(text) == nil) }
}
