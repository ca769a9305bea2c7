import SExpression
import Testing

@Suite struct ParserTests {
    private func forms(_ text: String, _ dialect: Parser.Dialect = .xen303) throws -> [Value] {
        try Parser.parse(text, dialect: dialect).forms
    }

    @Test("§7-99: comments, both quotes, escapes and nested lists")
    func grammar() throws {
        #expect(
            try forms("# all\n(a 'b' \"c\" (d (e))) # end\nf#g\nh")
                == [
                    .list([.atom("a"), .string("b"), .string("c"), .list([.atom("d"), .list([.atom("e")])])]),
                    .atom("f"), .atom("h"),
                ])
        #expect(
            try forms(#"'\\ \n \x41 \101 \' \" \a\b\t\v\f\r'"#) == [
                .string("\\ \n A A ' \" \u{7}\u{8}\t\u{b}\u{c}\r")
            ])
        #expect(try forms("'say \"no\"' \"it's\"") == [.string("say \"no\""), .string("it's")])
        #expect(try forms("'two\nlines'") == [.string("two\nlines")])
        #expect(
            try forms(#"'\0' '\7x' '\377'"#.replacing(#"'\377'"#, with: "'é'")) == [
                .string("\0"), .string("\u{7}x"), .string("é"),
            ])
        #expect(try forms(#"'\xc3\xa9'"#) == [.string("é")])
        #expect(try forms("").isEmpty)
        #expect(try forms(" \t\u{b}\u{c}\r\n()") == [.list([])])
    }

    @Test(
        "§7-99: what is no S-expression is an error that names cause, line and column",
        arguments: [
            (")", "1:1: syntax error: ')' without a '('"),
            ("(a)\n  )", "2:3: syntax error: ')' without a '('"),
            ("(a\n (b)", "2:5: unexpected EOF in the list opened at 1:1"),
            ("(a 'b\nc", "2:2: unexpected EOF in the string opened at 1:4"),
            ("'a\\", "1:4: unexpected EOF in the string opened at 1:1"),
            ("'a\\x4", "1:6: unexpected EOF in the string opened at 1:1"),
            ("'a\\10", "1:6: unexpected EOF in the string opened at 1:1"),
            ("'\\xg0'", "1:2: invalid hex escape: '\\x' needs two hexadecimal digits"),
            ("'\\777'", "1:2: invalid octal escape: out of range \\777"),
            ("'ok' '\\.'", "1:7: invalid escape '\\.'; a backslash is written '\\\\'"),
            ("a\n\u{1}", "2:1: invalid character: code 1"),
            ("(aé)", "1:3: invalid character: code 233"),
            ("'\\xff'", "1:1: the escapes of the string do not make valid UTF-8"),
        ])
    func errors(text: String, message: String) {
        let error = #expect(throws: ParseError.self) { try Parser.parse(text) }
        #expect(error?.description == message)
    }

    @Test func separatorsEndAnAtomAndBeginAnother() throws {
        #expect(try forms("a;b{c}") == [.atom("a"), .atom(";b"), .atom("{c"), .atom("}")])
        #expect(try forms("a(b)c") == [.atom("a"), .list([.atom("b")]), .atom("c")])
        #expect(try forms("a!b") == [.atom("a"), .atom("!b")])
        #expect(try forms("a!b", .xen44) == [.atom("a!b")])
        #expect(try forms("it's") == [.atom("it's")])
    }

    @Test func controlDIsTheEnd() throws {
        #expect(try forms("(a)\u{4}(((") == [.list([.atom("a")])])
        #expect(throws: ParseError.self) { try Parser.parse("(a\u{4})") }
    }

    @Test func unknownEscapesOfTheLastXend() throws {
        let document = try Parser.parse(#"(hosts '^a\.b$')"#, dialect: .xen44)
        #expect(document.childValue("hosts") == .string("^a\\b$"))
        #expect(document.oddities.map(\.location) == [SourceLocation(line: 1, column: 11)])
        #expect(
            try Parser.parse(#"(hosts '^a\\.b$')"#, dialect: .xen44).childValue("hosts") == .string("^a\\.b$")
        )
    }

    @Test func locationsOfEveryValue() throws {
        let form = try #require(try forms("\n (key\n\t'v')").first)
        #expect(form.location == SourceLocation(line: 2, column: 2))
        #expect(form.children.first?.location == SourceLocation(line: 3, column: 2))
    }

    @Test func attributeListsAreNoChildren() throws {
        let form = try #require(try forms("(vif (@ (id 1) (x y)) (mac m) (mac n) (ip))").first)
        #expect(form.head == "vif")
        #expect(form.attributes == [.list([.atom("id"), .atom("1")]), .list([.atom("x"), .atom("y")])])
        #expect(form.children.count == 3)
        #expect(form.childValue("mac") == .atom("m"))
        #expect(form.childValue("ip") == nil)
        #expect(form.childValue("none") == nil)
    }

    @Test("§7-100: of several forms with one name the first holds")
    func firstWins() throws {
        let document = try Parser.parse("(a) (a 1) (b 2 3) (b 4)")
        #expect(document.childValue("a") == nil)
        #expect(document.childValue("b") == .atom("2"))
    }

    @Test func nestingIsBounded() {
        let deep = String(repeating: "(", count: 100_000)
        #expect(throws: ParseError.self) { try Parser.parse(deep) }
        let most = String(repeating: "(", count: 200) + String(repeating: ")", count: 200)
        #expect(throws: Never.self) { try Parser.parse(most) }
    }
}
