import Testing
import Varlink

@Suite("Framing")
struct FramingTests {
    @Test("messages are found however the octets are split", arguments: 1...12)
    func splits(size: Int) throws {
        let messages = ["{}", "", "abc", String(repeating: "x", count: 40)]
        let octets: [UInt8] = messages.reduce(into: []) { $0 += Array($1.utf8) + [0] }
        var reader = FrameReader()
        var found: [String] = []
        for start in stride(from: 0, to: octets.count, by: size) {
            reader.append(octets[start..<min(start + size, octets.count)])
            while let message = try reader.next() { found.append(String(decoding: message, as: UTF8.self)) }
        }
        #expect(found == messages)
        #expect(!reader.isInsideMessage)
    }

    @Test("a message of the limit passes, and one octet more does not, ended or not")
    func limit() throws {
        var reader = FrameReader(limit: 8)
        reader.append(Array(repeating: 1, count: 8) + [0])
        #expect(try reader.next()?.count == 8)
        var ended = FrameReader(limit: 8)
        ended.append(Array(repeating: 1, count: 9) + [0])
        #expect(throws: FramingError.tooLarge(limit: 8)) { try ended.next() }
        var open = FrameReader(limit: 8)
        open.append(Array(repeating: 1, count: 8))
        #expect(try open.next() == nil)
        #expect(open.isInsideMessage)
        open.append([1])
        #expect(throws: FramingError.tooLarge(limit: 8)) { try open.next() }
    }

    @Test("what came before a message that is too long is still given out")
    func before() throws {
        var reader = FrameReader(limit: 4)
        reader.append(Array("ab".utf8) + [0] + Array("toolong".utf8) + [0])
        #expect(try reader.next() == Array("ab".utf8))
        #expect(throws: FramingError.self) { try reader.next() }
    }
}

@Suite("Messages")
struct MessageTests {
    @Test("a call is read as it was written")
    func call() throws {
        let call = Call("org.example.Do", parameters: ["a": 1], more: true)
        #expect(call.octets.last == 0)
        let read = try Call(parsing: call.octets.dropLast())
        #expect(read == call)
        #expect(read.interface == "org.example")
        #expect(read.name == "Do")
    }

    @Test(
        "what is no call is refused",
        arguments: [
            "[]", "1", "{}", #"{"method":1}"#, #"{"method":"noDot"}"#, #"{"method":"a."}"#,
            #"{"method":".a"}"#,
            #"{"method":"a.B","parameters":[]}"#, #"{"method":"a.B","more":1}"#,
            #"{"method":"a.B","upgrade":true}"#, #"{"method":"a.B","more":true,"oneway":true}"#, "x",
        ])
    func notACall(text: String) {
        #expect(throws: MessageError.self) { try Call(parsing: Array(text.utf8)) }
    }

    @Test("a reply is read as it was written")
    func reply() throws {
        let reply = Reply(["x": "y"], continues: true)
        #expect(try Reply(parsing: reply.octets.dropLast()) == reply)
        let error = Reply(CallError.methodNotFound("a.B"))
        #expect(try Reply(parsing: error.octets.dropLast()).error == "org.varlink.service.MethodNotFound")
    }
}
