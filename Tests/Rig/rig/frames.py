"""Ethernet frames, put together by hand: what a guest may say, and what it must not get away with.

Every builder takes and returns plain bytes. Addresses are given as text. Checksums are right, so that only a
frame's meaning can be what it is dropped for.
"""

import ipaddress
import struct

BROADCAST = "ff:ff:ff:ff:ff:ff"
IPV4, ARP, RARP, IPV6 = 0x0800, 0x0806, 0x8035, 0x86DD
VLAN, PROVIDER_VLAN, OLD_PROVIDER_VLAN = 0x8100, 0x88A8, 0x9100
HOP_BY_HOP, ROUTING, FRAGMENT, ESP, AH, ICMPV6, NO_NEXT, DESTINATION = 0, 43, 44, 50, 51, 58, 59, 60
ICMP, IGMP, TCP, UDP, GRE = 1, 2, 6, 17, 47
ALL_NODES, ALL_ROUTERS, DHCPV6_SERVERS, MLDV2_ROUTERS = "ff02::1", "ff02::2", "ff02::1:2", "ff02::16"


def mac(text):
    return bytes(int(part, 16) for part in text.split(":"))


def ip(text):
    return ipaddress.ip_address(text).packed


def link_local(hardware):
    """The link-local address that a hardware address makes (RFC 4291, appendix A)."""
    octets = bytearray(mac(hardware))
    octets[0] ^= 2
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + bytes(octets[:3]) + b"\xff\xfe" + bytes(octets[3:])))


def solicited_node(address):
    """The multicast address at which the holder of an address is asked for (RFC 4291 §2.7.1)."""
    return str(ipaddress.IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + ip(address)[13:]))


def multicast_mac(address):
    """The hardware address of a multicast group (RFC 1112 §6.4, RFC 2464 §7)."""
    octets = ip(address)
    if len(octets) == 16:
        return "33:33:" + ":".join(f"{octet:02x}" for octet in octets[12:])
    return "01:00:5e:" + ":".join(f"{octet:02x}" for octet in (octets[1] & 0x7F, *octets[2:]))


def checksum(data):
    """The checksum of RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


# Ethernet.

def ethernet(source, destination, ethertype, payload):
    return mac(destination) + mac(source) + struct.pack("!H", ethertype) + payload


def tagged(frame, identifier, protocol=VLAN, priority=0):
    """The frame with a tag (IEEE 802.1Q) put in front of its type."""
    return frame[:12] + struct.pack("!HH", protocol, priority << 13 | identifier) + frame[12:]


def llc(source, destination, payload):
    """A frame of IEEE 802.3, which says its length where others say a type."""
    return ethernet(source, destination, len(payload), payload)


def snap(source, destination, ethertype, payload):
    """A packet in the encapsulation of RFC 1042."""
    return llc(source, destination, b"\xaa\xaa\x03\0\0\0" + struct.pack("!H", ethertype) + payload)


# ARP (RFC 826).

def arp(operation, sender_mac, sender_ip, target_mac, target_ip, hardware=1, protocol=IPV4):
    return struct.pack("!HHBBH", hardware, protocol, 6, 4, operation) + mac(sender_mac) + ip(sender_ip) \
        + mac(target_mac) + ip(target_ip)


# IPv4 (RFC 791).

def ipv4(source, destination, protocol, payload, options=b"", fragment=0, ttl=64):
    """`fragment` is the field of flags and offset as it is written: 0x2000 says that more follow."""
    header = struct.pack("!BBHHHBBH", 0x40 | 5 + len(options) // 4, 0, 20 + len(options) + len(payload), 0x1234,
                         fragment, ttl, protocol, 0) + ip(source) + ip(destination) + options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def icmp(kind, code=0, rest=b"\0\0\0\0", body=b""):
    message = struct.pack("!BBH", kind, code, 0) + rest + body
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


ROUTER_ALERT = b"\x94\x04\0\0"  # RFC 2113


# IPv6 (RFC 8200).

def ipv6(source, destination, following, payload, hops=64):
    return struct.pack("!IHBB", 0x60000000, len(payload), following, hops) + ip(source) + ip(destination) + payload


def options_header(following, units=1):
    """A hop-by-hop or destination options header of so many units of eight octets, all padding."""
    room = units * 8 - 4
    return struct.pack("!BBBB", following, units - 1, 1, room) + bytes(room)


def mld_header(following):
    """A hop-by-hop header with the router alert that MLD demands (RFC 2710 §3)."""
    return bytes([following, 0, 5, 2, 0, 0, 1, 0])


def routing_header(following):
    """A routing header of an experimental type without segments left: hosts pass over it (RFC 8200 §4.4)."""
    return bytes([following, 0, 253, 0, 0, 0, 0, 0])


def authentication_header(following):
    """An authentication header with a check value of twelve octets (RFC 4302)."""
    return bytes([following, 4]) + bytes(22)


def fragment_header(following, offset=0, more=False, identification=0xD1D1):
    """`offset` is in octets, a multiple of eight."""
    return struct.pack("!BBHI", following, 0, offset | more, identification)


def udp(source, destination, source_port, destination_port, body=b"corpus.."):
    """A datagram with its checksum; the addresses are those of the packet that carries it."""
    datagram = struct.pack("!HHHH", source_port, destination_port, 8 + len(body), 0) + body
    return datagram[:6] + struct.pack("!H", _transport(source, destination, UDP, datagram) or 0xFFFF) + datagram[8:]


def tcp(source, destination, source_port, destination_port, flags=0x02):
    segment = struct.pack("!HHIIBBHHH", source_port, destination_port, 1, 0, 0x50, flags, 1024, 0, 0)
    return segment[:16] + struct.pack("!H", _transport(source, destination, TCP, segment)) + segment[18:]


def icmpv6(source, destination, kind, body, code=0):
    """A message of ICMPv6; the addresses are those of the packet that carries it."""
    message = struct.pack("!BBH", kind, code, 0) + body
    return message[:2] + struct.pack("!H", _transport(source, destination, ICMPV6, message)) + message[4:]


def _transport(source, destination, protocol, message):
    source, destination = ip(source), ip(destination)
    if len(source) == 16:
        return checksum(source + destination + struct.pack("!II", len(message), protocol) + message)
    return checksum(source + destination + struct.pack("!HH", protocol, len(message)) + message)


# Neighbour discovery (RFC 4861).

def link_layer(kind, hardware):
    """The source (1) or target (2) link-layer address option."""
    return bytes([kind, 1]) + mac(hardware)


NONCE = bytes.fromhex("0e01a1b2c3d4e5f6")  # RFC 3971 §5.3.2; sent with every probe of RFC 7527


def solicitation(target, options=b""):
    return bytes(4) + ip(target) + options


def advertisement(target, options=b"", flags=0x60):
    """`flags`: 0x80 router, 0x40 solicited, 0x20 override."""
    return bytes([flags, 0, 0, 0]) + ip(target) + options


def router_advertisement(hardware, prefix="2001:db8:bad::"):
    information = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 1800, 1800, 0) + ip(prefix)
    return struct.pack("!BBHII", 64, 0, 1800, 0, 0) + link_layer(1, hardware) + information


def redirect(target, destination, hardware):
    return bytes(4) + ip(target) + ip(destination) + link_layer(2, hardware)


# DHCP (RFC 2131) and DHCPv6 (RFC 8415).

def dhcp(operation, hardware, kind, offered="0.0.0.0", client="0.0.0.0", server="0.0.0.0", more=b""):
    """`operation` is 1 for a client's request and 2 for an answer, `kind` the value of option 53."""
    return struct.pack("!BBBBIHH", operation, 1, 6, 0, 0xD1D1D1D1, 0, 0x8000) + ip(client) + ip(offered) \
        + ip(server) + bytes(4) + mac(hardware) + bytes(10 + 64 + 128) \
        + b"\x63\x82\x53\x63" + bytes([53, 1, kind]) + more + b"\xff"


def dhcpv6(kind, hardware):
    """A message with the client's identifier made of its hardware address."""
    return struct.pack("!I", kind << 24 | 0xD1D1D1) + struct.pack("!HHHH", 1, 10, 3, 1) + mac(hardware)
