"""Guests behind a filtered bridge, and the packet corpus sent by one of them."""

import contextlib

from . import legitimate, spoofed
from .cases import NotHere, demand, host
from .corpus import Cast, Station
from .product import BRIDGED
from .topology import GUESTS_IPV4, GUESTS_IPV6, HOST_IPV4, HOST_IPV6, ROUTER_IPV4, ROUTER_IPV6
from .wire import Wire

OWN = Station("00:16:3e:00:00:21", GUESTS_IPV4["1.0"], GUESTS_IPV6["1.0"])
OTHER = Station("00:16:3e:00:00:31", GUESTS_IPV4["3.1"], GUESTS_IPV6["3.1"])
HOST = Station("02:00:00:00:00:10", HOST_IPV4, HOST_IPV6)
ROUTER = Station("02:00:00:00:01:01", ROUTER_IPV4, ROUTER_IPV6)


def corpus(own=OWN):
    """All frames, what is legitimate first."""
    cast = Cast(own, OTHER, HOST, ROUTER)
    legitimate.add(cast)
    spoofed.add(cast)
    return cast.frames


def calm(topology):
    """Keeps br_netfilter, where it is loaded, from cutting off what the rig writes behind each packet."""
    if topology.host.run("test", "-d", "/proc/sys/net/bridge", check=False).returncode != 0:
        return
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
    shown = wrong[:20] + ["…"] * (len(wrong) > 20)
    demand(not wrong, f"{len(wrong)} of {len(frames)} frames:\n" + "\n".join(shown))


def silent(guest):
    """Keeps the guest's kernel from choosing a link-local address, so that the test does."""
    guest.sysctl("ipv6/conf/default/addr_gen_mode", 1)


@contextlib.contextmanager
def attached(*options, configuration=BRIDGED, suffix="sxp", compare=True, prepare_guest=None,
             says_mac=True):
    """A guest attached with the options, beside another that has its addresses."""
    with host(configuration=configuration, suffix=suffix, prepare=calm, compare=compare) as (topology, daemon):
        for vif, more in (("3.1", ["--ip", OTHER.ipv4, "--ip", OTHER.ipv6]), ("1.0", options)):
            station = OTHER if vif == "3.1" else OWN
            guest = topology.add_guest(vif)
            is_silent = vif == "1.0" and prepare_guest is not None
            if is_silent:
                prepare_guest(guest)
            mac = ["--mac", station.mac] if vif == "3.1" or says_mac else []
            daemon.add_pair(vif, guest, *mac, *more)
            guest.ip("link", "set", "eth0", "up")
            if not is_silent:
                guest.settled("eth0")
        yield topology, daemon


def needs_filter(topology):
    """There is nothing to test as long as the product does not filter."""
    if topology.host.run("nft", "list", "table", "netdev", "drawbridge", check=False).returncode != 0:
        raise NotHere("the product has no filter yet: no nftables table 'netdev drawbridge' on the host")
