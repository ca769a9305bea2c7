import NetworkTypes
import Testing

@Suite struct HardwareAddressTests {
    @Test func printing() {
        #expect(MACAddress(value: 0x0016_3e5e_6c00).description == "00:16:3e:5e:6c:00")
        #expect(MACAddress.xenVif.description == "fe:ff:ff:ff:ff:ff")
        #expect(MACAddress(value: .max).value == 0xffff_ffff_ffff)
        #expect(MACAddress("00:16:3e:00:00:01")?.octets == [0, 0x16, 0x3e, 0, 0, 1])
    }

    @Test(arguments: ["00:16:3e:5e:6c:00", "00:16:3E:5E:6C:00", "0:16:3e:5e:6c:0", "00-16-3e-5e-6c-00"])
    func spellings(text: String) { #expect(MACAddress(text)?.value == 0x0016_3e5e_6c00) }

    @Test(arguments: [
        "", "00:16:3e:5e:6c", "00:16:3e:5e:6c:00:00", "00:16:3e:5e:6c:0g", "000:16:3e:5e:6c:00",
        "00:16:3e:5e:6c:",
        "00163e5e6c00", " 00:16:3e:5e:6c:00", "+0:16:3e:5e:6c:00", "00:16:3e:5e:6c:٠٠", "００:16:3e:5e:6c:00",
    ])
    func refused(text: String) { #expect(MACAddress(text) == nil) }

    @Test func kinds() {
        #expect(MACAddress("01:00:5e:00:00:01")?.isMulticast == true)
        #expect(MACAddress("ff:ff:ff:ff:ff:ff")?.isMulticast == true)
        #expect(MACAddress("00:16:3e:00:00:01")?.isMulticast == false)
        #expect(MACAddress("00:16:3e:5e:6c:01")?.linkLocal.description == "fe80::216:3eff:fe5e:6c01")
        #expect(MACAddress.xenVif.linkLocal.description == "fe80::fcff:ffff:feff:ffff")
    }

    @Test func whateverIsPrintedIsReadBack() {
        for _ in 0..<1000 {
            let address = MACAddress(value: .random(in: 0...0xffff_ffff_ffff))
            #expect(MACAddress(address.description) == address)
            #expect(MACAddress(octets: address.octets) == address)
        }
        #expect(MACAddress(octets: [1, 2, 3]) == nil)
    }
}
