"""Bridges that are networks of their own: addresses, names, the way out and the way in."""

import contextlib
import os

from rig import product
from rig.cases import demand, demand_error, host, link, test
from rig.topology import HOST_IPV4, ROUTER_IPV4
from rig.xen import eventually

SUBNET = """\
version: 1
vif-script: vif-bridge
networks:
  inner: {kind: nat, uplink: eth0, address: "10.77.0.1/24 fd00:77::1/64", domain: guests.example}
"""
CLIENT = """\
#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev "$interface"
ip route add default via "$router"
echo "$dns" > "$DIRECTORY/dns"
"""


@contextlib.contextmanager
def subnets(configuration=SUBNET, **options):
    with host(configuration=configuration, suffix="yaml", **options) as (topology, daemon):
        yield topology, daemon


def add(topology, daemon, vif, *options, check=True):
    """A guest behind a pair, up and without an address."""
    guest = topology.add_guest(vif)
    result = daemon.add_pair(vif, guest, *options, network="inner", check=check)
    if result.returncode == 0:
        guest.ip("link", "set", "eth0", "up")
    return guest


def ask(guest):
    """Lets the guest ask for its address, as a guest does; what it is told of names is returned."""
    directory = os.path.join(product.scratch(), f"client{next(product._counter)}")
    os.mkdir(directory)
    script = os.path.join(directory, "script")
    with open(script, "w") as file:
        file.write(CLIENT.replace("$DIRECTORY", directory))
    os.chmod(script, 0o755)
    guest.run("udhcpc", "-f", "-q", "-n", "-t", "10", "-T", "1", "-i", "eth0", "-s", script, timeout=60)
    with open(os.path.join(directory, "dns")) as file:
        return file.read().split()


def address(guest):
    """The IPv4 address that a guest has."""
    return next(a["local"] for a in guest.json("-4", "address", "show", "dev", "eth0")[0]["addr_info"])


def reaches(guest, where):
    return guest.run("ping", "-c", "3", "-i", "0.2", "-W", "1", where, check=False).returncode == 0


@test("a NAT network with a subnet: guests are told address, router and names, go out by the host, and reach each other")
def nat_subnet():
    with subnets() as (topology, daemon):
        one = add(topology, daemon, "1.0", "--domain", "web")
        two = add(topology, daemon, "3.1")
        names = ask(one)
        ask(two)
        demand(names == ["10.77.0.1"], names)
        demand((address(one), address(two)) == ("10.77.0.2", "10.77.0.3"), (address(one), address(two)))
        demand(reaches(one, ROUTER_IPV4), daemon.tail())
        demand(reaches(one, address(two)), daemon.tail())
