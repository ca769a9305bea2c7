import Testing
import Varlink

@testable import OVSDB

@Suite("Requests to OVSDB, octet by octet")
struct RequestTests {
    private func text(_ operation: OVSDB.Operation) -> String { "\(operation.json)" }

    @Test("a transaction is one JSON-RPC request without blanks")
    func request() {
        let octets = Session.request(7, "Open_vSwitch", [.comment("x")])
        #expect(
            String(decoding: octets, as: UTF8.self)
                == #"{"id":7,"method":"transact","params":["Open_vSwitch",{"comment":"x","op":"comment"}]}"#)
    }

    @Test("an echo is answered with what it came with")
    func echo() {
        let octets = Session.echo("echo", ["a", 1])
        #expect(
            String(decoding: octets, as: UTF8.self) == #"{"error":null,"id":"echo","result":["a",1]}"#)
    }

    @Test("an insertion names its row for the operations beside it")
    func insertion() {
        let operation = OVSDB.Operation.insert(
            into: "Port",
            row: [
                "name": .string("vif5.0"), "interfaces": .named("interface"), "tag": .optional(5),
                "external_ids": .texts(["b": "2", "a": "it's \"1\""]),
            ], name: "port")
        let expected =
            #"{"op":"insert","row":{"external_ids":["map",[["a","it's \"1\""],["b","2"]]],"#
            + #""interfaces":["named-uuid","interface"],"name":"vif5.0","tag":["set",[5]]},"#
            + #""table":"Port","uuid-name":"port"}"#
        #expect(text(operation) == expected)
        #expect(
            text(.insert(into: "T", row: ["tag": .optional(nil)]))
                == #"{"op":"insert","row":{"tag":["set",[]]},"table":"T"}"#)
    }

    @Test("a mutation, an update and a selection by a condition")
    func changes() {
        let ports = Condition("ports", .includes, .set([.uuid("u")]))
        #expect(
            text(.mutate("Bridge", where: [ports], [Mutation("ports", .delete, .set([.uuid("u")]))]))
                == #"{"mutations":[["ports","delete",["set",[["uuid","u"]]]]],"op":"mutate","table":"Bridge","where":[["ports","includes",["set",[["uuid","u"]]]]]}"#
        )
        #expect(
            text(.mutate("Open_vSwitch", where: [], [Mutation("next_cfg", .add, .integer(1))]))
                == #"{"mutations":[["next_cfg","+=",1]],"op":"mutate","table":"Open_vSwitch","where":[]}"#)
        #expect(
            text(
                .update("Port", where: [Condition("_uuid", .equals, .uuid("u"))], row: ["p": .boolean(true)]))
                == #"{"op":"update","row":{"p":true},"table":"Port","where":[["_uuid","==",["uuid","u"]]]}"#)
        #expect(
            text(.select(from: "Bridge", where: [], columns: ["_uuid", "name"]))
                == #"{"columns":["_uuid","name"],"op":"select","table":"Bridge","where":[]}"#)
    }

    @Test("a wait tells what for, and how long")
    func wait() {
        let operation = OVSDB.Operation.wait(
            "Open_vSwitch", where: [], columns: ["cur_cfg"], .different, rows: [["cur_cfg": .integer(3)]],
            timeout: 500)
        #expect(
            text(operation)
                == #"{"columns":["cur_cfg"],"op":"wait","rows":[{"cur_cfg":3}],"table":"Open_vSwitch","timeout":500,"until":"!=","where":[]}"#
        )
    }
}

@Suite("Answers of OVSDB")
struct AnswerTests {
    private func results(_ text: String, count: Int) throws -> [OperationResult] {
        try Session.results(of: try JSONValue(parsing: Array(text.utf8)), count: count)
    }

    @Test("rows, counts and inserted rows are read")
    func reading() throws {
        let found = try results(
            #"{"id":0,"error":null,"result":[{"rows":[{"_uuid":["uuid","u"],"tag":5,"trunks":["set",[6,7]],"external_ids":["map",[["k","v"]]]}]},{"uuid":["uuid","w"]},{"count":1},{}]}"#,
            count: 4)
        #expect(found[0].rows[0]["_uuid"]?.uuid == "u")
        #expect(found[0].rows[0]["tag"]?.atoms == [.integer(5)])
        #expect(found[0].rows[0]["trunks"]?.atoms == [.integer(6), .integer(7)])
        #expect(found[0].rows[0]["external_ids"]?.texts == ["k": "v"])
        #expect(found[1].uuid == "w")
        #expect(found[2].count == 1)
    }

    @Test("a refusal is told with its operation, also one of the constraints at the end")
    func refusals() {
        #expect(throws: DatabaseError.refused(operation: 1, name: "timed out", details: nil)) {
            try results(#"{"id":0,"error":null,"result":[{},{"error":"timed out"},null]}"#, count: 3)
        }
        #expect(
            throws: DatabaseError.refused(operation: 1, name: "constraint violation", details: "twice")
        ) {
            try results(
                #"{"id":0,"error":null,"result":[{},{"error":"constraint violation","details":"twice"}]}"#,
                count: 1)
        }
    }

    @Test(
        "what is no answer is refused",
        arguments: [
            #"{"id":0,"error":null,"result":[]}"#, #"{"id":0}"#, #"{"id":0,"error":"unknown database"}"#,
            #"{"id":0,"result":[{"rows":[{"c":["what",1]}]}]}"#,
            #"{"id":0,"result":[{"rows":[{"c":null}]}]}"#,
        ])
    func malformed(text: String) {
        #expect(throws: DatabaseError.self) { try results(text, count: 1) }
    }
}

@Suite("Finding the ends of messages")
struct SplitterTests {
    @Test(
        "messages follow each other without anything between them, and come in pieces of any length",
        arguments: 1...9)
    func pieces(length: Int) throws {
        let messages = [#"{"a":"}{\"\\"}"#, #"{"b":[{},[1]]}"#, "{}"]
        var rest = Array(messages.joined().utf8)[...]
        var splitter = MessageSplitter()
        var found: [String] = []
        while !rest.isEmpty {
            splitter.append(rest.prefix(length))
            rest = rest.dropFirst(length)
            while let message = try splitter.next() { found.append(String(decoding: message, as: UTF8.self)) }
        }
        #expect(found == messages)
    }

    @Test("what is no object or array is refused at once", arguments: ["x", "1{}", "}", "]"])
    func garbage(text: String) {
        var splitter = MessageSplitter()
        splitter.append(Array(text.utf8))
        #expect(throws: DatabaseError.self) { try splitter.next() }
    }
}
