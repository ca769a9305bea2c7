import NetworkTypes
import Testing

@Suite struct LinkNameTests {
    @Test(arguments: [
        "a", "eth0", "enp3s0", "bond0.100", "br-lan", "vif3.1-emu", "abcdefghijklmno", "eth0@x", "...",
        "naïve",
    ])
    func accepted(text: String) { #expect(LinkName(text)?.rawValue == text) }

    @Test(arguments: [
        "", ".", "..", "abcdefghijklmnop", "a b", "a/b", "a:b", "a\tb", "a\n", "\0", "vif%d", "éééééééé",
        // A kernel takes the octet 0xa0, as in this letter's UTF-8, for a blank.
        "à",
    ])
    func refused(text: String) { #expect(LinkName(text) == nil) }

    @Test func order() {
        #expect(["b", "a", "c"].compactMap { LinkName($0) }.sorted().map(\.rawValue) == ["a", "b", "c"])
    }
}
