"""Guests of which nobody told the address: it is learnt from what DHCP gives them, or from what they use first."""

import contextlib
import os
import subprocess

from rig import frames as f
from rig import product
from rig.cases import demand, test
from rig.corpus import LEGITIMATE, Cast
from rig.filtering import HOST, OTHER, OWN, ROUTER, attached, corpus, judge, listening, needs_filter, silent
from rig.topology import ROUTER_IPV4, ROUTER_IPV6
from rig.xen import eventually, process_written

ASKING = {"dhcp", "local"}


def configured(more=""):
    return f"""
version: 1
networks:
  xenbr0:
    uplink: eth0
    antispoof-without-address: learn
{more}"""


def addresses(daemon):
    """What is known to be the guest's."""
    vif = daemon.json("vif", "show", "vif1.0")["vif"]
    demand(vif["filter"] == "learn", vif)
    return {address.removesuffix("/32").removesuffix("/128") for address in vif["addresses"]}


def answer(station=ROUTER, to=OWN.mac, client=OWN.mac, address=OWN.ipv4, kind=5):
    """A DHCP server's answer, sent by the station."""
    message = f.dhcp(2, client, kind, offered=address, server=station.ipv4,
                     more=bytes([54, 4]) + f.ip(station.ipv4))
    return f.ethernet(station.mac, to, f.IPV4, f.ipv4(
        station.ipv4, "255.255.255.255", f.UDP, f.udp(station.ipv4, "255.255.255.255", 67, 68, message)))


def learnt(daemon, *wanted):
    eventually(lambda: addresses(daemon) == set(wanted), lambda: f"{addresses(daemon)}\n{daemon.tail()}")


@test("a vif whose address is learnt: what DHCP gives it from outside is its own, and nothing else")
def from_outside():
    with attached(configuration=configured(), suffix="yaml") as (topology, daemon):
        needs_filter(topology)
        with listening(topology) as wire:
            judge(topology, wire, corpus(), ASKING)
            # Neither the guest itself nor another guest can answer in the server's place, and an answer for another
            # hardware address or of another kind gives nothing.
            wire.send(topology.guests["1.0"], [answer(OWN, f.BROADCAST)])
            wire.send(topology.guests["3.1"], [answer(OTHER)])
            wire.send(topology.router, [answer(client=OTHER.mac), answer(kind=2), answer(kind=6)], device="lan0")
            judge(topology, wire, corpus(), ASKING)
            demand(addresses(daemon) == set(), addresses(daemon))
            wire.send(topology.router, [answer()], device="lan0")
            learnt(daemon, OWN.ipv4)
            judge(topology, wire, corpus(), ASKING | {"ipv4"})


@test("what was learnt outlives the daemon, goes with the vif, and is told in the event log")
def outlives():
    with attached(configuration=configured(), suffix="yaml") as (topology, daemon):
        needs_filter(topology)
        with listening(topology) as wire:
            wire.send(topology.router, [answer()], device="lan0")
            learnt(daemon, OWN.ipv4)
            demand(f"vif-learned vif1.0: {OWN.ipv4}, given by DHCP" in daemon.tail(50), daemon.tail(50))
            daemon.kill()
            daemon.start()
            learnt(daemon, OWN.ipv4)
            judge(topology, wire, corpus(), ASKING | {"ipv4"})
            # The new daemon listens as well: the newest leases count.
            for number in range(1, 5):
                wire.send(topology.router, [answer(address=f"192.0.2.{200 + number}")], device="lan0")
                learnt(daemon, *([OWN.ipv4] if number < 4 else []), *(f"192.0.2.{201 + k}" for k in range(number)))
        text = topology.host.run("nft", "list", "table", "netdev", "drawbridge").stdout
        own = f'"vif1.0" . {OWN.mac} . '
        demand(f"{own}192.0.2.204" in text and f"{own}{OWN.ipv4}" not in text, text)
        daemon.remove_vif("1.0")
        daemon.add_pair("1.0", topology.guests["1.0"], "--mac", OWN.mac)
        demand(addresses(daemon) == set(), addresses(daemon))


@test("what is another vif's, the host's or its gateway's is not learnt, whoever gives it")
def refused():
    with attached(configuration=configured(), suffix="yaml") as (topology, daemon):
        needs_filter(topology)
        with listening(topology) as wire:
            for station, cause in ((OTHER, "vif3.1"), (HOST, "the host's own"), (ROUTER, "the host's own")):
                wire.send(topology.router, [answer(address=station.ipv4)], device="lan0")
                eventually(lambda: f"vif-learned vif1.0: {station.ipv4}, given by DHCP: " in daemon.tail(50)
                           and cause in daemon.tail(50), lambda: f"{station} is not refused\n{daemon.tail(50)}")
            demand(addresses(daemon) == set(), addresses(daemon))
            judge(topology, wire, corpus(), ASKING)
            # The other way round: what was learnt is nobody else's.
            wire.send(topology.router, [answer(address="192.0.2.77")], device="lan0")
            learnt(daemon, "192.0.2.77")
            stranger = topology.add_guest("9.0")
            error = daemon.drawbridge("vif", "add", "--id", "vif9.0", "--netns", stranger.name, "--ip", "192.0.2.77",
                                      check=False)
            demand(error.returncode != 0 and "vif1.0" in error.stderr, error)


@test("with first use: what the guest uses is its own up to the limit, and what is somebody's is not")
def first_use():
    more = "    antispoof-learn-use: yes\n    antispoof-learn-limit: 2\n"
    with attached(configuration=configured(more), suffix="yaml", prepare_guest=silent) as (topology, daemon):
        needs_filter(topology)
        cast = Cast(OWN, OTHER, HOST, ROUTER)
        for address in (HOST.ipv4, ROUTER.ipv4, OTHER.ipv4, OWN.ipv4):
            cast.arp("any", f"from {address}", 1, OWN.mac, address, "00:00:00:00:00:00", ROUTER.ipv4)
        for address in (HOST.ipv6, OTHER.ipv6, OWN.ipv6):
            cast.icmp6("any", f"duplicate detection of {address}", "::", f.solicited_node(address), 135,
                       f.solicitation(address, f.NONCE))
        with listening(topology) as wire:
            wire.send(topology.guests["1.0"], [frame.data for frame in cast.frames])
            learnt(daemon, OWN.ipv4, OWN.ipv6)
            judge(topology, wire, corpus(), set(LEGITIMATE))
            more = Cast(OWN, OTHER, HOST, ROUTER)
            for _ in range(2):
                more.arp("any", "one more", 1, OWN.mac, "192.0.2.99", "00:00:00:00:00:00", ROUTER.ipv4)
            wire.send(topology.guests["1.0"], [frame.data for frame in more.frames])
            judge(topology, wire, corpus(), set(LEGITIMATE))
            demand(addresses(daemon) == {OWN.ipv4, OWN.ipv6}, addresses(daemon))


@contextlib.contextmanager
def serving(topology):
    """Real DHCP servers on the router, for both families."""
    directory = os.path.join(product.scratch(), f"learning{os.getpid()}")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "log"), "wb") as log:
        server = topology.router.start(
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=lan0",
            "--user=root", f"--dhcp-leasefile={directory}/leases", f"--pid-file={directory}/pid", "--no-ping",
            "--dhcp-authoritative", "--dhcp-range=192.0.2.150,192.0.2.160,2m",
            f"--dhcp-range={ROUTER_IPV6.rpartition('::')[0]}::1500,{ROUTER_IPV6.rpartition('::')[0]}::1600,64,2m",
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        server.terminate()
        server.wait()


@test("real clients of DHCP and DHCPv6 reach the router by the addresses that they are given, with nothing told of them")
def real_clients():
    with attached(configuration=configured(), suffix="yaml") as (topology, daemon):
        needs_filter(topology)
        guest = topology.guests["1.0"]
        with serving(topology):
            script = os.path.join(product.scratch(), "learning-script")
            with open(script, "w") as file:
                file.write('#!/bin/sh\n[ "$1" = bound ] && ip address add "$ip/$mask" dev "$interface"\nexit 0\n')
            os.chmod(script, 0o755)
            guest.run("udhcpc", "-f", "-q", "-n", "-t", "10", "-i", "eth0", "-s", script, timeout=60)
            eventually(lambda: any(a.startswith("192.0.2.15") for a in addresses(daemon)), daemon.tail)
            guest.run("ping", "-c", "3", "-i", "0.2", "-W", "5", ROUTER_IPV4)
            # Another address of the same network does not get through.
            guest.ip("address", "add", "192.0.2.99/24", "dev", "eth0")
            lost = guest.run("ping", "-c", "2", "-i", "0.2", "-W", "1", "-I", "192.0.2.99", ROUTER_IPV4, check=False)
            demand(lost.returncode == 1, lost)
            leases = os.path.join(product.scratch(), "learning-leases")
            open(leases, "w").close()
            six = os.path.join(product.scratch(), "learning-script6")
            with open(six, "w") as file:
                file.write('#!/bin/sh\n[ "$reason" = BOUND6 ] && '
                           'ip address add "$new_ip6_address/64" dev "$interface" nodad\nexit 0\n')
            os.chmod(six, 0o755)
            guest.run("dhclient", "-6", "-1", "-sf", six, "-lf", leases, "-pf", leases + ".pid", "-cf", "/dev/null",
                      "eth0", timeout=60)
            client = process_written(leases + ".pid")
            try:
                eventually(lambda: any(":" in a for a in addresses(daemon)), daemon.tail)
                guest.run("ping", "-6", "-c", "3", "-i", "0.2", "-W", "5", ROUTER_IPV6)
            finally:
                os.kill(client, 15)
