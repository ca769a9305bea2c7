import Netlink
import TestSupport
import Testing

@testable import Nftables

/// Forwarding at the ingress hook, as nft(8) shows it.
@Suite struct IngressForwardingTests {
    private func addDevices() throws -> Int32 {
        try run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other0")
        let line = try run("ip", "-o", "link", "show", "dev", "other0")
        return try #require(Int32(line.prefix { $0 != ":" }))
    }

    @Test("what is installed forwards the device's frames, behind every filter")
    func installs() async throws {
        try await withTestNamespace {
            let index = try addDevices()
            var socket = try NftablesSocket()
            try socket.install(IngressForwarding(table: "way", from: "eth0", to: index))
            let text = try run("nft", "list", "ruleset")
            #expect(text.contains("table netdev way"))
            #expect(text.contains("type filter hook ingress device \"eth0\" priority 2147418112"))
            #expect(text.contains("fwd to \"other0\""))
            #expect(!text.contains("!="))
        }
    }

    @Test("frames with a tag can be left alone")
    func untagged() async throws {
        try await withTestNamespace {
            let index = try addDevices()
            var socket = try NftablesSocket()
            try socket.install(IngressForwarding(table: "way", from: "eth0", to: index, onlyUntagged: true))
            let text = try run("nft", "list", "ruleset")
            #expect(text.contains("@ll,96,16 != 0x8100"))
            #expect(text.contains("@ll,96,16 != 0x88a8"))
        }
    }

    @Test("installing again replaces, removing twice does nothing, and other tables stay")
    func replaces() async throws {
        try await withTestNamespace {
            let index = try addDevices()
            try run("nft", "add table netdev other")
            var socket = try NftablesSocket()
            try socket.install(IngressForwarding(table: "way", from: "eth0", to: index))
            try socket.install(IngressForwarding(table: "way", from: "other0", to: index))
            let text = try run("nft", "list", "table", "netdev", "way")
            #expect(text.contains("device \"other0\"") && !text.contains("device \"eth0\""))
            try socket.remove(forwarding: "way")
            try socket.remove(forwarding: "way")
            #expect(try run("nft", "list", "ruleset") == "table netdev other {\n}\n")
        }
    }

    @Test("a device that is not there is an error with the kernel's number, and leaves no table behind")
    func refused() async throws {
        try await withTestNamespace {
            var socket = try NftablesSocket()
            let forwarding = IngressForwarding(table: "way", from: "a-name-longer-than-any", to: 1)
            #expect(throws: NftablesError.self) { try socket.install(forwarding) }
            #expect(try run("nft", "list", "ruleset").isEmpty)
        }
    }
}
