"""`network-route` and `vif-route`: behaviours 50 to 58 and 92, with packets through the routed host."""

import contextlib
import time

from rig.cases import demand, demand_error, host, link, test
from rig.topology import HOST_IPV4, ROUTER_IPV4, ROUTER_IPV6
from rig.xen import Store, Vif
from test_router_advertisements import accept, advertising

ROUTED = "(network-script 'network-route netdev=eth0')\n(vif-script vif-route)\n"
NOTHING = "(network-script)\n(vif-script vif-route)\n"
MAC = {"3.0": "00:16:3e:00:03:00", "4.0": "00:16:3e:00:04:00", "5.0": "00:16:3e:00:03:00"}
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
                         **({"mac": MAC.get(vif)} | keys))


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


@test("§7-52: gatewaydev names the interface whose address the vif bears; an empty one is eth0")
def gateway_device():
    def prepare(topology):
        topology.host.batch(["link add eth1 type veth peer name beyond", "link set eth1 up", "link set beyond up",
                             "address add 198.51.100.1/24 dev eth1"])

    with routed("3.0", "4.0", prepare=prepare) as (topology, daemon):
        online(daemon, "3.0", ip="10.9.0.5", gatewaydev="eth1")
        demand(addresses(topology, "3.0") == {"198.51.100.1/32"}, addresses(topology, "3.0"))
        demand(routes(topology, "3.0") == {("10.9.0.5", "198.51.100.1", 2)}, routes(topology, "3.0"))
        demand(topology.host.sysctl("ipv4/conf/eth1/proxy_arp") == "1", "eth1 does not answer ARP")
        online(daemon, "4.0", ip="10.9.0.6", netdev="")
        demand(addresses(topology, "4.0") == {f"{HOST_IPV4}/32"}, addresses(topology, "4.0"))


@test("§7-53: an interface without an IPv4 address is refused by its name, with what to do, and nothing changes")
def not_up():
    def prepare(topology):
        topology.host.batch(["link add eth1 type veth peer name beyond", "link set eth1 up", "link set beyond up"])
        topology.host.settled()

    with routed("3.0", configuration=NOTHING, prepare=prepare) as (topology, daemon):
        for netdev in ("eth1", "eth9"):
            refused = online(daemon, "3.0", check=False, ip="10.9.0.5", netdev=netdev)
            demand_error(refused, f"{netdev} is not up.  Bring it up or specify another interface with netdev=<if>")
        demand(not daemon.connected_vifs(), "it is connected")


@test("§7-54: of several addresses the first primary one is taken, also where it has a peer")
def several():
    def prepare(topology):
        topology.host.batch(["link add eth1 type veth peer name beyond", "link set eth1 up", "link set beyond up",
                             "address add 198.51.100.1 peer 198.51.100.9/32 dev eth1",
                             "address add 198.51.100.65/26 dev eth1", "address add 198.51.100.66/26 dev eth1"])

    with routed("3.0", "4.0", prepare=prepare) as (topology, daemon):
        online(daemon, "3.0", ip="10.9.0.5", netdev="eth1")
        demand(addresses(topology, "3.0") == {"198.51.100.1/32"}, addresses(topology, "3.0"))
        online(daemon, "4.0", ip="10.9.0.6", netdev="eth0")
        demand(addresses(topology, "4.0") == {f"{HOST_IPV4}/32"}, addresses(topology, "4.0"))


@test("§7-55: offline succeeds when the device is gone, and when the vif was never there")
def gone():
    with routed("3.0") as (topology, daemon):
        online(daemon, "3.0", ip="10.9.0.5")
        topology.host.ip("link", "delete", "vif3.0")
        offline(daemon, "3.0")
        offline(daemon, "3.0")
        offline(daemon, "4.0")
        demand(not daemon.json("vif", "list")["vifs"], "it is remembered")


@test("§7-56: without addresses the vif has that of the host and proxy ARP, and no routes")
def no_addresses():
    with routed("3.0") as (topology, daemon):
        online(daemon, "3.0")
        demand(addresses(topology, "3.0") == {f"{HOST_IPV4}/32"}, addresses(topology, "3.0"))
        demand(not routes(topology, "3.0"), routes(topology, "3.0"))
        demand(daemon.connected_vifs() == {"3.0"}, daemon.connected_vifs())


@test("§7-57: an IPv6 address is routed by a gateway fe80::1, and the uplink answers for it")
def ipv6():
    with routed("3.0") as (topology, daemon):
        online(daemon, "3.0", ip="2001:db8:1::21 2001:db8:77::/64 10.9.0.5")
        demand("fe80::1/64" in addresses(topology, "3.0"), addresses(topology, "3.0"))
        found = {route[0] for route in routes(topology, "3.0", "-6")}
        demand(found == {"2001:db8:1::21", "2001:db8:77::/64"}, found)
        guest = furnish(topology, "3.0", "10.9.0.5", "2001:db8:1::21")
        guest.ip("address", "add", "2001:db8:77::5/128", "dev", "eth0", "nodad")
        topology.router.ip("-6", "route", "add", "2001:db8:77::/64", "via", "2001:db8:1::10")
        eventually("the guest reaches the router", lambda: reaches(guest, ROUTER_IPV6))
        eventually("the router reaches the guest, by neighbour discovery alone",
                   lambda: reaches(topology.router, "2001:db8:1::21"))
        eventually("the router reaches the guest's network", lambda: reaches(topology.router, "2001:db8:77::5"))
        offline(daemon, "3.0")
        demand(not topology.host.json("-6", "neighbour", "show", "proxy"), "the uplink answers still")


@test("§7-57: where the kernel has no IPv6, IPv6 addresses are left aside with a word, and the rest is connected")
def without_ipv6():
    # A kernel without IPv6 has no such settings; to a daemon from which they are hidden it looks the same.
    hidden = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc/sys/net/ipv6 && exec "$0" "$@"')
    with routed("3.0", start=False) as (topology, daemon):
        daemon.start(prefix=hidden)
        told = online(daemon, "3.0", ip="2001:db8:1::21 10.9.0.5")
        demand("IPv6 is off in this kernel" in told.stdout + told.stderr + daemon.tail(), "nothing is said")
        demand(routes(topology, "3.0") == {("10.9.0.5", HOST_IPV4, 2)}, routes(topology, "3.0"))
        demand(not routes(topology, "3.0", "-6"), routes(topology, "3.0", "-6"))
        guest = furnish(topology, "3.0", "10.9.0.5")
        topology.router.ip("route", "add", "10.9.0.0/16", "via", HOST_IPV4)
        eventually("the guest reaches the router", lambda: reaches(guest, ROUTER_IPV4))
        offline(daemon, "3.0")


@test("§7-58: a routed vif sends from its own addresses only")
def spoofing():
    with routed("3.0") as (topology, daemon):
        online(daemon, "3.0", ip="10.9.0.5")
        guest = furnish(topology, "3.0", "10.9.0.5")
        guest.ip("address", "add", "10.9.0.66/32", "dev", "eth0")
        topology.router.ip("route", "add", "10.9.0.0/16", "via", HOST_IPV4)
        # With a route back, so that nothing but the filter is in the way.
        topology.host.ip("route", "add", "10.9.0.66", "dev", "vif3.0")
        topology.host.ip("neighbour", "replace", "10.9.0.66", "lladdr", MAC["3.0"], "dev", "vif3.0", "nud", "permanent")
        eventually("the guest reaches the router from its own", lambda: reaches(guest, ROUTER_IPV4))
        spoofed = guest.run("ping", "-c", "3", "-i", "0.2", "-W", "1", "-I", "10.9.0.66", ROUTER_IPV4, check=False)
        demand(spoofed.returncode != 0, "an address that it was not given got through")
        topology.host.ip("route", "delete", "10.9.0.66", "dev", "vif3.0")


@test("guests of a routed network do not reach each other, and reach the router")
def apart():
    with routed("3.0", "4.0") as (topology, daemon):
        for vif, address in (("3.0", "10.9.0.5"), ("4.0", "10.9.0.6")):
            online(daemon, vif, ip=address)
            furnish(topology, vif, address)
        topology.router.ip("route", "add", "10.9.0.0/16", "via", HOST_IPV4)
        for vif in ("3.0", "4.0"):
            eventually(f"{vif} reaches the router", lambda guest=topology.guests[vif]: reaches(guest, ROUTER_IPV4))
        demand(not reaches(topology.guests["3.0"], "10.9.0.6"), "3.0 reaches 4.0")
        demand(not reaches(topology.guests["4.0"], "10.9.0.5"), "4.0 reaches 3.0")


@test("when an address comes back with a newer domain, that one has it, whenever the older one goes")
def newer():
    with routed("3.0", "5.0") as (topology, daemon):
        topology.router.ip("route", "add", "10.9.0.0/16", "via", HOST_IPV4)
        online(daemon, "3.0", ip="10.9.0.5 2001:db8:1::21")
        online(daemon, "5.0", ip="10.9.0.5 2001:db8:1::21")
        guest = furnish(topology, "5.0", "10.9.0.5", "2001:db8:1::21")
        demand(routes(topology, "5.0") == {("10.9.0.5", HOST_IPV4, 2)}, routes(topology, "5.0"))
        demand(not routes(topology, "3.0"), routes(topology, "3.0"))
        offline(daemon, "3.0")
        eventually("the router reaches the newer guest", lambda: reaches(topology.router, "10.9.0.5"))
        eventually("by IPv6 too", lambda: reaches(topology.router, "2001:db8:1::21"))
        eventually("the newer guest reaches the router", lambda: reaches(guest, ROUTER_IPV4))


@test("a routed guest outlives the daemon's sudden death, and the next daemon takes all of it back at its end")
def death():
    with routed("3.0") as (topology, daemon):
        online(daemon, "3.0", ip="10.9.0.5 2001:db8:1::21")
        guest = furnish(topology, "3.0", "10.9.0.5", "2001:db8:1::21")
        topology.router.ip("route", "add", "10.9.0.0/16", "via", HOST_IPV4)
        eventually("the guest reaches the router", lambda: reaches(guest, ROUTER_IPV4))
        before = routes(topology, "3.0"), addresses(topology, "3.0"), settings(topology)
        daemon.kill()
        demand(reaches(guest, ROUTER_IPV4), "the guest is cut off")
        daemon.start()
        demand((routes(topology, "3.0"), addresses(topology, "3.0"), settings(topology)) == before, "it changed")
        demand(daemon.connected_vifs() == {"3.0"}, daemon.connected_vifs())
        eventually("the guest reaches the router", lambda: reaches(guest, ROUTER_IPV4))


@test("a stop takes the host's part off the vif, and a start puts it back")
def stop_and_start():
    with routed("3.0", configuration=NOTHING) as (topology, daemon):
        daemon.script("network-route", "start", "netdev=eth0")
        online(daemon, "3.0", ip="10.9.0.5")
        before = routes(topology, "3.0"), addresses(topology, "3.0")
        daemon.script("network-route", "stop", "netdev=eth0")
        demand(not routes(topology, "3.0") and not addresses(topology, "3.0"), "something is left on the vif")
        tables = topology.host.run("nft", "list", "tables").stdout
        demand("drawbridge" not in tables, tables)
        daemon.script("network-route", "start", "netdev=eth0")
        demand((routes(topology, "3.0"), addresses(topology, "3.0")) == before, "not put back")


@test("bad input to vif-route is refused in one line, and nothing changes")
def refusals():
    with routed("3.0", configuration=NOTHING) as (topology, daemon):
        for keys, words in (
                ({"ip": HOST_IPV4}, ["ip", "the host's own address", HOST_IPV4]),
                ({"ip": "192.0.2.0/24"}, ["ip", "holds the host's own address"]),
                ({"ip": "fe80::/64"}, ["ip", "fe80::1"]),
                ({"ip": "10.9.0.5/24"}, ["ip", "10.9.0.5/24"]),
                ({"ip": "10.9.0.5", "netdev": "no/name"}, ["netdev", "may not hold '/'"])):
            demand_error(online(daemon, "3.0", check=False, **keys), *words)
        demand(not addresses(topology, "3.0") and not routes(topology, "3.0"), "something is left")
        refused = daemon.script("network-route", "start", "netdev=eth9", check=False)
        demand_error(refused, "eth9", "no such interface")
        daemon.script("network-bridge", "start", "netdev=eth0", "bridge=xenbr0")
        refused = daemon.script("network-route", "start", "netdev=eth0", check=False)
        demand_error(refused, "eth0", "is a port of bridge xenbr0")
        daemon.script("network-bridge", "stop", "netdev=eth0", "bridge=xenbr0")
        daemon.script("network-route", "start", "netdev=eth0")
        refused = daemon.script("network-bridge", "start", "netdev=eth0", "bridge=xenbr0", check=False)
        demand_error(refused, "eth0", "route-eth0")


@test("a host configured by router advertisements keeps its default route while it forwards IPv6, and afterwards")
def advertised():
    def gateways(topology):
        return {route.get("gateway") for route in topology.host.json("-6", "route", "show", "default", "dev", "eth0")
                if route.get("protocol") == "ra"}

    def prepare(topology):
        accept(topology)
        topology.host.ip("-6", "route", "delete", "::/0")

    # Lifetimes run on, and the next advertisement makes what was there: compared here instead.
    with routed("3.0", prepare=prepare, compare=False) as (topology, daemon), advertising(topology):
        eventually("the first advertisement", lambda: gateways(topology))
        # One interface alone may take them along: the others are left as they are.
        before, expected = settings(topology), gateways(topology)
        online(daemon, "3.0", ip="2001:db8:1::21")
        now = settings(topology)
        demand(now["ipv6/conf/all/forwarding"] == "1" and now["ipv6/conf/eth0/accept_ra"] == "2", now)
        demand(gateways(topology) == expected, "the default route is gone")
        demand(topology.host.sysctl("ipv6/conf/lo/accept_ra") == "1", "an interface without routes is changed")
        daemon.script("network-route", "stop", "netdev=eth0")
        now = settings(topology)
        demand(now["ipv6/conf/all/forwarding"] == "0" and now["ipv6/conf/eth0/accept_ra"] == "1", now)
        demand(now["ipv6/conf/eth0/forwarding"] == before["ipv6/conf/eth0/forwarding"], now)
        demand(gateways(topology) == expected, "the default route is gone")


@test("§7-92: in xend's compatibility the global key is set, and what it takes along is given back")
def compatibility():
    configuration = ("version: 1\nnetwork-script: network-route\nvif-script: vif-route\n"
                     "compat: {forward-globally: yes}\n")

    def prepare(topology):
        topology.host.batch(["link add other type veth peer name another"])
        topology.host.sysctl("ipv4/conf/another/forwarding", 1)

    with host(configuration=configuration, suffix="yaml", prepare=prepare) as (topology, daemon):
        demand(topology.host.sysctl("ipv4/ip_forward") == "1", "not set")
        demand(topology.host.sysctl("ipv4/conf/other/forwarding") == "1", "the kernel takes every interface along")


@test("when the uplink's address changes, that of the vifs follows")
def readdressed():
    with routed("3.0", compare=False) as (topology, daemon):
        online(daemon, "3.0", ip="10.9.0.5")
        topology.host.batch(["address flush dev eth0 scope global", "address add 192.0.2.99/24 dev eth0"])
        eventually("the vif has the new address", lambda: addresses(topology, "3.0") == {"192.0.2.99/32"})
        eventually("the route has the new source",
                   lambda: routes(topology, "3.0") == {("10.9.0.5", "192.0.2.99", 2)})


@test("a routed network of drawbridge.yaml, whose guests reach each other, connects pairs by its name")
def configured():
    configuration = ("version: 1\nvif-script: vif-bridge\n"
                     "networks: {lan: {kind: routed, uplink: eth0, connect-guests: yes}}\n")
    with host(configuration=configuration, suffix="yaml") as (topology, daemon):
        for vif, address in (("3.0", "10.9.0.5"), ("4.0", "10.9.0.6")):
            guest = topology.add_guest(vif)
            daemon.add_pair(vif, guest, "--ip", address, "--mac", MAC[vif], network="lan")
            furnish(topology, vif, address)
        eventually("3.0 reaches 4.0", lambda: reaches(topology.guests["3.0"], "10.9.0.6"))
        demand(daemon.connected_vifs() == {"3.0", "4.0"}, daemon.connected_vifs())
        daemon.remove_vif("3.0")
        demand(link(topology.host, "vif3.0") is None, "the pair is there still")
        refused = daemon.drawbridge("vif", "add", "--id", "4.0", "--bridge", "xenbr0", "--netns",
                                    topology.guests["4.0"].path, check=False)
        demand_error(refused, "is connected to lan", "disconnect it first")


@test("§7-52, §7-53: gatewaydev of the store chooses the interface, and what is refused is told in the store")
def store_gateway():
    def prepare(topology):
        topology.host.batch(["link add eth1 type veth peer name beyond", "link set eth1 up", "link set beyond up",
                             "address add 198.51.100.1/24 dev eth1"])
        topology.host.settled()

    with Store() as store, routed("3.0", "4.0", prepare=prepare) as (topology, daemon):
        vif = Vif(store, 3, gatewaydev="eth1", ip="10.9.0.5", mac=MAC["3.0"])
        vif.run(daemon, "online", script="vif-route")
        demand(vif.status == "connected", f"hotplug-status is {vif.status!r}, {vif.error!r}")
        demand(routes(topology, "3.0") == {("10.9.0.5", "198.51.100.1", 2)}, routes(topology, "3.0"))
        vif.run(daemon, "offline", script="vif-route")
        demand(not routes(topology, "3.0"), routes(topology, "3.0"))
        other = Vif(store, 4, gatewaydev="eth9", ip="10.9.0.6", mac=MAC["4.0"])
        other.run(daemon, "online", script="vif-route", check=False)
        demand(other.status == "error" and "eth9 is not up." in (other.error or ""), f"{other.status!r} {other.error!r}")


@test("a routed vif bears the name, the MTU and the limits that are asked for")
def named():
    with routed("3.0") as (topology, daemon):
        topology.router.ip("route", "add", "10.9.0.0/16", "via", HOST_IPV4)
        online(daemon, "3.0", ip="10.9.0.5", vifname="web0", mtu="1400", rate="80Mb/s")
        device = link(topology.host, "web0")
        demand(device is not None and device["mtu"] == 1400, f"{device}")
        found = {route["dst"] for route in topology.host.json("-4", "route", "show", "dev", "web0")}
        demand(found == {"10.9.0.5"}, found)
        ways = topology.host.run("nft", "list", "table", "netdev", "drawbridge-rates").stdout
        demand('"web0" : "ifb3.0"' in ways, ways)
        daemon.drawbridge("vif", "set", "3.0", "--rate", "90Mb/s", "--rate-in", "70Mb/s")
        for name, rate in (("ifb3.0", "90Mbit"), ("web0", "70Mbit")):
            shown = topology.host.run("tc", "qdisc", "show", "dev", name).stdout
            demand("tbf db00: root" in shown and f"rate {rate}" in shown, shown)
        hardware = device["address"]
        topology.guests["3.0"].batch([
            "link set eth0 up", "address add 10.9.0.5/32 dev eth0",
            f"neighbour replace {HOST_IPV4} lladdr {hardware} dev eth0 nud permanent",
            f"route add {HOST_IPV4} dev eth0", f"route add default via {HOST_IPV4} dev eth0"])
        eventually("the guest reaches the router", lambda: reaches(topology.guests["3.0"], ROUTER_IPV4))
        demand('"web0"' in topology.host.run("nft", "list", "table", "inet", "drawbridge").stdout, "not in the table")
        offline(daemon, "3.0")
        found = [route for route in topology.host.json("-4", "route", "show") if route["dst"] == "10.9.0.5"]
        demand(not found, found)


@test("a second online with other addresses leaves nothing of the former ones")
def changed():
    with routed("3.0") as (topology, daemon):
        online(daemon, "3.0", ip="10.9.0.5 2001:db8:1::21")
        online(daemon, "3.0", ip="10.9.0.6 2001:db8:1::22")
        demand(routes(topology, "3.0") == {("10.9.0.6", HOST_IPV4, 2)}, routes(topology, "3.0"))
        found = {one["dst"] for one in topology.host.json("-6", "neighbour", "show", "proxy")}
        demand(found == {"2001:db8:1::22"}, found)
        online(daemon, "3.0")
        demand(not routes(topology, "3.0") and not routes(topology, "3.0", "-6"), "a route is left")
        demand(not topology.host.json("-6", "neighbour", "show", "proxy"), "the uplink answers still")


@test("drawbridge restore gives back what a daemon that was killed had forwarded")
def restored():
    with routed("3.0") as (topology, daemon):
        online(daemon, "3.0", ip="10.9.0.5 2001:db8:1::21")
        demand(topology.host.sysctl("ipv6/conf/all/forwarding") == "1", "IPv6 is not forwarded")
        daemon.kill()
        daemon.restore()
        demand(topology.host.sysctl("ipv6/conf/all/forwarding") == "0", "IPv6 is forwarded")
        demand("drawbridge" not in topology.host.run("nft", "list", "tables").stdout, "a table is left")
