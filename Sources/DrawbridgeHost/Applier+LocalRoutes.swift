import DrawbridgePlanning
import Glibc
import LinuxHeaders
import Netlink
import NetworkTypes
import RouteNetlink

// The kernel acknowledges an IPv6 address before it answers to it: the local route that delivers its packets is
// made by a work queue (`addrconf_dad_work` in net/ipv6/addrconf.c), for addresses that skip duplicate address
// detection as well. Taking the address off its old device before then would leave the host deaf to it.

extension HostAccess {
    /// Waits until every IPv6 address that this run has added receives, before anything is withdrawn.
    mutating func awaitLocalRoutes(_ run: inout PlanRun) {
        let awaited = run.unboundAddresses
        run.unboundAddresses = [:]
        for (key, addresses) in awaited {
            guard let index = run.applied.bindings.index(of: key), isUp(index) else { continue }
            let deadline = monotonicMilliseconds() + localRouteLimit
            while !hasLocalRoutes(to: addresses, on: index) {
                guard monotonicMilliseconds() < deadline else {
                    run.applied.warnings.append(
                        "\(run.name(of: key)): the kernel does not answer to its IPv6 addresses yet")
                    break
                }
                // Yields to the work queue, which needs the lock that every request here takes.
                usleep(50)
            }
        }
    }

    private mutating func isUp(_ index: Int32) -> Bool {
        traffic.reads += 1
        return (try? route.link(index: index))??.link.flags.contains(.up) == true
    }

    private mutating func hasLocalRoutes(to addresses: Set<IPAddress>, on index: Int32) -> Bool {
        traffic.reads += 1
        // A dump that fails is asked again by the loop, which is bounded.
        guard let routes = try? route.routes(.ipv6, device: index, table: RT_TABLE_LOCAL.rawValue) else {
            return false
        }
        return addresses.isSubset(of: routes.compactMap { $0.destination?.address })
    }
}

/// How long the kernel's work queue is waited for, in milliseconds; it takes well under one.
private let localRouteLimit: Int64 = 200
