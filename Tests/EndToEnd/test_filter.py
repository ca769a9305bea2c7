"""The filter against spoofing, held against a corpus of raw frames: sent from the guest's namespace, and looked for
at another guest, at the router behind the uplink and at the host itself."""

import contextlib

from rig import legitimate, spoofed
from rig.cases import NotHere, demand, host, test
from rig.corpus import LEGITIMATE, Cast, Station
from rig.product import BRIDGED
from rig.topology import (
    GUESTS_IPV4, GUESTS_IPV6, HOST_IPV4, HOST_IPV6, ROUTER_IPV4, ROUTER_IPV6, Topology)
from rig.wire import Wire

OWN = Station("00:16:3e:00:00:21", GUESTS_IPV4["1.0"], GUESTS_IPV6["1.0"])
OTHER = Station("00:16:3e:00:00:31", GUESTS_IPV4["3.1"], GUESTS_IPV6["3.1"])
HOST = Station("02:00:00:00:00:10", HOST_IPV4, HOST_IPV6)
ROUTER = Station("02:00:00:00:01:01", ROUTER_IPV4, ROUTER_IPV6)


def corpus():
    """All frames, what is legitimate first."""
    cast = Cast(OWN, OTHER, HOST, ROUTER)
    legitimate.add(cast)
    spoofed.add(cast)
    return cast.frames


def calm(topology):
    """Keeps br_netfilter from cutting off what the rig writes behind each packet."""
    for name in ("iptables", "ip6tables", "arptables"):
        topology.host.sysctl(f"bridge/bridge-nf-call-{name}", 0)


@contextlib.contextmanager
def listening(topology):
    """Ears at every place a frame of a guest can come out."""
    wire = Wire(guest=(topology.guests["3.1"], "eth0"), router=(topology.router, "lan0"),
                host=(topology.host, "xenbr0"))
    with contextlib.closing(wire):
        yield wire


def judge(topology, wire, frames, passing):
    """Sends the frames; those of the passing kinds have to come out wherever they are bound for, and the others
    nowhere."""
    fence = [index for index, frame in enumerate(frames) if frame.kind in passing]
    places = wire.send(topology.guests["1.0"], [frame.data for frame in frames], fence=fence)
    wrong = []
    for frame, seen in zip(frames, places):
        if frame.kind in passing and not frame.to <= seen:
            wrong.append(f"{frame.kind}: {frame.name}: did not come to: {', '.join(sorted(frame.to - seen))}")
        elif frame.kind not in passing and seen:
            wrong.append(f"{frame.kind}: {frame.name}: got through to: {', '.join(sorted(seen))}")
    demand(not wrong, f"{len(wrong)} of {len(frames)} frames:\n" + "\n".join(wrong))


@contextlib.contextmanager
def attached(*options, configuration=BRIDGED, compare=True):
    """A guest attached with the options, beside another that has its addresses."""
    with host(configuration=configuration, prepare=calm, compare=compare) as (topology, daemon):
        for vif, more in (("3.1", ["--ip", OTHER.ipv4, "--ip", OTHER.ipv6]), ("1.0", options)):
            station = OTHER if vif == "3.1" else OWN
            guest = topology.add_guest(vif)
            daemon.add_pair(vif, guest, "--mac", station.mac, *more)
            guest.ip("link", "set", "eth0", "up")
            guest.settled("eth0")
        yield topology, daemon


def needs_filter(topology):
    """There is nothing to test as long as the product does not filter."""
    if topology.host.run("nft", "list", "table", "netdev", "drawbridge", check=False).returncode != 0:
        raise NotHere("the product has no filter yet: no nftables table 'netdev drawbridge' on the host")


def holds(passing, *options, configuration=BRIDGED):
    with attached(*options, configuration=configuration) as (topology, _):
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
