"""The filter against spoofing, held against a corpus of raw frames: sent from the guest's namespace, and looked for
at another guest, at the router behind the uplink and at the host itself."""

from rig import frames as f
from rig.cases import demand, link, test
from rig.corpus import LEGITIMATE, Cast, Station
from rig.filtering import (
    HOST, OTHER, OWN, ROUTER, attached, calm, corpus, judge, listening, needs_filter, silent)
from rig.topology import Topology


def holds(passing, *options):
    with attached(*options) as (topology, _):
        needs_filter(topology)
        with listening(topology) as wire:
            judge(topology, wire, corpus(), passing)


@test("the packet corpus: behind a bridge that nobody filters, every frame of it arrives")
def unfiltered():
    topology = Topology()
    try:
        calm(topology)
        topology.host.batch([
            f"link add xenbr0 address {HOST.mac} type bridge forward_delay 0", "link set xenbr0 up",
            "link set eth0 address 02:00:00:00:00:ee", "link set eth0 master xenbr0"])
        for vif, station in (("1.0", OWN), ("3.1", OTHER)):
            guest = topology.add_guest_with_device(vif, station.mac)
            topology.host.batch([f"link set vif{vif} address fe:ff:ff:ff:ff:ff master xenbr0 up"])
            guest.ip("link", "set", "eth0", "up")
        frames = corpus()
        names = [(frame.kind, frame.name) for frame in frames]
        demand(len(set(names)) == len(names), f"names that repeat: {[n for n in names if names.count(n) > 1]}")
        demand(len({frame.data for frame in frames}) == len(frames), "two frames are the same")
        demand(len(frames) >= 120, f"only {len(frames)} frames")
        with listening(topology) as wire:
            judge(topology, wire, frames, {frame.kind for frame in frames})
    finally:
        topology.remove()


@test("§7-46: a vif with an IPv4 address: of the packet corpus its own frames pass, and no other")
def ipv4_only():
    holds({"ipv4", "dhcp"}, "--ip", OWN.ipv4)


@test("§7-46: a vif with an IPv6 address: of the packet corpus its own frames pass, and no other")
def ipv6_only():
    holds({"ipv6", "local"}, "--ip", OWN.ipv6)


@test("§7-46: a vif with both addresses: of the packet corpus its own frames pass, and no other")
def dual_stack():
    holds(set(LEGITIMATE), "--ip", OWN.ipv4, "--ip", OWN.ipv6)


@test("§7-46: a limit takes nothing of the filter: of the packet corpus a limited vif's own frames pass, and no other")
def limited():
    holds(set(LEGITIMATE), "--ip", OWN.ipv4, "--ip", OWN.ipv6, "--rate", "1Gb/s", "--rate-in", "1Gb/s")


@test("§7-46: a vif with a hardware address alone: it may use what is nobody's, and of the rest only its own")
def hardware_address_only():
    holds({*LEGITIMATE, "free4", "free6"})


@test("§7-46: prefixes: every address of them is the vif's own, and none beside them")
def prefixes():
    with attached("--ip", OWN.ipv4, "--ip", "198.51.100.16/28", "--ip", "2001:db8:77::/64") as (topology, _):
        needs_filter(topology)
        cast = Cast(OWN, OTHER, HOST, ROUTER)
        for kind, addresses in (("ipv4", (OWN.ipv4, "198.51.100.16", "198.51.100.21", "198.51.100.31")),
                                ("free4", ("198.51.100.15", "198.51.100.32", "198.51.101.21", "192.0.2.22"))):
            for address in addresses:
                cast.udp4(kind, f"UDP from {address}", address, "255.255.255.255")
                cast.arp(kind, f"ARP request from {address}", 1, OWN.mac, address, "00:00:00:00:00:00", ROUTER.ipv4)
                cast.arp(kind, f"ARP probe for {address}", 1, OWN.mac, "0.0.0.0", "00:00:00:00:00:00", address)
        # Stateless configuration: any address of the prefix may be made, tried and told.
        cast.icmp6("local", "router solicitation", OWN.local, f.ALL_ROUTERS, 133, bytes(4) + f.link_layer(1, OWN.mac))
        for kind, addresses in (("ipv6", ("2001:db8:77::", "2001:db8:77::21", "2001:db8:77:0:ffff::1")),
                                ("free6", ("2001:db8:77:1::21", "2001:db8:76:ffff::1", OWN.ipv6)),
                                ("taken6", (HOST.ipv6, OTHER.ipv6))):
            for address in addresses:
                cast.udp6(kind, f"UDP from {address}", address, f.ALL_NODES)
                cast.icmp6(kind, f"duplicate detection of {address}", "::", f.solicited_node(address), 135,
                           f.solicitation(address, f.NONCE))
                cast.icmp6(kind, f"neighbour advertisement of {address}", OWN.local, f.ALL_NODES, 136,
                           f.advertisement(address, f.link_layer(2, OWN.mac)))
        with listening(topology) as wire:
            judge(topology, wire, cast.frames, {"ipv4", "ipv6", "local"})


@test("§7-46: a vif with addresses whose hardware address nobody named is filtered all the same")
def unnamed_hardware_address():
    with attached("--ip", OWN.ipv4, "--ip", OWN.ipv6, says_mac=False) as (topology, _):
        needs_filter(topology)
        own = Station(link(topology.guests["1.0"], "eth0")["address"], OWN.ipv4, OWN.ipv6)
        with listening(topology) as wire:
            judge(topology, wire, corpus(own), set(LEGITIMATE))


def configured(mode):
    """The configuration of a network whose vifs without an address are filtered in this way."""
    return f"""\
version: 1
networks:
  xenbr0:
    uplink: eth0
    antispoof-without-address: {mode}
"""


def holds_in_mode(mode, passing):
    with attached(configuration=configured(mode), suffix="yaml", compare=mode != "open") as (topology, _):
        needs_filter(topology)
        with listening(topology) as wire:
            judge(topology, wire, corpus(), passing)


@test("§7-48: a vif without an address, the mode open: the whole packet corpus passes")
def open_mode():
    holds_in_mode("open", {frame.kind for frame in corpus()})


@test("a vif without an address, the mode closed: nothing of the packet corpus passes")
def closed_mode():
    holds_in_mode("closed", set())


@test("§7-46: a link-local address made of the hardware address: of the packet corpus the guest's own frames pass")
def eui64():
    text = "version: 1\nnetworks:\n  xenbr0: {uplink: eth0, antispoof-link-local: eui64}\n"
    for options, passing in ((("--ip", OWN.ipv4, "--ip", OWN.ipv6), set(LEGITIMATE)),
                             ((), {*LEGITIMATE, "free4", "free6"})):
        with attached(*options, configuration=text, suffix="yaml") as (topology, _):
            needs_filter(topology)
            cast = Cast(OWN, OTHER, HOST, ROUTER)
            for address in ("fe80::1234", OTHER.local):
                cast.udp6("taken6", f"UDP from {address}, which is not made so", address, f.ALL_NODES)
            with listening(topology) as wire:
                judge(topology, wire, cast.frames + corpus(), passing)


# What these carry is hidden from the groups: none of them comes to a vif that is in one.
TWO_TAGS = {"QinQ", "a VLAN in a VLAN", "a VLAN behind a priority tag", "a priority tag behind a VLAN",
            "two priority tags"}
GROUPED = configured("{}") + "    groups: all\ngroups:\n  all: [in any, out any]\n"


@test("§7-46: with a security group on top that lets everything pass, the packet corpus is judged as without: one address, or none")
def with_groups():
    judged_with_groups(("mac-only", ("--ip", OWN.ipv4), {"ipv4", "dhcp"}), ("mac-only", ("--ip", OWN.ipv6), {"ipv6", "local"}),
                       ("mac-only", (), {*LEGITIMATE, "free4", "free6"}))


@test("§7-46: with a security group on top that lets everything pass, the packet corpus is judged as without: two, and each mode")
def modes_with_groups():
    every = {frame.kind for frame in corpus()}
    judged_with_groups(("mac-only", ("--ip", OWN.ipv4, "--ip", OWN.ipv6), set(LEGITIMATE)), ("closed", (), set()),
                       ("open", (), every), ("learn", (), {"dhcp", "local"}))


def judged_with_groups(*cases):
    for mode, options, passing in cases:
        with attached(*options, configuration=GROUPED.format(mode), suffix="yaml", compare=mode != "open") as place:
            needs_filter(place[0])
            demand("drawbridge-groups" in place[0].host.run("nft", "list", "tables").stdout, "there are no groups")
            frames = [frame for frame in corpus() if mode != "open" or frame.name not in TWO_TAGS]
            with listening(place[0]) as wire:
                judge(place[0], wire, frames, passing)


@test("a link-local address of the guest's own choice is pinned, and another vif's cannot be")
def pinned():
    with attached("--ip", OWN.ipv6, prepare_guest=silent) as (topology, _):
        needs_filter(topology)
        cast = Cast(OWN, OTHER, HOST, ROUTER)
        group = f.solicited_node("fe80::1234")
        for word, address in (("another vif's", OTHER.local), ("the host's", HOST.local)):
            cast.udp6("taken6", f"UDP from {word} link-local address", address, f.ALL_NODES)
        cast.icmp6("local", "duplicate detection of the chosen address", "::", group, 135,
                   f.solicitation("fe80::1234"))
        cast.udp6("local", "UDP from the chosen address", "fe80::1234", f.ALL_NODES)
        cast.icmp6("local", "neighbour advertisement of the chosen address", "fe80::1234", f.ALL_NODES, 136,
                   f.advertisement("fe80::1234", f.link_layer(2, OWN.mac)))
        for word, address in (("a second", "fe80::1235"), ("the hardware address's", OWN.local),
                              ("another vif's", OTHER.local)):
            cast.udp6("taken6", f"afterwards UDP from {word} link-local address", address, f.ALL_NODES)
            cast.icmp6("taken6", f"afterwards duplicate detection of {word} link-local address", "::",
                       f.solicited_node(address), 135, f.solicitation(address))
            cast.icmp6("taken6", f"neighbour advertisement of {word} link-local address", "fe80::1234", f.ALL_NODES,
                       136, f.advertisement(address, f.link_layer(2, OWN.mac)))
        cast.udp6("local", "UDP from the chosen address again", "fe80::1234", f.ALL_NODES, (5001, 5001))
        with listening(topology) as wire:
            judge(topology, wire, cast.frames, {"local"})
