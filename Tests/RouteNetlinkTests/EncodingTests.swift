import LinuxHeaders
import Netlink
import NetworkTypes
import Testing

@testable import RouteNetlink

/// Requests octet by octet, as the kernel's headers say they lie (little-endian).
@Suite("Encoding, octet by octet")
struct EncodingTests {
    private func octets(_ build: (inout RouteBatch) -> Void) -> [UInt8] {
        var batch = RouteBatch()
        build(&batch)
        let bytes = batch.buffer.bytes
        var octets: [UInt8] = []
        for offset in 0..<bytes.byteCount { octets.append(bytes.value(at: offset, as: UInt8.self) ?? 0) }
        return octets
    }

    @Test("an IPv4 address with peer, label and flags")
    func address() throws {
        var address = Address<Int32>(try #require(Prefix("10.0.0.1/32")), on: 5)
        address.peer = IPAddress("10.0.0.2")
        address.label = "e:1"
        address.flags = [.permanent, .secondary, .noPrefixRoute]
        let wanted = address
        #expect(
            octets { $0.add(wanted) } == [
                56, 0, 0, 0, 20, 0, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0,  // RTM_NEWADDR, create and exclusive
                2, 32, 0x81, 0, 5, 0, 0, 0,  // ifaddrmsg
                8, 0, 2, 0, 10, 0, 0, 1, 8, 0, 1, 0, 10, 0, 0, 2,  // IFA_LOCAL, IFA_ADDRESS
                8, 0, 3, 0, 0x65, 0x3a, 0x31, 0,  // IFA_LABEL
                8, 0, 8, 0, 0, 2, 0, 0,  // IFA_FLAGS, only what can be set
            ])
    }

    @Test("an IPv6 route with two legs, each with its gateway and weight")
    func multipath() {
        var route = Route<Int32>(.ipv6, to: Prefix("2001:db8::/32"))
        for device in [Int32(3), 4] {
            var leg = RouteNexthop<Int32>(device: device, gateway: IPAddress("fe80::\(device)"))
            leg.hops = UInt8(device)
            route.nexthops.append(leg)
        }
        let wanted = route
        let linkLocal: [UInt8] = [20, 0, 5, 0, 0xfe, 0x80] + [UInt8](repeating: 0, count: 13)
        #expect(
            octets { $0.add(wanted, existing: .replace) } == [
                116, 0, 0, 0, 24, 0, 1, 5, 0, 0, 0, 0, 0, 0, 0, 0,  // RTM_NEWROUTE, create and replace
                10, 32, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0,  // rtmsg
                20, 0, 1, 0, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // RTA_DST
                8, 0, 15, 0, 254, 0, 0, 0,  // RTA_TABLE
                60, 0, 9, 0,  // RTA_MULTIPATH
                28, 0, 0, 3, 3, 0, 0, 0,  // rtnexthop
            ] + linkLocal + [3, 28, 0, 0, 4, 4, 0, 0, 0] + linkLocal + [4])
    }

    @Test("an IPv4 route by an IPv6 gateway (struct rtvia), on link, of a table past 255")
    func via() {
        var route = Route<Int32>(.ipv4)
        route.table = 1000
        route.nexthops = [RouteNexthop(device: 3, gateway: IPAddress("2001:db8::1"))]
        route.nexthops[0].flags = 4
        let wanted = route
        #expect(
            octets { $0.add(wanted) }.dropFirst(16) == [
                2, 0, 0, 0, 252, 3, 0, 1, 4, 0, 0, 0,  // rtmsg: RT_TABLE_COMPAT, RTNH_F_ONLINK
                8, 0, 15, 0, 0xe8, 3, 0, 0,  // RTA_TABLE 1000
                22, 0, 18, 0, 10, 0, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0,
                8, 0, 4, 0, 3, 0, 0, 0,  // RTA_OIF
            ])
    }

    @Test("a vif's pair is one message, its other end in it")
    func veth() {
        var link = Link<Int32>(name: "vif3.1")
        link.kind = .veth
        link.master = 7
        link.group = 70000
        let wanted = link
        let peer = VethPeer(
            name: "eth0", address: MACAddress("00:16:3e:00:00:01"), mtu: 1400, namespace: 9)
        #expect(
            octets { $0.create(wanted, peer: peer) }.dropFirst(16) == [
                0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // ifinfomsg, not up
                11, 0, 3, 0, 0x76, 0x69, 0x66, 0x33, 0x2e, 0x31, 0, 0,  // IFLA_IFNAME
                8, 0, 4, 0, 0xdc, 5, 0, 0, 8, 0, 13, 0, 0xe8, 3, 0, 0,  // IFLA_MTU, IFLA_TXQLEN
                8, 0, 27, 0, 0x70, 0x11, 1, 0, 8, 0, 10, 0, 7, 0, 0, 0,  // IFLA_GROUP, IFLA_MASTER
                80, 0, 18, 0x80, 9, 0, 1, 0, 0x76, 0x65, 0x74, 0x68, 0, 0, 0, 0,  // IFLA_LINKINFO, "veth"
                64, 0, 2, 0x80, 60, 0, 1, 0x80,  // IFLA_INFO_DATA, VETH_INFO_PEER
                0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                9, 0, 3, 0, 0x65, 0x74, 0x68, 0x30, 0, 0, 0, 0,
                10, 0, 1, 0, 0x00, 0x16, 0x3e, 0, 0, 1, 0, 0,  // IFLA_ADDRESS
                8, 0, 4, 0, 0x78, 5, 0, 0, 8, 0, 28, 0, 9, 0, 0, 0,  // IFLA_MTU, IFLA_NET_NS_FD
            ])
    }

    @Test("a nexthop group's weights have a high octet")
    func group() {
        var nexthop = Nexthop<Int32>(id: 9)
        nexthop.group = [.init(id: 7, hops: 0x0102)]
        let wanted = nexthop
        #expect(
            octets { $0.replace(wanted) }.dropFirst(16) == [
                0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 1, 0, 9, 0, 0, 0, 12, 0, 2, 0, 7, 0, 0, 0, 2, 1, 0, 0,
            ])
    }

    @Test("messages that are too short for their header, or hold attributes that are, are passed over")
    func shortMessages() {
        for type in [RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE, RTM_NEWNEIGH, RTM_NEWRULE, RTM_NEWNEXTHOP] {
            for family in [UInt8(0), 2, 7, 10] {
                for length in 0..<40 {
                    var buffer = MessageBuffer()
                    buffer.message(type: type) { message in
                        message.append(family)
                        message.append([UInt8](repeating: 4, count: length))
                    }
                    var reader = MessageReader(buffer.bytes)
                    while let message = reader.next() {
                        // Whatever is made of it, nothing traps, and what has no header is nothing.
                        let event = RouteEvent(message)
                        if length < 7 { #expect(event == nil, "\(type) \(family) \(length)") }
                    }
                }
            }
        }
    }
}
