"""`network-route` and `vif-route`: behaviours 50 to 58 and 92, with packets through the routed host."""

import contextlib
import time

from rig.cases import demand, demand_error, host, link, test
from rig.topology import HOST_IPV4, ROUTER_IPV4, ROUTER_IPV6

ROUTED = "(network-script 'network-route netdev=eth0')\n(vif-script vif-route)\n"
NOTHING = "(network-script)\n(vif-script vif-route)\n"
MAC = {"3.0": "00:16:3e:00:03:00", "4.0": "00:16:3e:00:04:00", "5.0": "00:16:3e:00:03:00"}
PAIR = "fe:ff:ff:ff:ff:ff"
FORWARDING = ["ipv4/conf/all/forwarding", "ipv4/conf/default/forwarding", "ipv4/conf/eth0/forwarding",
              "ipv4/conf/eth0/proxy_arp", "ipv6/conf/all/forwarding", "ipv6/conf/eth0/forwarding",
              "ipv6/conf/eth0/accept_ra", "ipv6/conf/eth0/proxy_ndp"]


def eventually(what, condition, seconds=20):
    """Waits, a bounded time, until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        demand(time.monotonic() < deadline, f"{what}: not within {seconds} s")
        time.sleep(0.1)


def reaches(namespace, address):
    """Whether one of a few echo requests is answered."""
    return namespace.run("ping", "-c", "1", "-W", "1", address, check=False).returncode == 0


def settings(topology):
    return {path: topology.host.sysctl(path) for path in FORWARDING}


def routes(topology, vif, family="-4"):
    """The routes through a vif, without the kernel's own: destination, source and metric."""
    return {(route["dst"], route.get("prefsrc"), route["metric"])
            for route in topology.host.json(family, "route", "show", "dev", f"vif{vif}")
            if route.get("protocol") != "kernel"}


def addresses(topology, vif):
    entries = topology.host.json("address", "show", "dev", f"vif{vif}")
    return {f"{one['local']}/{one['prefixlen']}" for entry in entries for one in entry["addr_info"]}


def online(daemon, vif, check=True, script="vif-route", **keys):
    return daemon.script(script, "online", check=check, vif=f"vif{vif}", XENBUS_PATH=f"backend/vif/{vif.replace('.', '/')}",
                         **({"mac": MAC[vif]} | keys))


def offline(daemon, vif, check=True, script="vif-route"):
    return daemon.script(script, "offline", check=check, vif=f"vif{vif}",
                         XENBUS_PATH=f"backend/vif/{vif.replace('.', '/')}")


def furnish(topology, vif, ipv4=None, ipv6=None, router=HOST_IPV4):
    """Gives the guest its addresses and its routers, as the guest itself would, with neighbours that nobody asks."""
    guest = topology.guests[vif]
    hardware = link(topology.host, f"vif{vif}")["address"]
    lines = ["link set lo up", "link set eth0 up"]
    if ipv4:
        lines += [f"address add {ipv4}/32 dev eth0", f"neighbour replace {router} lladdr {hardware} dev eth0 nud permanent",
                  f"route add {router} dev eth0", f"route add default via {router} dev eth0"]
    if ipv6:
        lines += [f"address add {ipv6}/128 dev eth0 nodad",
                  f"neighbour replace fe80::1 lladdr {hardware} dev eth0 nud permanent",
                  "route add ::/0 via fe80::1 dev eth0"]
    guest.batch(lines)
    return guest


@contextlib.contextmanager
def routed(*vifs, configuration=ROUTED, **options):
    """A routed host with devices for guests, as netback would have made them."""
    with host(configuration=configuration, **options) as (topology, daemon):
        for vif in vifs:
            topology.add_guest_with_device(vif, MAC[vif])
        yield topology, daemon


@test("§7-92: network-route lets its uplink forward and answer ARP, no other interface, and stop gives it all back")
def start_and_stop():
    def prepare(topology):
        topology.host.batch(["link add other type veth peer name another", "link set other up"])

    with host(configuration=NOTHING, prepare=prepare) as (topology, daemon):
        before = settings(topology)
        for _ in range(2):
            daemon.script("network-route", "start", "netdev=eth0")
            now = settings(topology)
            demand(now["ipv4/conf/eth0/forwarding"] == "1" and now["ipv4/conf/eth0/proxy_arp"] == "1", now)
            for path in ("ipv4/conf/all/forwarding", "ipv4/conf/default/forwarding", "ipv6/conf/all/forwarding"):
                demand(now[path] == before[path] == "0", f"{path}: {now[path]}")
            demand(topology.host.sysctl("ipv4/conf/other/forwarding") == "0", "another interface forwards")
            daemon.script("network-route", "start", "netdev=eth0")
            demand(settings(topology) == now, "a second start changed something")
            daemon.script("network-route", "stop", "netdev=eth0")
            demand(settings(topology) == before, f"not given back: {settings(topology)}")
        daemon.script("network-route", "stop", "netdev=eth0")


@test("§7-92: what others set while a routed network is up stays theirs")
def others():
    with host(configuration=NOTHING, compare=False) as (topology, daemon):
        topology.host.sysctl("ipv4/conf/eth0/proxy_arp", 1)
        daemon.script("network-route", "start", "netdev=eth0")
        topology.host.sysctl("ipv4/conf/eth0/forwarding", 0)
        daemon.script("network-route", "stop", "netdev=eth0")
        now = settings(topology)
        demand(now["ipv4/conf/eth0/proxy_arp"] == "1", "a value that was there before was taken away")
        demand(now["ipv4/conf/eth0/forwarding"] == "0", now)


@test("§7-50, §7-51: a routed vif has the host's address, proxy ARP and a route to each address of its guest")
def guest():
    with routed("3.0") as (topology, daemon):
        online(daemon, "3.0", ip="10.9.0.5 10.9.1.0/24")
        demand(addresses(topology, "3.0") == {f"{HOST_IPV4}/32"}, addresses(topology, "3.0"))
        demand(topology.host.sysctl("ipv4/conf/vif3.0/proxy_arp") == "1", "no proxy ARP")
        demand(topology.host.sysctl("ipv4/conf/vif3.0/forwarding") == "1", "no forwarding")
        demand(routes(topology, "3.0") == {("10.9.0.5", HOST_IPV4, 2), ("10.9.1.0/24", HOST_IPV4, 2)},
               routes(topology, "3.0"))
        guest = furnish(topology, "3.0", "10.9.0.5")
        topology.router.ip("route", "add", "10.9.0.0/16", "via", HOST_IPV4)
        eventually("the guest reaches the host", lambda: reaches(guest, HOST_IPV4))
        eventually("the guest reaches the router", lambda: reaches(guest, ROUTER_IPV4))
        eventually("the guest reaches what is beyond the router", lambda: reaches(guest, "10.20.0.1"))
        eventually("the router reaches the guest", lambda: reaches(topology.router, "10.9.0.5"))
        offline(daemon, "3.0")
        demand(not addresses(topology, "3.0") and not routes(topology, "3.0"), "something is left")
        demand(topology.host.sysctl("ipv4/conf/vif3.0/proxy_arp") == "0", "proxy ARP is left")
        demand(not reaches(topology.router, "10.9.0.5"), "the router reaches a guest that is gone")


@test("§7-50: a guest with an address of the uplink's own network is found by ARP, without a route at the router")
def proxied():
    with routed("3.0") as (topology, daemon):
        online(daemon, "3.0", ip="192.0.2.21")
        guest = furnish(topology, "3.0", "192.0.2.21")
        eventually("the router reaches the guest", lambda: reaches(topology.router, "192.0.2.21"))
        eventually("the guest reaches the router", lambda: reaches(guest, ROUTER_IPV4))


@test("§7-51: the tap of a vif comes before it, with metric 1")
def tap():
    with routed() as (topology, daemon):
        topology.host.ip("tuntap", "add", "vif3.0-emu", "mode", "tap")
        daemon.script("vif-route", "add", "type_if=tap", INTERFACE="vif3.0-emu", ip="10.9.0.5", mac=MAC["3.0"])
        found = {(route["dst"], route["metric"])
                 for route in topology.host.json("-4", "route", "show", "dev", "vif3.0-emu")
                 if route.get("protocol") != "kernel"}
        demand(found == {("10.9.0.5", 1)}, found)
        daemon.script("vif-route", "remove", "type_if=tap", INTERFACE="vif3.0-emu")
        topology.host.ip("link", "delete", "vif3.0-emu")
