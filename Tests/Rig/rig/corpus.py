"""The packet corpus: what a guest sends that is its own business, and what it must not get away with.

Each frame has a name, and a kind that says what a vif has to be allowed for it to pass:

    ipv4      speaks for the vif's own IPv4 address          ipv6     speaks for its own IPv6 address
    dhcp      asks for an IPv4 address                       local    speaks for its own link-local address
    free4     claims an IPv4 address that is nobody's        free6    claims an IPv6 address that is nobody's
    taken4    claims the host's, a gateway's or another      taken6   the same for IPv6, link-local ones included
    mac       claims another hardware address                rogue    answers or redirects as a server or router
    odd       is neither ARP, IPv4 nor IPv6, or is tagged    unspecified   speaks for no address where it has to
"""

import dataclasses

from . import frames as f

LEGITIMATE = ("ipv4", "dhcp", "ipv6", "local")
SPOOFED = ("free4", "taken4", "free6", "taken6", "mac", "rogue", "odd", "unspecified")


@dataclasses.dataclass(frozen=True)
class Station:
    """Somebody on the network."""

    mac: str
    ipv4: str
    ipv6: str

    @property
    def local(self):
        return f.link_local(self.mac)


@dataclasses.dataclass(frozen=True)
class Frame:
    """A frame of the corpus; `to` names the places where it has to come out if it passes."""

    name: str
    kind: str
    data: bytes
    to: frozenset


class Cast:
    """Who is on the network besides the guest that sends, and the frames that it may or may not send."""

    FREE = Station("00:16:3e:00:00:99", "192.0.2.99", "2001:db8:1::99")

    def __init__(self, own, other, host, router):
        self.own = own
        self.other = other
        self.host = host
        self.router = router
        self.frames = []

    @property
    def others(self):
        """Whose addresses are taken, with the words for them."""
        return (("the host's", self.host), ("the gateway's", self.router), ("another vif's", self.other))

    def add(self, kind, name, data):
        """Adds a frame; where it goes, its destination tells."""
        for station, place in ((self.other, "guest"), (self.router, "router"), (self.host, "host")):
            if data[:6] == f.mac(station.mac):
                to = {place}
                break
        else:
            to = {"guest", "router", "host"}
        self.frames.append(Frame(name, kind, data, frozenset(to)))

    # Shorthands: a frame of the guest to somebody.

    def ipv4(self, kind, name, source, destination, protocol, payload, to=None, hardware=None, **fields):
        self.add(kind, name, f.ethernet(
            hardware or self.own.mac, to or self._hardware(destination), f.IPV4,
            f.ipv4(source, destination, protocol, payload, **fields)))

    def udp4(self, kind, name, source, destination, ports=(5000, 5000), body=b"corpus..", to=None, **fields):
        self.ipv4(kind, name, source, destination, f.UDP, f.udp(source, destination, *ports, body), to, **fields)

    def ipv6(self, kind, name, source, destination, following, payload, to=None, hardware=None, hops=64,
             before=()):
        """`before` holds the makers of headers that stand before the payload, the outermost first."""
        for maker in reversed(before):
            payload = maker(following) + payload
            following = {f.options_header: f.DESTINATION, f.mld_header: f.HOP_BY_HOP, hop_by_hop: f.HOP_BY_HOP,
                         f.routing_header: f.ROUTING, authentication: f.AH, f.fragment_header: f.FRAGMENT,
                         first_fragment: f.FRAGMENT}[maker]
        self.add(kind, name, f.ethernet(
            hardware or self.own.mac, to or self._hardware(destination), f.IPV6,
            f.ipv6(source, destination, following, payload, hops)))

    def udp6(self, kind, name, source, destination, ports=(5000, 5000), body=b"corpus..", **more):
        self.ipv6(kind, name, source, destination, f.UDP, f.udp(source, destination, *ports, body), **more)

    def icmp6(self, kind, name, source, destination, message, body, hops=255, **more):
        self.ipv6(kind, name, source, destination, f.ICMPV6, f.icmpv6(source, destination, message, body),
                  hops=hops, **more)

    def arp(self, kind, name, operation, sender_mac, sender_ip, target_mac, target_ip, to=f.BROADCAST,
            hardware=None, hardware_type=1, protocol=f.IPV4):
        self.add(kind, name, f.ethernet(
            hardware or self.own.mac, to, f.ARP,
            f.arp(operation, sender_mac, sender_ip, target_mac, target_ip, hardware_type, protocol)))

    def _hardware(self, address):
        for station in (self.other, self.host, self.router):
            if address in (station.ipv4, station.ipv6, station.local):
                return station.mac
        if address.startswith("ff") or (":" not in address and 224 <= int(address.split(".")[0]) < 240):
            return f.multicast_mac(address)
        return f.BROADCAST


def hop_by_hop(following):
    return f.options_header(following)


def authentication(following):
    return f.authentication_header(following)


def first_fragment(following):
    return f.fragment_header(following, 0, more=True)
