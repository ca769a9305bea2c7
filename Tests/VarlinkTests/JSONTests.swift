import Testing
import Varlink

@Suite("JSON")
struct JSONTests {
    @Test(
        "what is read is written again in one form",
        arguments: [
            ("{}", "{}"), (" [ ] ", "[]"), ("null", "null"), ("-0", "0"), ("0", "0"), ("1.5", "1.5"),
            ("9223372036854775807", "9223372036854775807"), ("-9223372036854775808", "-9223372036854775808"),
            (#"{"b":1,"a":[true,false,null]}"#, #"{"a":[true,false,null],"b":1}"#),
            (#""\u00e9\n\u0000\"\\\/""#, #""é\n\u0000\"\\/""#), (#""\ud83d\ude00""#, "\"😀\""),
            ("1e2", "100.0"),
        ])
    func roundTrip(given: String, written: String) throws {
        let value = try JSONValue(parsing: given.utf8)
        #expect(value.description == written)
        #expect(try JSONValue(parsing: value.octets) == value)
    }

    @Test(
        "what is not JSON is refused",
        arguments: [
            "", " ", "{", "}", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "01", "-", "1.",
            ".5", "1e", "+1", "tru", "nulll", "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"", "\"\t\"", "1 2", "{\"a\":1,\"a\":2}", "1e999", "NaN",
        ])
    func refused(text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: text.utf8) }
    }

    @Test("octets that are not UTF-8 are refused")
    func notUTF8() {
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xff, 0x22]) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xc0, 0x80, 0x22]) }
    }

    @Test("depth has a limit, so that a message cannot exhaust the stack")
    func depth() throws {
        let deepest = JSONValue.maximumDepth
        let allowed = String(repeating: "[", count: deepest) + String(repeating: "]", count: deepest)
        _ = try JSONValue(parsing: allowed.utf8)
        #expect(throws: JSONError.self) { try JSONValue(parsing: ("[" + allowed + "]").utf8) }
        #expect(throws: JSONError.self) {
            try JSONValue(parsing: String(repeating: "[", count: 1 << 20).utf8)
        }
    }

    @Test("any octet in any place is an answer or an error, never a crash")
    func mutations() {
        let text = Array(#"{"method":"a.b.C","parameters":{"x":[1,-2.5e3,"\u00e9",true,null]}}"#.utf8)
        var read = 0
        for index in text.indices {
            for octet in UInt8.min...UInt8.max {
                var mutated = text
                mutated[index] = octet
                if (try? JSONValue(parsing: mutated)) != nil { read += 1 }
            }
            _ = try? JSONValue(parsing: text[..<index])
        }
        // At least the text itself, once for each index; and far from all.
        #expect(read >= text.count)
        #expect(read < text.count * 256)
    }
}
