import Testing
import Varlink

private enum Place: Hashable, Codable {
    case nowhere
    case at(name: String, distance: UInt16)
}

private struct Part: Hashable, Codable {
    var name: String
    var isGood: Bool
    var count: Int32?
    var place: Place
}

private struct Whole: Hashable, Codable {
    var parts: [Part]
    var byName: [String: UInt32]
    var byNumber: [Int: String]
    var pair: [UInt8: Bool]
    var ratio: Double
    var words: [String]
    var nothing: [String]
}

@Suite("Between types and JSON")
struct JSONCodingTests {
    private let whole = Whole(
        parts: [
            Part(name: "a\"\\\n", isGood: true, count: nil, place: .nowhere),
            Part(name: "é", isGood: false, count: -7, place: .at(name: "x", distance: 65535)),
        ], byName: ["b": 2, "a": 1], byNumber: [7: "seven"], pair: [1: true], ratio: 1.5, words: ["w"],
        nothing: [])

    @Test("a value is read as it was written, by way of the text too")
    func roundTrip() throws {
        let value = try JSONValue(encoding: whole)
        #expect(try value.decoded(as: Whole.self) == whole)
        #expect(try JSONValue(parsing: value.octets).decoded(as: Whole.self) == whole)
    }

    @Test("the form is the one that JSON encoders of Swift's have: what is stored and sent stays readable")
    func form() throws {
        #expect(
            try JSONValue(encoding: whole).description
                == #"{"byName":{"a":1,"b":2},"byNumber":{"7":"seven"},"nothing":[],"pair":[1,true],"parts":["#
                + #"{"isGood":true,"name":"a\"\\\n","place":{"nowhere":{}}},"#
                + #"{"count":-7,"isGood":false,"name":"é","place":{"at":{"distance":65535,"name":"x"}}}],"#
                + #""ratio":1.5,"words":["w"]}"#)
        #expect(try JSONValue(encoding: ["a"]).description == #"["a"]"#)
        #expect(try JSONValue(encoding: UInt32(7)).description == "7")
        #expect(try JSONValue(encoding: Int32?.none).description == "null")
    }

    @Test(
        "what is wrong is told by its path",
        arguments: [
            (#"{"name":"a","isGood":true}"#, "place"),
            (#"{"name":7,"isGood":true,"place":{"nowhere":{}}}"#, "name"),
            (#"{"name":null,"isGood":true,"place":{"nowhere":{}}}"#, "name"),
            (#"{"name":"a","isGood":1,"place":{"nowhere":{}}}"#, "isGood"),
            (#"{"name":"a","isGood":true,"count":2147483648,"place":{"nowhere":{}}}"#, "count"),
            (#"{"name":"a","isGood":true,"count":1.5,"place":{"nowhere":{}}}"#, "count"),
            (#"{"name":"a","isGood":true,"place":{"at":{"name":"x","distance":-1}}}"#, "place.at.distance"),
            (#"{"name":"a","isGood":true,"place":{"at":{"name":["x"],"distance":1}}}"#, "place.at.name"),
        ])
    func refused(text: String, path: String) throws {
        let value = try JSONValue(parsing: text.utf8)
        let error = #expect(throws: DecodingError.self) { try value.decoded(as: Part.self) }
        let found: [any CodingKey] =
            switch error {
            case .keyNotFound(let key, let context): context.codingPath + [key]
            case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
                context.codingPath
            default: []
            }
        #expect(found.map(\.stringValue).joined(separator: ".") == path)
    }

    @Test("an element that is wrong is told by its place")
    func element() throws {
        let value = try JSONValue(parsing: #"[1,2,"three"]"#.utf8)
        let error = #expect(throws: DecodingError.self) { try value.decoded(as: [Int].self) }
        guard case .typeMismatch(_, let context) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(context.codingPath.map(\.intValue) == [2])
    }

    @Test("members that the type does not know are passed over, and null is as good as absent")
    func lenient() throws {
        let text = #"{"name":"a","isGood":true,"count":null,"place":{"nowhere":{}},"colour":"red"}"#
        let part = try JSONValue(parsing: text.utf8).decoded(as: Part.self)
        #expect(part == Part(name: "a", isGood: true, count: nil, place: .nowhere))
    }

    @Test("what JSON cannot say is refused, and not written as something else")
    func unsayable() {
        #expect(throws: EncodingError.self) { try JSONValue(encoding: Double.infinity) }
        #expect(throws: EncodingError.self) { try JSONValue(encoding: [UInt128(UInt64.max) + 1]) }
    }

    @Test("numbers that fit only without a sign are kept to the last digit")
    func unsigned() throws {
        let value = try JSONValue(encoding: ["a": UInt64.max])
        #expect(value.description == "{\"a\":18446744073709551615}")
        #expect(try JSONValue(parsing: value.octets).decoded(as: [String: UInt64].self) == ["a": .max])
        #expect(throws: DecodingError.self) { try value.decoded(as: [String: Int64].self) }
    }
}
