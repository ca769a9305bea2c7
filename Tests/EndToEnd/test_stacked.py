"""Uplinks that are stacked on others, and what is stacked on an uplink: bonds and VLANs (§7-85).

Where the kernel has neither, as kernels for virtual machines often have not, Integration/debian-kernel/run shows
them on one that has.
"""

import subprocess

from rig.cases import NotHere, demand, host, link, ports, test
from rig.topology import HOST_IPV4, HOST_IPV6, ROUTER_IPV4, ROUTER_IPV6
from rig.traffic import CheckedStream, EchoWitness

NO_NETWORK = "(network-script)\n(vif-script vif-bridge)\n"
VLAN_HOST_IPV4, VLAN_ROUTER_IPV4 = "198.51.100.10", "198.51.100.1"
VLAN_HOST_IPV6, VLAN_ROUTER_IPV6 = "2001:db8:100::10", "2001:db8:100::1"
ROUNDS = 5


def add(namespace, lines):
    """Makes links, or tells that the kernel does not know their kind."""
    try:
        namespace.batch(lines)
    except (AssertionError, subprocess.CalledProcessError) as error:
        if "Unknown device type" in str(error) or "not supported" in str(error):
            raise NotHere("the kernel has no VLANs, or no bonds") from None
        raise


def add_vlan(topology):
    """VLAN 100 between the host's `eth0` and the router, with addresses and a route of its own."""
    router, inside = topology.router, topology.host
    add(router, ["link add link lan0 name lan0.100 type vlan id 100"])
    add(inside, ["link add link eth0 name eth0.100 type vlan id 100"])
    router.batch(["link set lan0.100 up", f"address add {VLAN_ROUTER_IPV4}/24 dev lan0.100",
                  f"address add {VLAN_ROUTER_IPV6}/64 dev lan0.100 nodad"])
    inside.batch(["link set eth0.100 up", f"address add {VLAN_HOST_IPV4}/24 dev eth0.100",
                  f"address add {VLAN_HOST_IPV6}/64 dev eth0.100 nodad",
                  f"route add 10.100.0.0/16 via {VLAN_ROUTER_IPV4} dev eth0.100"])
    inside.settled("eth0.100")


def add_bond(topology):
    """A bond of `eth0`, which leads to the router, and a second member; it has what `eth0` had."""
    inside = topology.host
    add(inside, ["link add bond0 type bond mode active-backup miimon 100 fail_over_mac none"])
    inside.batch([
        "link add spare0 type veth peer name spare1", "link set spare1 up",
        "address flush dev eth0", "link set eth0 down", "link set eth0 master bond0",
        "link set spare0 master bond0", "link set bond0 up",
        f"address add {HOST_IPV4}/24 brd + dev bond0", f"address add {HOST_IPV6}/64 dev bond0 nodad",
        f"route add default via {ROUTER_IPV4} dev bond0", f"route add ::/0 via {ROUTER_IPV6} dev bond0",
    ])
    inside.settled("bond0")
    inside.settled("spare1")


def live_through(topology, daemon, uplink, bridge, pinged, look):
    """Starts and stops a few times; a 1 ms ping loses nothing and a connection breaks nowhere."""
    stream = CheckedStream(topology.router, topology.host, pinged[0])
    witness = EchoWitness(topology.router, pinged)
    names = (f"netdev={uplink}", f"bridge={bridge}")
    for _ in range(ROUNDS):
        daemon.script("network-bridge", "start", *names)
        demand(uplink in ports(topology.host, bridge), ports(topology.host, bridge))
        look()
        daemon.script("network-bridge", "stop", *names)
        look()
    client, server = stream.result()
    demand(not client["problem"] and not server["problem"], f"{client} {server}")
    demand(client["sent"] == server["received"] > 0, f"{client} {server}")
    for address, figure in witness.result()["total"].items():
        demand(figure["sent"] > 0 and figure["lost"] == 0,
               f"{address}: {figure['lost']} of {figure['sent']} lost, gap {figure['gap']} ms")


@test("§7-85: a bond as the uplink keeps its members, its connections and its settings", alone=True)
def bond():
    with host(configuration=NO_NETWORK, prepare=add_bond) as (topology, daemon):
        def look():
            for member in ("eth0", "spare0"):
                entry = link(topology.host, member)
                demand(entry["master"] == "bond0" and "UP" in entry["flags"], entry)
            data = link(topology.host, "bond0")["linkinfo"]["info_data"]
            demand(data["mode"] == "active-backup" and data["active_slave"] == "eth0", data)

        look()
        live_through(topology, daemon, "bond0", "xenbr0", [HOST_IPV4, HOST_IPV6], look)


@test("a VLAN on the uplink keeps working while the uplink joins and leaves its bridge", alone=True)
def vlan_on_uplink():
    with host(configuration=NO_NETWORK, prepare=add_vlan) as (topology, daemon):
        def look():
            entry = link(topology.host, "eth0.100")
            demand(entry["link"] == "eth0" and "LOWER_UP" in entry["flags"] and "master" not in entry, entry)
            route, = topology.host.json("route", "show", "10.100.0.0/16")
            demand(route["dev"] == "eth0.100", route)

        look()
        live_through(topology, daemon, "eth0", "xenbr0",
                     [VLAN_HOST_IPV4, VLAN_HOST_IPV6, HOST_IPV4, HOST_IPV6], look)


@test("a VLAN as the uplink leaves the link below it, and that one's addresses, as they are", alone=True)
def vlan_as_uplink():
    with host(configuration=NO_NETWORK, prepare=add_vlan) as (topology, daemon):
        def look():
            demand("master" not in link(topology.host, "eth0"), "eth0 was moved as well")
            text = topology.host.ip("address", "show", "dev", "eth0").stdout
            demand(HOST_IPV4 in text and HOST_IPV6 in text, text)

        live_through(topology, daemon, "eth0.100", "xenbr100",
                     [VLAN_HOST_IPV4, VLAN_HOST_IPV6, HOST_IPV4, HOST_IPV6], look)
