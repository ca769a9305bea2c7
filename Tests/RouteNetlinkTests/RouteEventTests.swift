import Glibc
import LinuxHeaders
import Netlink
import NetworkTypes
import RouteNetlink
import TestSupport
import Testing

@Suite("What changes is told", .timeLimit(.minutes(2)))
struct RouteEventTests {
    /// Reads events until `isLast`, that one included.
    private func collect(_ events: RouteEvents, until isLast: (RouteEvent) -> Bool) async -> [RouteEvent] {
        var seen: [RouteEvent] = []
        for await event in events {
            seen.append(event)
            if isLast(event) { break }
        }
        return seen
    }

    @Test(
        "links, ports, addresses, routes, rules, neighbours, forwarding entries and nexthops, come and gone")
    func everyKind() async throws {
        let events = try await withTestNamespace {
            let events = try RouteEvents()
            for line in [
                "ip link add br0 type bridge", "ip link add eth0 type veth peer name far0",
                "ip link set eth0 master br0", "bridge link set dev eth0 isolated on",
                "bridge fdb add 02:00:00:00:00:09 dev eth0 master static", "ip link set br0 up",
                "ip addr add 192.0.2.1/24 dev br0", "ip route add 10.0.0.0/8 via 192.0.2.2 onlink dev br0",
                "ip route del 10.0.0.0/8", "ip rule add priority 50 iif br0 lookup 300",
                "ip rule del priority 50",
                "tc qdisc add dev eth0 handle 1: root tbf rate 1mbit burst 9kb limit 9kb",
                "ip nexthop add id 7 blackhole", "ip nexthop del id 7",
                "ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:01 dev br0 nud permanent",
                "ip neigh del 192.0.2.9 dev br0", "bridge fdb del 02:00:00:00:00:09 dev eth0 master static",
                "ip addr del 192.0.2.1/24 dev br0", "ip link set eth0 nomaster", "ip link del eth0",
                "ip link del br0", "ip link add last0 type bridge",
            ] {
                let result = try execute(line.split(separator: " ").map(String.init))
                guard result.status == 0 else { throw TestFailure("\(line): \(result.output)") }
            }
            return events
        }
        let seen = await collect(events) {
            if case .link(_, let link) = $0 { link.name == "last0" } else { false }
        }
        var kinds: Set<String> = []
        var removedLinks: [Int32] = []
        for event in seen {
            switch event {
            case .link(_, let link): kinds.insert("link \(link.name)")
            case .linkRemoved(let index): removedLinks.append(index)
            case .port(_, let port): if port.isolated == true { kinds.insert("port") }
            case .address(let address): kinds.insert("address \(address.prefix)")
            case .addressRemoved(let address): kinds.insert("no address \(address.prefix)")
            case .route(let route): if let to = route.destination { kinds.insert("route \(to)") }
            case .routeRemoved(let route): if let to = route.destination { kinds.insert("no route \(to)") }
            case .neighbor(let neighbor): kinds.insert("neighbor \(neighbor.destination)")
            case .neighborRemoved(let neighbor): kinds.insert("no neighbor \(neighbor.destination)")
            case .forwarding(let entry): kinds.insert("forwarding \(entry.address)")
            case .forwardingRemoved(let entry): kinds.insert("no forwarding \(entry.address)")
            case .rule(let rule): kinds.insert("rule \(rule.priority) \(rule.inputName ?? "")")
            case .ruleRemoved(let rule): kinds.insert("no rule \(rule.priority)")
            case .nexthop(let nexthop): kinds.insert("nexthop \(nexthop.id)")
            case .nexthopRemoved(let id): kinds.insert("no nexthop \(id)")
            case .shaping: kinds.insert("shaping")
            case .overrun: kinds.insert("overrun")
            }
        }
        let wanted: Set<String> = [
            "link br0", "link eth0", "link far0", "port", "address 192.0.2.1/24",
            "no address 192.0.2.1/24", "route 10.0.0.0/8", "no route 10.0.0.0/8", "neighbor 192.0.2.9",
            "no neighbor 192.0.2.9", "forwarding 02:00:00:00:00:09", "no forwarding 02:00:00:00:00:09",
            "rule 50 br0", "no rule 50", "nexthop 7", "no nexthop 7",
            "shaping",
        ]
        #expect(wanted.subtracting(kinds).isEmpty)
        #expect(!kinds.contains("overrun"))
        // The port that left its bridge was not told as a link that is gone: three are, each once.
        #expect(removedLinks.count == 3)
        #expect(Set(removedLinks).count == 3)
    }

    @Test("only the topics asked for are told")
    func topics() async throws {
        let events = try await withTestNamespace {
            let events = try RouteEvents([.rules])
            try run("ip", "link", "add", "br0", "type", "bridge")
            try run("ip", "rule", "add", "priority", "50", "lookup", "300")
            return events
        }
        let seen = await collect(events) { _ in true }
        guard case .rule(let rule) = seen.first else { throw TestFailure("\(seen)") }
        #expect(rule.priority == 50 && rule.table == 300)
    }

    @Test("a reader that nobody empties tells that something was lost")
    func overrun() async throws {
        let events = try await withTestNamespace {
            let events = try RouteEvents([.links], backlog: 2)
            for number in 0..<10 { try run("ip", "link", "add", "br\(number)", "type", "bridge") }
            return events
        }
        // Consumed slower than the reader reads, so that it is the stream that overflows.
        var iterator = events.makeAsyncIterator()
        var last: RouteEvent?
        repeat {
            try await Task.sleep(for: .milliseconds(100))
            last = await iterator.next()
        } while last != nil && last != .overrun
        #expect(last == .overrun)
    }

    @Test("cancelling ends the sequence")
    func cancelled() async throws {
        let events = try await withTestNamespace { try RouteEvents() }
        events.cancel()
        #expect(await collect(events) { _ in false }.isEmpty)
    }
}
