"""The part of the packet corpus that has to be dropped."""

import struct

from . import frames as f
from .corpus import authentication, first_fragment, hop_by_hop
from .legitimate import NOBODY, report_of

# The ways to hide a message from a filter that looks only at the first header behind IPv6's own.
HIDING = (
    ([hop_by_hop], "behind a hop-by-hop header"),
    ([f.options_header], "behind destination options"),
    ([f.routing_header], "behind a routing header"),
    ([hop_by_hop, f.options_header, f.options_header], "behind three headers"),
    ([f.fragment_header], "in an atomic fragment"),
    ([f.options_header, f.fragment_header], "in an atomic fragment behind destination options"),
    ([first_fragment], "in a first fragment"),
)
BEHIND_AUTHENTICATION = ([authentication], "behind an authentication header")


def add(cast):
    _arp(cast)
    _ipv4(cast)
    _ipv6(cast)
    _neighbours(cast)
    _rogue_ipv4(cast)
    _rogue_ipv6(cast)
    _priority_tags(cast)
    _odd(cast)
    _hardware(cast)  # The last, since a bridge that is not told otherwise learns from them.


def _arp(cast):
    own, router, host = cast.own, cast.router, cast.host
    claims = [("taken4", word, station.ipv4) for word, station in cast.others]
    for kind, word, address in (*claims, ("free4", "a free", cast.FREE.ipv4)):
        cast.arp(kind, f"ARP request from {word} address", 1, own.mac, address, NOBODY, "192.0.2.50")
        cast.arp(kind, f"ARP reply that claims {word} address", 2, own.mac, address, cast.other.mac, cast.other.ipv4,
                 to=cast.other.mac)
        cast.arp(kind, f"gratuitous ARP of {word} address", 1, own.mac, address, NOBODY, address)
        cast.arp(kind, f"gratuitous ARP of {word} address as an answer", 2, own.mac, address, f.BROADCAST, address)
    for word, station in cast.others:
        cast.arp("mac", f"ARP request with {word} hardware address as the sender's", 1, station.mac, own.ipv4, NOBODY,
                 "192.0.2.50")
        cast.arp("mac", f"ARP reply with {word} hardware address as the sender's", 2, station.mac, own.ipv4,
                 router.mac, router.ipv4)
        cast.arp("mac", f"ARP reply with {word} two addresses", 2, station.mac, station.ipv4, router.mac, router.ipv4)
    cast.arp("mac", "ARP probe with a free hardware address as the sender's", 1, cast.FREE.mac, "0.0.0.0", NOBODY,
             own.ipv4)
    cast.arp("odd", "ARP of another kind of hardware", 1, own.mac, own.ipv4, NOBODY, host.ipv4, hardware_type=6)
    cast.arp("odd", "ARP of another protocol", 1, own.mac, own.ipv4, NOBODY, host.ipv4, protocol=0x0600)
    cast.arp("unspecified", "ARP reply from 0.0.0.0", 2, own.mac, "0.0.0.0", router.mac, router.ipv4)
    for operation, name in ((3, "reverse request"), (4, "reverse reply"), (9, "InARP reply")):
        cast.arp("odd", f"ARP with the operation {name}", operation, own.mac, own.ipv4, own.mac, own.ipv4)


def _ipv4(cast):
    own, other, router = cast.own, cast.other, cast.router
    claims = [("taken4", word, station.ipv4) for word, station in cast.others]
    for kind, word, address in (*claims, ("taken4", "the host's second", "192.0.2.11"),
                                ("free4", "a free", cast.FREE.ipv4), ("free4", "a distant", "203.0.113.5")):
        cast.udp4(kind, f"UDP from {word} IPv4 address", address, "255.255.255.255")
        cast.udp4(kind, f"UDP with options from {word} IPv4 address", address, "255.255.255.255",
                  options=f.ROUTER_ALERT)
        cast.ipv4(kind, f"a last fragment from {word} IPv4 address", address, other.ipv4, f.UDP, bytes(16),
                  fragment=5)
    for kind, word, address in claims:
        cast.ipv4(kind, f"echo request from {word} IPv4 address", address, router.ipv4, f.ICMP, f.icmp(8))
        cast.ipv4(kind, f"TCP SYN from {word} IPv4 address", address, router.ipv4, f.TCP,
                  f.tcp(address, router.ipv4, 40000, 22))
        cast.ipv4(kind, f"IGMP report from {word} IPv4 address", address, "224.0.0.22", f.IGMP,
                  f.icmp(0x22, 0, b"\0\0\0\1", bytes.fromhex("04000000e00000fb")), options=f.ROUTER_ALERT, ttl=1)
        cast.udp4(kind, f"DHCP request from {word} IPv4 address", address, "255.255.255.255", (68, 67),
                  f.dhcp(1, own.mac, 3, client=address))
    for word, address in (("the loopback's", "127.0.0.1"), ("a multicast", "224.0.0.1"),
                          ("everybody's", "255.255.255.255")):
        cast.udp4("unspecified", f"UDP from {word} IPv4 address", address, "255.255.255.255")
    for name, ports, to in (("UDP", (5000, 5000), other.ipv4), ("DNS", (53, 53), "255.255.255.255")):
        cast.udp4("unspecified", f"{name} from 0.0.0.0", "0.0.0.0", to, ports)
    cast.ipv4("unspecified", "echo request from 0.0.0.0", "0.0.0.0", router.ipv4, f.ICMP, f.icmp(8))


def _ipv6(cast):
    own, other, router = cast.own, cast.other, cast.router
    claims = [("taken6", word, station.ipv6) for word, station in cast.others]
    claims += [("taken6", word + " link-local", station.local) for word, station in cast.others]
    for kind, word, address in (*claims, ("free6", "a free", cast.FREE.ipv6), ("free6", "a distant", "2001:db8:f::5")):
        cast.udp6(kind, f"UDP from {word} IPv6 address", address, f.ALL_NODES)
        cast.udp6(kind, f"UDP behind a hop-by-hop header from {word} IPv6 address", address, f.ALL_NODES,
                  before=[hop_by_hop])
        cast.ipv6(kind, f"a last fragment from {word} IPv6 address", address, other.ipv6, f.FRAGMENT,
                  f.fragment_header(f.UDP, 40) + bytes(16))
    for kind, word, address in claims:
        cast.icmp6(kind, f"echo request from {word} IPv6 address", address, router.ipv6, 128, bytes(4), hops=64)
        cast.icmp6(kind, f"MLDv2 report from {word} IPv6 address", address, f.MLDV2_ROUTERS, 143,
                   report_of("ff02::fb"), hops=1, before=[f.mld_header])
    cast.udp6("other link-local", "UDP from a second link-local address", "fe80::1234", f.ALL_NODES)
    cast.udp6("other link-local", "UDP from a link-local address outside fe80::/64", "fe80:1::5", f.ALL_NODES)
    for word, address in (("the loopback's", "::1"), ("a multicast", "ff02::1"), ("no", "::")):
        cast.udp6("unspecified", f"UDP from {word} IPv6 address", address, f.ALL_NODES)
    cast.icmp6("unspecified", "echo request from no IPv6 address", "::", f.ALL_NODES, 128, bytes(4))


def _neighbours(cast):
    own, other = cast.own, cast.other
    target = f.link_layer(2, own.mac)
    claims = [("taken6", word, station.ipv6) for word, station in cast.others]
    claims += [("taken6", word + " link-local", station.local) for word, station in cast.others]
    for kind, word, address in (*claims, ("free6", "a free", cast.FREE.ipv6)):
        group = f.solicited_node(address)
        for flags, name in ((0x60, "answer"), (0x20, "announcement")):
            cast.icmp6(kind, f"neighbour advertisement of {word} address, an {name}", own.local, f.ALL_NODES, 136,
                       f.advertisement(address, target, flags))
        cast.icmp6(kind, f"neighbour advertisement of {word} address without an option", own.local, f.ALL_NODES, 136,
                   f.advertisement(address))
        cast.icmp6(kind, f"duplicate detection of {word} address", "::", group, 135, f.solicitation(address))
        cast.icmp6(kind, f"neighbour solicitation from {word} address", address, f.solicited_node(other.ipv6), 135,
                   f.solicitation(other.ipv6, f.link_layer(1, own.mac)))
    cast.icmp6("unspecified", "neighbour advertisement from no address", "::", f.ALL_NODES, 136,
               f.advertisement(own.ipv6, target, 0x20))
    cast.icmp6("other link-local", "neighbour advertisement of a second link-local address", own.local, f.ALL_NODES,
               136, f.advertisement("fe80::1234", target, 0x20))
    host = cast.host
    for before, name in (*HIDING, BEHIND_AUTHENTICATION):
        cast.icmp6("taken6", f"neighbour advertisement of the host's address {name}", own.local, f.ALL_NODES, 136,
                   f.advertisement(host.ipv6, target), before=before)
        cast.icmp6("taken6", f"duplicate detection of the host's address {name}", "::",
                   f.solicited_node(host.ipv6), 135, f.solicitation(host.ipv6), before=before)
    for word, station in cast.others:
        for options, name in ((b"", ""), (f.NONCE, " behind a nonce")):
            cast.icmp6("mac", f"neighbour solicitation with {word} link-layer address{name}", own.ipv6,
                       f.solicited_node(other.ipv6), 135,
                       f.solicitation(other.ipv6, options + f.link_layer(1, station.mac)))
            cast.icmp6("mac", f"neighbour advertisement with {word} link-layer address{name}", own.ipv6,
                       f.ALL_NODES, 136, f.advertisement(own.ipv6, options + f.link_layer(2, station.mac)))
        cast.icmp6("mac", f"router solicitation with {word} link-layer address", own.local, f.ALL_ROUTERS, 133,
                   bytes(4) + f.link_layer(1, station.mac))


def _rogue_ipv4(cast):
    own, other = cast.own, cast.other
    for kind, name in ((2, "offer"), (5, "acknowledgement"), (6, "refusal")):
        answer = f.dhcp(2, other.mac, kind, offered=cast.FREE.ipv4, server=own.ipv4)
        cast.udp4("rogue", f"DHCP {name}", own.ipv4, "255.255.255.255", (67, 68), answer)
    answer = f.dhcp(2, other.mac, 5, offered=cast.FREE.ipv4, server=own.ipv4)
    cast.udp4("rogue", "DHCP answer to one guest", own.ipv4, other.ipv4, (67, 68), answer)
    cast.udp4("rogue", "DHCP answer from another port", own.ipv4, "255.255.255.255", (1067, 68), answer)
    cast.udp4("rogue", "DHCP answer behind IP options", own.ipv4, "255.255.255.255", (67, 68), answer,
              options=f.ROUTER_ALERT)
    cast.udp4("rogue", "DHCP answer from 0.0.0.0", "0.0.0.0", "255.255.255.255", (67, 68), answer)
    datagram = f.udp(own.ipv4, "255.255.255.255", 67, 68, answer)
    cast.ipv4("rogue", "DHCP answer in a first fragment", own.ipv4, "255.255.255.255", f.UDP, datagram[:240],
              fragment=0x2000)
    quoted = f.ipv4(other.ipv4, "203.0.113.80", f.UDP, bytes(8))
    for code, name in ((0, "network"), (1, "host")):
        redirect = f.icmp(5, code, f.ip(own.ipv4), quoted)
        cast.ipv4("rogue", f"ICMP redirect of a {name}", own.ipv4, other.ipv4, f.ICMP, redirect)
        cast.ipv4("rogue", f"ICMP redirect of a {name} behind IP options", own.ipv4, other.ipv4, f.ICMP, redirect,
                  options=f.ROUTER_ALERT)


def _rogue_ipv6(cast):
    own, other = cast.own, cast.other
    advertisement, redirect = f.router_advertisement(own.mac), f.redirect(own.local, "2001:db8:20::80", own.mac)
    for before, name in (([], ""), *HIDING, BEHIND_AUTHENTICATION):
        cast.icmp6("rogue", f"router advertisement {name}".strip(), own.local, f.ALL_NODES, 134, advertisement,
                   before=before)
        cast.icmp6("rogue", f"redirect {name}".strip(), own.local, other.local, 137, redirect, before=before)
        if before == [authentication]:
            continue  # UDP may be authenticated: who accepts it has agreed upon a key with the guest.
        cast.udp6("rogue", f"DHCPv6 answer {name}".strip(), own.local, other.local, (547, 546),
                  f.dhcpv6(7, other.mac), before=before)
    cast.icmp6("rogue", "router advertisement to one guest", own.local, other.local, 134, advertisement)
    cast.icmp6("rogue", "router advertisement from its own address", own.ipv6, f.ALL_NODES, 134, advertisement)
    cast.udp6("rogue", "DHCPv6 advertise", own.local, other.local, (547, 546), f.dhcpv6(2, other.mac))
    cast.udp6("rogue", "DHCPv6 answer from another port", own.local, other.local, (1547, 546), f.dhcpv6(7, other.mac))
    # RFC 7113: headers so long that the message itself begins in the second fragment. Whoever drops the first,
    # which ends before it says what it carries (RFC 7112), has dropped the whole.
    whole = f.options_header(f.ICMPV6, 3) + f.icmpv6(own.local, f.ALL_NODES, 134, advertisement)
    cast.ipv6("rogue", "the first of two fragments of a router advertisement that begins in the second", own.local,
              f.ALL_NODES, f.FRAGMENT, f.fragment_header(f.DESTINATION, 0, True) + whole[:16], hops=255)


def _priority_tags(cast):
    """A priority tag has the same meaning as none, also for what is dropped."""
    wanted = ("UDP from the host's IPv4 address", "UDP from a free IPv4 address", "ARP request from the host's address",
              "ARP reply that claims the gateway's address", "UDP from another vif's IPv6 address",
              "UDP from a free IPv6 address", "neighbour advertisement of the host's address, an answer",
              "router advertisement", "DHCP offer", "DHCPv6 answer", "redirect", "UDP from a second link-local address")
    for frame in [frame for frame in cast.frames if frame.name in wanted]:
        cast.add(frame.kind, f"{frame.name} with a priority tag", f.tagged(frame.data, 0, priority=5))


def _odd(cast):
    own = cast.own
    plain = f.ethernet(own.mac, f.BROADCAST, f.IPV4, f.ipv4(
        own.ipv4, "255.255.255.255", f.UDP, f.udp(own.ipv4, "255.255.255.255", 5000, 5000)))
    arp = f.arp(1, own.mac, own.ipv4, NOBODY, cast.router.ipv4)
    cast.add("odd", "VLAN 10", f.tagged(plain, 10))
    cast.add("odd", "VLAN 1", f.tagged(plain, 1))
    cast.add("odd", "VLAN 10 with ARP", f.tagged(f.ethernet(own.mac, f.BROADCAST, f.ARP, arp), 10))
    cast.add("odd", "QinQ", f.tagged(f.tagged(plain, 10), 20, f.PROVIDER_VLAN))
    cast.add("odd", "QinQ of old", f.tagged(f.tagged(plain, 10), 20, f.OLD_PROVIDER_VLAN))
    cast.add("odd", "a provider's tag alone", f.tagged(plain, 20, f.PROVIDER_VLAN))
    cast.add("odd", "a VLAN in a VLAN", f.tagged(f.tagged(plain, 10), 20))
    cast.add("odd", "a VLAN behind a priority tag", f.tagged(f.tagged(plain, 10), 0))
    cast.add("odd", "a priority tag behind a VLAN", f.tagged(f.tagged(plain, 0), 10))
    cast.add("odd", "two priority tags", f.tagged(f.tagged(plain, 0), 0))
    group = "01:80:c2:00:00:00"
    cast.add("odd", "STP", f.llc(own.mac, group, b"\x42\x42\x03" + bytes(4) + b"\x80\0" + f.mac(own.mac) + bytes(23)))
    cast.add("odd", "RSTP to everybody", f.llc(own.mac, f.BROADCAST, b"\x42\x42\x03\0\0\x02\x02" + bytes(32)))
    cast.add("odd", "LLC test", f.llc(own.mac, f.BROADCAST, b"\0\0\xe3" + bytes(43)))
    cast.add("odd", "NetWare without LLC", f.llc(own.mac, f.BROADCAST, b"\xff\xff" + bytes(44)))
    for ethertype, name, payload in ((f.IPV4, "IPv4", plain[14:]), (f.ARP, "ARP", arp)):
        cast.add("odd", f"{name} in SNAP (RFC 1042)", f.snap(own.mac, f.BROADCAST, ethertype, payload))
    cast.add("odd", "PVST", f.llc(own.mac, "01:00:0c:cc:cc:cd", b"\xaa\xaa\x03\0\0\x0c\x01\x0b" + bytes(38)))
    cast.add("odd", "RARP", f.ethernet(own.mac, f.BROADCAST, f.RARP, f.arp(3, own.mac, "0.0.0.0", own.mac, "0.0.0.0")))
    for ethertype, name in ((0x88B5, "an experiment's ethertype"), (0x8863, "PPPoE discovery"), (0x8864, "PPPoE"),
                            (0x88CC, "LLDP"), (0x888E, "EAPOL"), (0x88E5, "MACsec"), (0x8847, "MPLS"),
                            (0x8137, "IPX"), (0x809B, "AppleTalk"), (0x0842, "wake-on-LAN"), (0x88F7, "PTP"),
                            (0x8906, "FCoE"), (0x88A2, "AoE"), (0x22F0, "AVTP"), (0x8902, "CFM"), (0xFFFF, "0xffff")):
        cast.add("odd", name, f.ethernet(own.mac, f.BROADCAST, ethertype, struct.pack("!H", ethertype) + bytes(44)))


def _hardware(cast):
    own = cast.own
    sources = [(word, station.mac) for word, station in cast.others]
    for word, mac in (*sources, ("a free", cast.FREE.mac), ("the port's own", "fe:ff:ff:ff:ff:ff")):
        cast.udp4("mac", f"UDP over IPv4 with {word} hardware address", own.ipv4, "255.255.255.255", hardware=mac)
        cast.udp6("mac", f"UDP over IPv6 with {word} hardware address", own.ipv6, f.ALL_NODES, hardware=mac)
        cast.arp("mac", f"ARP request with {word} hardware address", 1, mac, own.ipv4, NOBODY, "192.0.2.50",
                 hardware=mac)
        cast.arp("mac", f"ARP request of its own from {word} hardware address", 1, own.mac, own.ipv4, NOBODY,
                 "192.0.2.50", hardware=mac)
        cast.udp4("mac", f"DHCP discover from {word} hardware address", "0.0.0.0", "255.255.255.255", (68, 67),
                  f.dhcp(1, mac, 1), hardware=mac)
        cast.icmp6("mac", f"duplicate detection from {word} hardware address", "::",
                   f.solicited_node(own.ipv6), 135, f.solicitation(own.ipv6), hardware=mac)
