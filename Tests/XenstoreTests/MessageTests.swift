import Testing

@testable import Xenstore

@Suite("The store's messages")
struct MessageTests {
    private func octets(_ kind: UInt8, _ request: UInt8, _ transaction: UInt8, _ text: String) -> [UInt8] {
        [kind, 0, 0, 0, request, 0, 0, 0, transaction, 0, 0, 0, UInt8(text.utf8.count), 0, 0, 0]
            + Array(text.utf8)
    }

    static let requests: [(StoreRequest, UInt8, String)] = [
        (.read("backend/vif/3/0/mac"), 2, "backend/vif/3/0/mac\0"),
        (.write("/a", Array("connected".utf8)), 11, "/a\0connected"),
        (.write("/a", []), 11, "/a\0"),
        (.directory("/local/domain"), 1, "/local/domain\0"),
        (.directoryPart("/local", offset: 4000), 22, "/local\u{0}4000\0"),
        (.makeDirectory("/a/b"), 12, "/a/b\0"),
        (.remove("/a/b"), 13, "/a/b\0"),
        (.getPermissions("/a"), 3, "/a\0"),
        (
            .setPermissions(
                "/a", [StorePermission(.none, domain: 0), StorePermission(.both, domain: 3)]), 14,
            "/a\0n0\0b3\0"
        ),
        (.watch("@introduceDomain", token: "t"), 4, "@introduceDomain\0t\0"),
        (.unwatch("backend/vif", token: "t"), 5, "backend/vif\0t\0"),
        (.startTransaction, 6, "\0"),
        (.endTransaction(commit: true), 7, "T\0"),
        (.endTransaction(commit: false), 7, "F\0"),
        (.introduce(domain: 3, frame: 4096, eventChannel: 1), 8, "3\u{0}4096\u{0}1\0"),
        (.release(domain: 3), 9, "3\0"),
        (.isIntroduced(domain: 3), 17, "3\0"),
        (.domainPath(3), 10, "3\0"),
    ]

    @Test("each request is these octets", arguments: requests)
    func encoding(request: StoreRequest, kind: UInt8, payload: String) throws {
        let message = try request.message(request: 7, transaction: 5)
        #expect(message.octets == octets(kind, 7, 5, payload))
    }

    @Test("messages are found however the octets are cut", arguments: 1...20)
    func cutting(size: Int) throws {
        let messages = try Self.requests.map { try $0.0.message(request: 9, transaction: 1) }
        let octets = messages.flatMap(\.octets)
        var parser = StoreMessageParser()
        var found: [StoreMessage] = []
        for start in stride(from: 0, to: octets.count, by: size) {
            parser.append(octets[start..<min(start + size, octets.count)])
            while let message = try parser.next() { found.append(message) }
        }
        #expect(found == messages)
    }

    @Test("a message that claims more than any may carry is refused")
    func tooLong() {
        var parser = StoreMessageParser()
        parser.append([2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 16, 0, 0])
        #expect(throws: StoreError.malformed("a message of 4097 octets")) { try parser.next() }
    }

    @Test(
        "what is no path is refused before it is sent",
        arguments: ["", "a//b", "/a/", "a b", "/a\0b", "/ä", String(repeating: "a", count: 2049)])
    func paths(path: String) {
        #expect(throws: StoreError.self) { try StoreRequest.read(path).message(request: 1, transaction: 0) }
    }

    @Test("a value that does not fit is refused, and the longest that fits is not")
    func values() throws {
        let longest = StoreRequest.write("/a", [UInt8](repeating: 65, count: 4093))
        #expect(try longest.message(request: 1, transaction: 0).payload.count == 4096)
        #expect(throws: StoreError.self) {
            try StoreRequest.write("/a", [UInt8](repeating: 65, count: 4094)).message(
                request: 1, transaction: 0)
        }
    }

    @Test("an error is the store's own word, about what was asked")
    func errors() {
        let reply = StoreMessage(.error, request: 1, payload: Array("ENOENT\0".utf8))
        #expect(throws: StoreError.refused(code: "ENOENT", request: "read /a")) {
            try StoreReply.payload(of: reply, to: .read("/a"))
        }
        #expect(
            StoreError.refused(code: "ENOENT", request: "read /a").description
                == "xenstore: read /a: ENOENT")
    }

    @Test("permissions are read and written alike", arguments: ["n0", "r3", "w12", "b32752"])
    func permissions(text: String) throws {
        #expect(try #require(StorePermission(text)).description == text)
        #expect(StorePermission("x3") == nil)
        #expect(StorePermission("r") == nil)
    }
}
