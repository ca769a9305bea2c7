import Testing

@testable import Nftables

@Suite struct DeviceReferenceTests {
    let device = DeviceIdentity(name: "eth0", index: 7)
    let table = Table(.inet, "filter")

    private func references(_ expressions: [Expression], sets: [NamedSet] = []) -> [String] {
        var ruleset = Ruleset()
        ruleset.tables = [table]
        var rule = Rule(table: table, chain: "input", handle: 5)
        rule.expressions = expressions
        ruleset.rules = [rule]
        ruleset.sets = sets
        return ruleset.layer3References(to: device).map(\.description)
    }

    @Test("a comparison counts only where the register holds a device")
    func registers() throws {
        let first = try #require(Register(number: 1))
        let name = device.nameOctets
        let load = Expression.meta(key: .inputName, destination: first)
        let compare = Expression.compare(first, operation: .equal, value: name)
        #expect(references([load, compare]) == ["table inet filter chain input rule handle 5 (iifname)"])
        #expect(references([load, .other("payload", destination: first), compare]).isEmpty)
        #expect(references([compare]).isEmpty)
        #expect(
            references([load, .compare(first, operation: .equal, value: Array("et".utf8))]).count == 1)
        #expect(
            references([load, .compare(first, operation: .equal, value: Array("eth0.100".utf8))]).isEmpty)
    }

    @Test("registers that do not exist are refused")
    func numbers() {
        #expect(Register(number: 0) == nil)
        #expect(Register(number: 5) == nil)
        #expect(Register(number: 24) == nil)
        #expect(Register(number: 2)?.word == 4)
        #expect(Register(number: 12)?.word == 4)
    }
}
