"""The part of the packet corpus that has to pass, where the vif has the addresses."""

from . import frames as f
from .corpus import hop_by_hop

NOBODY = "00:00:00:00:00:00"


def add(cast):
    _arp(cast)
    _ipv4(cast)
    _dhcp(cast)
    _ipv6(cast)
    _neighbours(cast)
    _multicast_listening(cast)
    _priority_tags(cast)


def _arp(cast):
    own, other, router, host = cast.own, cast.other, cast.router, cast.host
    cast.arp("ipv4", "ARP request", 1, own.mac, own.ipv4, NOBODY, router.ipv4)
    cast.arp("ipv4", "ARP request for the host", 1, own.mac, own.ipv4, NOBODY, host.ipv4)
    cast.arp("ipv4", "ARP request to one neighbour (RFC 1122 §2.3.2.1)", 1, own.mac, own.ipv4, other.mac, other.ipv4,
             to=other.mac)
    cast.arp("ipv4", "ARP reply", 2, own.mac, own.ipv4, router.mac, router.ipv4, to=router.mac)
    cast.arp("ipv4", "ARP reply to the host", 2, own.mac, own.ipv4, host.mac, host.ipv4, to=host.mac)
    cast.arp("ipv4", "ARP probe (RFC 5227)", 1, own.mac, "0.0.0.0", NOBODY, own.ipv4)
    cast.arp("ipv4", "ARP announcement (RFC 5227)", 1, own.mac, own.ipv4, NOBODY, own.ipv4)
    cast.arp("ipv4", "gratuitous ARP as an answer", 2, own.mac, own.ipv4, f.BROADCAST, own.ipv4)


def _ipv4(cast):
    own, other, router, host = cast.own, cast.other, cast.router, cast.host
    cast.ipv4("ipv4", "echo request", own.ipv4, router.ipv4, f.ICMP, f.icmp(8, body=b"ping"))
    cast.ipv4("ipv4", "echo reply to the host", own.ipv4, host.ipv4, f.ICMP, f.icmp(0, body=b"ping"))
    cast.ipv4("ipv4", "TCP SYN", own.ipv4, other.ipv4, f.TCP, f.tcp(own.ipv4, other.ipv4, 40000, 443))
    cast.udp4("ipv4", "UDP to another guest", own.ipv4, other.ipv4)
    cast.udp4("ipv4", "UDP to an address behind the router", own.ipv4, "203.0.113.80", to=router.mac)
    cast.udp4("ipv4", "UDP to the subnet's broadcast", own.ipv4, "192.0.2.255")
    cast.udp4("ipv4", "UDP to everybody", own.ipv4, "255.255.255.255")
    cast.udp4("ipv4", "multicast DNS", own.ipv4, "224.0.0.251", (5353, 5353))
    cast.udp4("ipv4", "UDP with IP options", own.ipv4, other.ipv4, options=f.ROUTER_ALERT)
    for protocol, name in ((f.GRE, "GRE"), (f.ESP, "ESP"), (132, "SCTP")):
        cast.ipv4("ipv4", name, own.ipv4, router.ipv4, protocol, bytes(16))
    quoted = f.ipv4(other.ipv4, own.ipv4, f.UDP, f.udp(other.ipv4, own.ipv4, 5000, 5000))
    for kind, code, rest, name in ((3, 4, b"\0\0\x05\x14", "fragmentation needed (path MTU discovery)"),
                                   (3, 3, bytes(4), "port unreachable"), (11, 0, bytes(4), "time exceeded")):
        cast.ipv4("ipv4", f"ICMP {name}", own.ipv4, other.ipv4, f.ICMP, f.icmp(kind, code, rest, quoted))
    datagram = f.udp(own.ipv4, other.ipv4, 5000, 5000, bytes(72))
    cast.ipv4("ipv4", "first fragment", own.ipv4, other.ipv4, f.UDP, datagram[:40], fragment=0x2000)
    cast.ipv4("ipv4", "last fragment", own.ipv4, other.ipv4, f.UDP, datagram[40:], fragment=5)
    report = f.icmp(0x22, 0, b"\0\0\0\1", bytes.fromhex("04000000e00000fb"))
    cast.ipv4("ipv4", "IGMPv3 report", own.ipv4, "224.0.0.22", f.IGMP, report, options=f.ROUTER_ALERT, ttl=1)
    for kind, name, to in ((0x16, "IGMPv2 report", "239.1.2.3"), (0x17, "IGMPv2 leave", "224.0.0.2")):
        cast.ipv4("ipv4", name, own.ipv4, to, f.IGMP, f.icmp(kind, 0, f.ip("239.1.2.3")), options=f.ROUTER_ALERT,
                  ttl=1)


def _dhcp(cast):
    own, router = cast.own, cast.router
    identifier = bytes([61, 7, 1]) + f.mac(own.mac)
    request = bytes([50, 4]) + f.ip(own.ipv4)
    for kind, name, more in ((1, "discover", identifier), (3, "request", request), (4, "decline", request)):
        cast.udp4("dhcp", f"DHCP {name}", "0.0.0.0", "255.255.255.255", (68, 67),
                  f.dhcp(1, own.mac, kind, more=more))
    for kind, name in ((3, "renewal"), (7, "release"), (8, "inform")):
        cast.udp4("ipv4", f"DHCP {name}", own.ipv4, router.ipv4, (68, 67), f.dhcp(1, own.mac, kind, client=own.ipv4))
    cast.udp4("ipv4", "DHCP rebinding", own.ipv4, "255.255.255.255", (68, 67),
              f.dhcp(1, own.mac, 3, client=own.ipv4))


def _ipv6(cast):
    own, other, router, host = cast.own, cast.other, cast.router, cast.host
    cast.icmp6("ipv6", "echo request", own.ipv6, router.ipv6, 128, bytes(4), hops=64)
    cast.icmp6("ipv6", "echo reply to the host", own.ipv6, host.ipv6, 129, bytes(4), hops=64)
    cast.icmp6("local", "echo request from the link-local address", own.local, host.local, 128, bytes(4))
    cast.ipv6("ipv6", "TCP SYN", own.ipv6, other.ipv6, f.TCP, f.tcp(own.ipv6, other.ipv6, 40000, 443))
    cast.udp6("ipv6", "UDP to another guest", own.ipv6, other.ipv6)
    cast.udp6("ipv6", "UDP to an address behind the router", own.ipv6, "2001:db8:20::80", to=router.mac)
    cast.udp6("local", "UDP from the link-local address", own.local, other.local)
    cast.udp6("ipv6", "multicast DNS", own.ipv6, "ff02::fb", (5353, 5353), hops=255)
    cast.udp6("local", "multicast DNS from the link-local address", own.local, "ff02::fb", (5353, 5353), hops=255)
    for header, name in ((hop_by_hop, "a hop-by-hop header"), (f.options_header, "destination options"),
                         (f.routing_header, "a routing header"), (f.fragment_header, "an atomic fragment header")):
        cast.udp6("ipv6", f"UDP behind {name}", own.ipv6, other.ipv6, before=[header])
    for following, name in ((f.ESP, "ESP"), (f.GRE, "GRE"), (132, "SCTP"), (f.NO_NEXT, "no next header")):
        cast.ipv6("ipv6", name, own.ipv6, router.ipv6, following, bytes(16))
    cast.ipv6("ipv6", "AH", own.ipv6, router.ipv6, f.AH, f.authentication_header(f.UDP) + bytes(16))
    quoted = f.ipv6(other.ipv6, own.ipv6, f.UDP, f.udp(other.ipv6, own.ipv6, 5000, 5000))
    for kind, code, rest, name in ((2, 0, b"\0\0\x05\x14", "packet too big (path MTU discovery)"),
                                   (1, 4, bytes(4), "port unreachable"), (3, 0, bytes(4), "time exceeded"),
                                   (4, 1, bytes(4), "parameter problem")):
        cast.ipv6("ipv6", f"ICMPv6 {name}", own.ipv6, other.ipv6, f.ICMPV6,
                  f.icmpv6(own.ipv6, other.ipv6, kind, rest + quoted, code))
    datagram = f.udp(own.ipv6, other.ipv6, 5000, 5000, bytes(72))
    cast.ipv6("ipv6", "first fragment", own.ipv6, other.ipv6, f.FRAGMENT,
              f.fragment_header(f.UDP, 0, True) + datagram[:40])
    cast.ipv6("ipv6", "last fragment", own.ipv6, other.ipv6, f.FRAGMENT, f.fragment_header(f.UDP, 40) + datagram[40:])
    echo = f.icmpv6(own.ipv6, other.ipv6, 128, bytes(76))
    cast.ipv6("ipv6", "first fragment of an echo request", own.ipv6, other.ipv6, f.FRAGMENT,
              f.fragment_header(f.ICMPV6, 0, True) + echo[:40])
    cast.ipv6("ipv6", "last fragment of an echo request", own.ipv6, other.ipv6, f.FRAGMENT,
              f.fragment_header(f.ICMPV6, 40) + echo[40:])
    for kind, name in ((1, "solicit"), (3, "request"), (11, "information request")):
        cast.udp6("local", f"DHCPv6 {name}", own.local, f.DHCPV6_SERVERS, (546, 547), f.dhcpv6(kind, own.mac))


def _neighbours(cast):
    own, other, router, host = cast.own, cast.other, cast.router, cast.host
    source, target = f.link_layer(1, own.mac), f.link_layer(2, own.mac)
    for kind, address in (("ipv6", own.ipv6), ("local", own.local)):
        group, word = f.solicited_node(address), {"ipv6": "address", "local": "link-local address"}[kind]
        cast.icmp6(kind, f"duplicate detection of its {word}", "::", group, 135, f.solicitation(address))
        cast.icmp6(kind, f"duplicate detection of its {word} with a nonce (RFC 7527)", "::", group, 135,
                   f.solicitation(address, f.NONCE))
        for name, destination, flags in (("an answer", other.local, 0x60), ("an announcement", f.ALL_NODES, 0x20)):
            cast.icmp6(kind, f"neighbour advertisement of its {word}, {name}", address, destination, 136,
                       f.advertisement(address, target, flags))
        cast.icmp6(kind, f"neighbour advertisement of its {word} without an option", address, host.local, 136,
                   f.advertisement(address))
        cast.icmp6(kind, f"neighbour solicitation from its {word}", address, f.solicited_node(router.ipv6), 135,
                   f.solicitation(router.ipv6, source))
        cast.icmp6(kind, f"neighbour solicitation from its {word} with a nonce", address,
                   f.solicited_node(other.ipv6), 135, f.solicitation(other.ipv6, source + f.NONCE))
        cast.icmp6(kind, f"neighbour solicitation from its {word} to one neighbour", address, router.ipv6, 135,
                   f.solicitation(router.ipv6))
    cast.icmp6("ipv6", "neighbour advertisement of its address from its link-local address", own.local, other.local,
               136, f.advertisement(own.ipv6, target))
    cast.icmp6("local", "router solicitation", own.local, f.ALL_ROUTERS, 133, bytes(4) + source)
    cast.icmp6("local", "router solicitation without an address", "::", f.ALL_ROUTERS, 133, bytes(4))


def _multicast_listening(cast):
    own = cast.own
    group = f.solicited_node(own.local)
    record = report_of(group)
    for source, word in ((own.local, "from its link-local address"), ("::", "without an address")):
        for kind, name, to, body in ((143, "MLDv2 report", f.MLDV2_ROUTERS, record),
                                     (131, "MLDv1 report", group, bytes(4) + f.ip(group))):
            cast.icmp6("local", f"{name} {word}", source, to, kind, body, hops=1, before=[f.mld_header])
    cast.icmp6("local", "MLDv1 done", own.local, f.ALL_ROUTERS, 132, bytes(4) + f.ip(group), hops=1,
               before=[f.mld_header])


def report_of(group):
    """The body of an MLDv2 report with one record, a change to exclude mode (RFC 3810 §5.2)."""
    return bytes([0, 0, 0, 1, 4, 0, 0, 0]) + f.ip(group)


def _priority_tags(cast):
    """A tag of VLAN 0 says a priority and no VLAN: the frame counts as untagged (IEEE 802.1Q §6.9)."""
    wanted = ("ARP request", "ARP reply", "echo request", "UDP to another guest", "DHCP discover",
              "neighbour solicitation from its address", "router solicitation", "MLDv2 report without an address")
    for frame in [frame for frame in cast.frames if frame.name in wanted]:
        cast.add(frame.kind, f"{frame.name} ({frame.kind}) with a priority tag", f.tagged(frame.data, 0, priority=5))
