import DrawbridgeAPI
import Testing
import Varlink

@Suite("Between types and wire")
struct CodingTests {
    @Test("a request is read as it was written")
    func roundTrip() throws {
        var vif = VifSpecification()
        vif.id = "vif3.1"
        vif.addresses = ["10.0.0.1", "2001:db8::1/64"]
        vif.mtu = 1400
        let request = AddVif(vif: vif, dryRun: false)
        #expect(try Coding.decode(AddVif.self, from: Coding.encode(request)) == request)
    }

    @Test("the form on the wire stays as it is")
    func snapshots() {
        var vif = VifReport(id: "vif3.1", device: "web0", state: .waiting, owner: 1000, pair: true)
        vif.addresses = ["10.0.0.5/32"]
        vif.mac = "00:16:3e:00:00:01"
        #expect(
            Coding.encode(GetVif.Answer(vif: vif)).description
                == #"{"vif":{"addresses":["10.0.0.5/32"],"device":"web0","id":"vif3.1","#
                + #""mac":"00:16:3e:00:00:01","owner":1000,"pair":true,"state":"waiting"}}"#)
        #expect(
            Coding.encode(OutcomeAnswer(outcome: OutcomeReport(changed: true, plan: ["a"], warnings: ["w"])))
                .description == #"{"outcome":{"changed":true,"plan":["a"],"warnings":["w"]}}"#)
        #expect(
            Reply(
                Failure(kind: "NotFound", object: "eth7", cause: "no such device", advice: "look").callError
            )
            .octets.dropLast()
                == Array(
                    (#"{"error":"io.drawbridge.NotFound","parameters":"#
                        + #"{"advice":"look","cause":"no such device","object":"eth7"}}"#).utf8))
    }

    @Test(
        "what a method does not know is refused by its path",
        arguments: [
            (#"{"vif":{},"colour":"red"}"#, "colour"), (#"{"vif":{"colour":"red"}}"#, "vif.colour"),
            (#"{}"#, "vif"), (#"{"vif":7}"#, "vif"), (#"{"vif":{"mtu":"big"}}"#, "vif.mtu"),
            (#"{"vif":{"addresses":[1]}}"#, "vif.addresses.[0]"),
            (#"{"vif":{},"dryRun":"yes"}"#, "dryRun"),
        ])
    func refused(text: String, parameter: String) throws {
        let parameters = try JSONValue(parsing: text.utf8)
        #expect(throws: CallError.invalidParameter(parameter)) {
            try Coding.decode(AddVif.self, from: parameters)
        }
    }

    @Test("a number that does not fit is named")
    func range() throws {
        let parameters = try JSONValue(parsing: #"{"vif":{"mtu":-1}}"#.utf8)
        #expect(throws: CallError.invalidParameter("vif.mtu")) {
            try Coding.decode(AddVif.self, from: parameters)
        }
    }

    @Test("null is as good as absent")
    func null() throws {
        let parameters = try JSONValue(parsing: #"{"name":"x","dryRun":null,"specification":null}"#.utf8)
        #expect(try Coding.decode(StartNetwork.self, from: parameters) == StartNetwork(name: "x"))
    }

    @Test("a client passes over what a newer daemon adds")
    func lenient() throws {
        let answer = try JSONValue(
            parsing: #"{"outcome":{"changed":true,"plan":[],"warnings":[],"more":1}}"#.utf8)
        #expect(try Coding.decodeAnswer(OutcomeAnswer.self, from: answer).outcome.changed)
    }
}

@Suite("Messages of the direct socket")
struct DirectMessageTests {
    @Test("arguments arrive as they were given")
    func script() throws {
        let request = DirectRequest.script(
            name: "/etc/x/vif-bridge", arguments: ["online", "", "x=$(touch /tmp/a b)", "a=b=c", "é"],
            environment: ["vif": "vif3.1", "ip": "10.0.0.5 10.0.0.6", "empty": ""])
        #expect(try DirectRequest(parsing: request.octets) == request)
        #expect(
            DirectRequest.script(name: "s", arguments: ["a", "b"], environment: ["k": "v"]).octets
                == Array("script\0s\u{0}2\u{0}a\0b\0k=v\0".utf8))
    }

    @Test("an attach keeps all its fields")
    func attach() throws {
        var vif = VifSpecification()
        vif.id = "vif3.1"
        vif.domain = "web server"
        vif.addresses = ["10.0.0.1", "10.0.0.2"]
        vif.mtu = 1400
        vif.guestName = "eth1"
        let request = DirectRequest.attach(AddVif(vif: vif, dryRun: true))
        #expect(try DirectRequest(parsing: request.octets) == request)
    }

    @Test("a request for a tap keeps all its fields", arguments: [true, false])
    func tap(hasVirtioHeader: Bool) throws {
        var vif = VifSpecification()
        vif.bridge = "xenbr0"
        vif.mac = "52:54:00:00:00:01"
        vif.addresses = ["10.0.0.1", "2001:db8::1"]
        let request = DirectRequest.tap(vif, hasVirtioHeader: hasVirtioHeader)
        #expect(try DirectRequest(parsing: request.octets) == request)
    }

    @Test(
        "what is no request is refused",
        arguments: [
            "", "script", "script\0", "script\0x\0", "script\0x\u{0}2\0a\0", "script\0x\0-1\0",
            "script\0\u{0}0\0", "script\0x\u{0}0\0novalue\0", "script\0x\u{0}0\0=v\0", "frob\0",
            "attach\0mtu=x\0", "tap\0vnet=1\0", "tap\0novalue\0", "tap\0id=vif1.0\0",
            "attach\0colour=red\0", "attach\0dryRun=1\0", "script\0x\u{0}99999999999999999999\0",
            "script\0x\u{0}9223372036854775807\0",
        ])
    func refused(text: String) {
        #expect(throws: DirectMessageError.self) { try DirectRequest(parsing: Array(text.utf8)) }
    }

    @Test("a reply keeps its three parts, and its line stays one line")
    func reply() throws {
        let reply = DirectReply(exitCode: 7, message: "two\nlines\0", output: "a\nb\n")
        let read = try DirectReply(parsing: reply.octets)
        #expect(read == DirectReply(exitCode: 7, message: "two lines ", output: "a\nb\n"))
    }

    @Test("an output that is too long is cut, and the reply still fits")
    func longOutput() throws {
        let reply = DirectReply(exitCode: 0, output: String(repeating: "é", count: 1 << 20))
        #expect(reply.octets.count <= DirectMessage.maximumReply)
        #expect(try DirectReply(parsing: reply.octets).output.hasSuffix("…"))
    }

    @Test("too many fields are refused")
    func tooMany() {
        let octets = DirectMessage.join(Array(repeating: "x", count: DirectMessage.maximumFields + 1))
        #expect(throws: DirectMessageError.self) { try DirectMessage.split(octets) }
    }
}
