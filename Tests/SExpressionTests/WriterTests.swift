import SExpression
import Testing

@Suite struct WriterTests {
    @Test func forms() {
        #expect(
            Writer.write(.list([.atom("network-script"), .string("network-bridge netdev=eth1")]))
                == "(network-script 'network-bridge netdev=eth1')")
        #expect(Writer.write(.string("it's \\ \n\u{1}\u{7f}é")) == #"'it\'s \\ \n\x01\x7fé'"#)
        #expect(Writer.write(.string("")) == "''")
        #expect(Writer.write(.list([])) == "()")
        #expect(Writer.write(.atom("a b")) == "'a b'")
        #expect(Writer.write(.atom("a!b")) == "'a!b'")
        #expect(Writer.write(.atom("k=v")) == "k=v")
        #expect(Writer.write(Document([.atom("a"), .list([.atom("b")])])) == "a\n(b)\n")
    }

    @Test func whateverIsWrittenIsReadBackTheSame() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<3000 {
            let document = Document(
                (0..<Int.random(in: 0...3, using: &random)).map { _ in value(3, &random) })
            let text = Writer.write(document)
            for dialect in [Parser.Dialect.xen303, .xen44] {
                #expect(try Parser.parse(text, dialect: dialect) == document, "\(text)")
            }
        }
    }

    @Test func noTextCrashesTheParser() {
        var random = SystemRandomNumberGenerator()
        let alphabet = Array("()'\"\\#x0417 \nab=!;{@é\u{4}\u{1}".unicodeScalars)
        var accepted = 0
        for _ in 0..<20_000 {
            var text = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                text.append(alphabet[Int.random(in: 0..<alphabet.count, using: &random)])
            }
            guard let document = try? Parser.parse(String(text)) else { continue }
            accepted += 1
            #expect((try? Parser.parse(Writer.write(document)).forms) == document.forms)
        }
        #expect(accepted > 100)
    }

    private func value(_ depth: Int, _ random: inout SystemRandomNumberGenerator) -> Value {
        switch Int.random(in: 0...(depth > 0 ? 2 : 1), using: &random) {
        case 0:
            let characters = Array("abzAZ09.-_:/~=@,'\"%$*+?^|")
            var word = ""
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                word.append(characters[Int.random(in: 0..<characters.count, using: &random)])
            }
            return .atom(word.first == "'" || word.first == "\"" ? "x" + word : word)
        case 1:
            var text = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...10, using: &random) {
                let limit: UInt32 = Bool.random(using: &random) ? 128 : 0xd800
                // Ctrl-D ends a text wherever it stands, so it has to be escaped.
                text.append(Unicode.Scalar(UInt32.random(in: 0..<limit, using: &random)) ?? "?")
            }
            return .string(String(text))
        default:
            return .list((0..<Int.random(in: 0...4, using: &random)).map { _ in value(depth - 1, &random) })
        }
    }
}
