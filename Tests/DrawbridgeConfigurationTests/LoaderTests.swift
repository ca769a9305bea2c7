import DrawbridgeConfiguration
import DrawbridgeModel
import Glibc
import Testing

@Suite struct LoaderTests {
    @Test("§7-100: the file is the one named, else XEND_CONFIG's, else the native one, else xend's")
    func choice() {
        let xend = ["XEND_CONFIG": "/x.sxp"]
        #expect(ConfigurationLoader.choose(path: "/a", environment: xend) { _ in true } == .explicit("/a"))
        #expect(ConfigurationLoader.choose(path: nil, environment: xend) { _ in true } == .standard("/x.sxp"))
        #expect(
            ConfigurationLoader.choose(path: nil, environment: ["XEND_CONFIG": ""]) { _ in true }
                == .standard("/etc/drawbridge/drawbridge.yaml"))
        #expect(
            ConfigurationLoader.choose(path: nil, environment: [:]) { _ in false }
                == .standard("/etc/xen/xend-config.sxp"))
    }

    @Test("§7-100: without a file the defaults hold and a note says so; one that was named has to be there")
    func missing() throws {
        let loaded = try ConfigurationLoader.load(
            path: nil, environment: ["XEND_CONFIG": "/x.sxp"], readFile: { _ in nil })
        #expect(loaded.configuration == Configuration())
        #expect(
            loaded.diagnostics.map(\.description) == [
                "/x.sxp: note: Config file does not exist: /x.sxp; the defaults hold"
            ])
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationLoader.load(path: "/a.yaml", environment: [:], readFile: { _ in nil })
        }
        #expect(error?.description == "/a.yaml: Config file does not exist")
    }

    @Test func theFormatIsToldBySuffixElseByContent() throws {
        #expect(ConfigurationFormat(path: "a.sxp", text: "version: 1") == .sxp)
        #expect(ConfigurationFormat(path: "a.yml", text: "(") == .yaml)
        #expect(ConfigurationFormat(path: "a", text: "# x\n\n  # y\n (network-script a)") == .sxp)
        #expect(ConfigurationFormat(path: "a", text: "# (x)\nversion: 1") == .yaml)
        let loaded = try ConfigurationLoader.load(
            path: "/some/file", environment: [:], readFile: { _ in "(network-script network-bridge)" })
        #expect(loaded.format == .sxp)
        #expect(loaded.path == "/some/file")
        #expect(loaded.configuration.networkScript?.builtIn == .networkBridge)
    }

    @Test func filesThatCannotBeRead() throws {
        var template = Array("/tmp/drawbridge-test-XXXXXX".utf8CString)
        let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        let file = directory + "/config"
        defer {
            unlink(file)
            rmdir(directory)
        }
        func write(_ octets: [UInt8]) throws {
            let stream = try #require(fopen(file, "w"))
            #expect(fwrite(octets, 1, octets.count, stream) == octets.count)
            fclose(stream)
        }
        func message() -> String? {
            let error = #expect(throws: ConfigurationError.self) {
                try ConfigurationLoader.load(path: file, environment: [:])
            }
            return error?.description
        }
        #expect(message() == "\(file): Config file does not exist")
        try write(Array("version: 1\nscript-timeout: 9\n".utf8))
        #expect(try ConfigurationLoader.load(path: file, environment: [:]).configuration.scriptTimeout == 9)
        try write(Array("version: 1\n# ".utf8) + [0xff, 0x0a])
        #expect(message() == "\(file):2: is not UTF-8 from this line on")
        try write([UInt8](repeating: 0x23, count: 1 << 20 | 1))
        #expect(message() == "\(file): has more than 1048576 octets")
        let error = #expect(throws: ConfigurationError.self) {
            try ConfigurationLoader.load(path: directory, environment: [:])
        }
        #expect(error?.description == "\(directory): cannot be read: Is a directory")
    }

    @Test func aDiagnosticIsOneLine() {
        let diagnostic = Diagnostic(
            .warning, file: "f", line: 3, column: 7, key: "a\nb", "c\td", suggestion: "e")
        #expect(diagnostic.description == "f:3:7: warning: a b: c d; did you mean 'e'?")
    }
}
