import DrawbridgeModel
import Glibc
import Testing

@testable import DrawbridgeConfiguration

/// The reference and the examples are true.
@Suite struct DocumentationTests {
    private func file(_ path: String) throws -> String {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return try #require(try readConfigurationFile("/\(root)/\(path)"))
    }

    @Test(arguments: ["drawbridge.yaml", "xend-config.sxp"])
    func examplesHold(name: String) throws {
        let loaded = try ConfigurationLoader.parse(try file("Packaging/etc/\(name)"), path: name)
        #expect(loaded.diagnostics.isEmpty)
        var expected = Configuration()
        expected.networkScript = ScriptCall(name: "network-bridge")
        #expect(loaded.configuration == expected)
    }

    @Test func theExamplesOfTheReferenceHold() throws {
        let blocks = try file("docs/configuration.md").split(
            separator: "\n```", omittingEmptySubsequences: false)
        var read = 0
        for block in blocks {
            for suffix in ["yaml", "sxp"] where block.hasPrefix("\(suffix)\n") {
                let text = String(block.dropFirst(suffix.count + 1))
                #expect(throws: Never.self) { try ConfigurationLoader.parse(text, path: "x.\(suffix)") }
                read += 1
            }
        }
        #expect(read == 4)
    }

    @Test func everyKeyIsInTheReferenceWithItsDefault() throws {
        let text = try file("docs/configuration.md")
        func row(_ name: String, _ standard: String) -> Bool {
            text.contains("\n| `\(name)` | `\(standard)` |")
        }
        let configuration = Configuration()
        for key in Key<Configuration>.daemon { #expect(row(key.name, key.write(configuration))) }
        for key in Key<NetworkSettings>.network { #expect(row(key.name, key.write(NetworkSettings()))) }
        for key in Key<Compatibility>.compatibility { #expect(row(key.name, key.write(Compatibility()))) }
        for (name, key) in ownKeys { #expect(row(name, key.write(configuration)), "\(name)") }
        for name in xendKeys.keys { #expect(text.contains("`\(name)`"), "\(name)") }
    }
}
