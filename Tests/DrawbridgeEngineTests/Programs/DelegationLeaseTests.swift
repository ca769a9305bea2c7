import NetworkTypes
import Testing

@testable import DrawbridgeEngine

@Suite struct DelegationLeaseTests {
    private func lease(
        _ prefix: String, starts: Int, life: Int, on interface: String = "eth0", more: String = ""
    ) -> String {
        """
        lease6 {
          interface "\(interface)";
          ia-pd 1a:2b:3c:4d {
            starts \(starts);
            renew 4;
            rebind 6;
            iaprefix \(prefix) {
              starts \(starts);
              preferred-life 60;
              max-life \(life);
            }
          }
          \(more)
          option dhcp6.server-id 0:1:0:1;
        }

        """
    }

    private func current(_ text: String, at now: Int64 = 1000) -> String? {
        DelegationLease.current(in: text, for: "eth0", at: now).map { "\($0.prefix)" }
    }

    @Test("the last lease of the interface counts, as long as it is good")
    func last() {
        let first = lease("2001:db8:100::/56", starts: 900, life: 200)
        #expect(current(first) == "2001:db8:100::/56")
        #expect(current(first, at: 1100) == nil)
        #expect(current(first + lease("2001:db8:200::/64", starts: 950, life: 200)) == "2001:db8:200::/64")
        #expect(
            current(first + lease("2001:db8:200::/64", starts: 950, life: 200, on: "eth1"))
                == "2001:db8:100::/56")
        #expect(current(first + lease("2001:db8:100::/56", starts: 950, life: 200, more: "released;")) == nil)
        #expect(current(first + lease("2001:db8:100::/56", starts: 950, life: 0)) == nil)
        #expect(
            current(lease("2001:db8:100::/56", starts: 1, life: 0xffff_ffff), at: 1 << 40)
                == "2001:db8:100::/56")
    }

    @Test("what is no prefix that holds a network of guests is passed over")
    func malformed() {
        #expect(current("") == nil)
        #expect(current("lease6 {\n interface \"eth0\";\n iaprefix") == nil)
        #expect(current(lease("2001:db8:100::/80", starts: 900, life: 200)) == nil)
        #expect(current(lease("nonsense", starts: 900, life: 200)) == nil)
    }
}
