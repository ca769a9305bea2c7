import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

struct RestingAddressesTests {
    private func address(_ network: String, _ prefix: String) throws -> RestingAddress {
        RestingAddress(network: try #require(LinkName(network)), prefix: try #require(Prefix(prefix)))
    }

    @Test("what rests is let go once it is given, with what is within it and what it is within")
    func given() throws {
        let all = try ["10.0.0.5", "10.0.0.6", "10.1.0.0/24", "2001:db8::5"].map { try address("lan", $0) }
        let elsewhere = try address("dmz", "10.0.0.5")
        let lan = try #require(LinkName("lan"))
        var resting = RestingAddresses(all + [elsewhere])
        #expect(resting.all == all + [elsewhere])
        #expect(resting.give([try #require(Prefix("10.0.0.7"))], on: lan).isEmpty)
        #expect(resting.give([try #require(Prefix("10.0.0.5"))], on: lan) == [all[0]])
        #expect(resting.give([try #require(Prefix("10.1.0.9"))], on: lan) == [all[2]])
        #expect(resting.give([try #require(Prefix("10.0.0.0/16"))], on: lan) == [all[1]])
        #expect(resting.all == [all[3], elsewhere])
        resting.forget(lan)
        #expect(resting.all == [elsewhere])
        #expect(!resting.isEmpty)
    }

    @Test("of more than a network keeps, the oldest is let go")
    func bounded() throws {
        let lan = try #require(LinkName("lan"))
        var resting = RestingAddresses()
        func number(_ value: Int) -> RestingAddress {
            RestingAddress(
                network: lan, prefix: Prefix(host: .ipv4(IPv4Address(value: 0x0a00_0000 + UInt32(value)))))
        }
        for value in 0..<RestingAddresses.limit {
            let gone = resting.rest(number(value))
            #expect(gone == nil)
        }
        // What comes again is the newest.
        _ = resting.rest(number(0))
        #expect(resting.rest(number(RestingAddresses.limit)) == number(1))
        #expect(resting.of(lan).count == RestingAddresses.limit)
        #expect(resting.of(lan).contains(number(0).prefix))
    }
}
