"""`network-nat` and `vif-nat`: behaviours 59 to 63, 93 and 94, with packets through the host's own address."""

import re

from rig.cases import demand, demand_error, host, test
from rig.topology import HOST_IPV4, ROUTER_IPV4
from rig.xen import Store, Vif
from test_routed import MAC, addresses, eventually, furnish, offline, online, reaches, routes

NAT = "(network-script 'network-nat netdev=eth0')\n(vif-script vif-nat)\n"
NOTHING = "(network-script)\n(vif-script vif-nat)\n"


def masquerades(topology):
    """How many rules put the host's address in the place of guests' that go out."""
    return len(re.findall(r"@exits counter packets \d+ bytes \d+ masquerade", ruleset(topology)))


def ruleset(topology):
    """What nft(8) says of Drawbridge's own table; empty without it."""
    return topology.host.run("nft", "list", "table", "inet", "drawbridge", check=False).stdout


@test("§7-93, §7-94: network-nat masquerades by one rule however often it starts, and stop takes all of it away")
def start_and_stop():
    with host(configuration=NOTHING) as (topology, daemon):
        topology.host.nft("table ip theirs {\nchain postrouting { type nat hook postrouting priority 100; policy accept; }\n}")
        for _ in range(2):
            daemon.script("network-nat", "start", "netdev=eth0", "dhcp=no")
        demand(masquerades(topology) == 1, ruleset(topology))
        demand(topology.host.sysctl("ipv4/conf/eth0/forwarding") == "1", "no forwarding")
        for _ in range(2):
            daemon.script("network-nat", "stop", "netdev=eth0")
        demand(not ruleset(topology), ruleset(topology))
        demand("theirs" in topology.host.run("nft", "list", "tables").stdout, "a table of others' is gone")
        topology.host.nft("delete table ip theirs")


@test("§7-94: network-nat stop succeeds when somebody has taken the table away")
def tolerant():
    with host(configuration=NOTHING) as (topology, daemon):
        daemon.script("network-nat", "start", "netdev=eth0")
        topology.host.run("nft", "delete", "table", "inet", "drawbridge", check=False)
        daemon.script("network-nat", "stop", "netdev=eth0")


@test("§7-59: without ip the addresses follow from the numbers of the domain and the vif")
def derived():
    with host(configuration=NAT) as (topology, daemon):
        topology.add_guest_with_device("300.1", MAC["3.0"])
        online(daemon, "300.1", script="vif-nat", mac=MAC["3.0"])
        demand(addresses(topology, "300.1") == {"10.1.44.129/32"}, addresses(topology, "300.1"))
        demand(routes(topology, "300.1") == {("10.1.44.2", "10.1.44.129", 2)}, routes(topology, "300.1"))
        demand(topology.host.sysctl("ipv4/conf/vif300.1/proxy_arp") == "1", "no proxy ARP")


@test("§7-60: of an address with the length of its network the length is dropped, and 127 is added for the router")
def told():
    with host(configuration=NAT) as (topology, daemon):
        topology.add_guest_with_device("3.0", MAC["3.0"])
        online(daemon, "3.0", script="vif-nat", ip="10.9.0.5/24")
        demand(addresses(topology, "3.0") == {"10.9.0.132/32"}, addresses(topology, "3.0"))
        demand(routes(topology, "3.0") == {("10.9.0.5", "10.9.0.132", 2)}, routes(topology, "3.0"))


@test("§7-61: an address without a router, and a second one, are refused, and nothing of the vif changes")
def refused():
    with host(configuration=NAT) as (topology, daemon):
        topology.add_guest_with_device("3.0", MAC["3.0"])
        for ip, word in (("10.9.0.200", "327"), ("10.9.0.5 10.9.0.6", "one IPv4 address"),
                         (f"{HOST_IPV4}", "the host's own address")):
            demand_error(online(daemon, "3.0", script="vif-nat", check=False, ip=ip), "vif3.0: ip", word)
        demand(not addresses(topology, "3.0") and not daemon.json("vif", "list")["vifs"], "something is left")


@test("§7-62, §7-93: a guest goes out by the host's address, from its own alone")
def masqueraded():
    with host(configuration=NAT) as (topology, daemon):
        topology.add_guest_with_device("3.0", MAC["3.0"])
        online(daemon, "3.0", script="vif-nat")
        guest = furnish(topology, "3.0", "10.0.3.1", router="10.0.3.128")
        guest.ip("address", "add", "10.0.3.2/32", "dev", "eth0")
        eventually("the guest reaches its router", lambda: reaches(guest, "10.0.3.128"))
        # The router has no route back: only the host's own address can be answered.
        eventually("the guest reaches the outer router", lambda: reaches(guest, ROUTER_IPV4))
        topology.router.ip("route", "add", "10.0.0.0/16", "via", HOST_IPV4)
        before = counted(topology)
        other = guest.run("ping", "-c", "2", "-i", "0.2", "-W", "1", "-I", "10.0.3.2", ROUTER_IPV4, check=False)
        demand(other.returncode != 0, "an address of the derived network that is not its own got through")
        demand(counted(topology) == before, "what was not its own was masqueraded")


def counted(topology):
    return re.findall(r"packets (\d+) bytes \d+ masquerade", ruleset(topology))


@test("§7-93: guests behind NAT reach neither each other nor the host's other networks, and one rule serves them all")
def confined():
    def prepare(topology):
        topology.host.batch(["link add eth1 type veth peer name inner", "link set eth1 up",
                             "address add 198.51.100.1/24 dev eth1"])
        # It forwards, so that nothing but the table is in the way.
        topology.host.sysctl("ipv4/conf/eth1/forwarding", 1)
        topology.add_guest("9.9")
        topology.host.ip("link", "set", "inner", "netns", topology.guests["9.9"].name)
        topology.guests["9.9"].batch(["link set inner up", "address add 198.51.100.2/24 dev inner",
                                      "route add default via 198.51.100.1"])
        topology.host.settled()

    with host(configuration=NAT, prepare=prepare) as (topology, daemon):
        for vif, (address, router) in {"3.0": ("10.0.3.1", "10.0.3.128"), "4.0": ("10.0.4.1", "10.0.4.128")}.items():
            topology.add_guest_with_device(vif, MAC[vif])
            online(daemon, vif, script="vif-nat")
            guest = furnish(topology, vif, address, router=router)
            eventually(f"{vif} reaches the outer router", lambda guest=guest: reaches(guest, ROUTER_IPV4))
        demand(not reaches(topology.guests["3.0"], "10.0.4.1"), "3.0 reaches 4.0")
        demand(not reaches(topology.guests["3.0"], "198.51.100.2"), "3.0 reaches another network of the host's")
        demand(masquerades(topology) == 1, ruleset(topology))
        offline(daemon, "3.0", script="vif-nat")
        demand("vif3.0" not in ruleset(topology) and "vif4.0" in ruleset(topology), ruleset(topology))


@test("§7-63: a second online succeeds and changes nothing")
def twice():
    with host(configuration=NAT) as (topology, daemon):
        topology.add_guest_with_device("3.0", MAC["3.0"])
        online(daemon, "3.0", script="vif-nat")
        before = routes(topology, "3.0"), addresses(topology, "3.0"), ruleset(topology)
        online(daemon, "3.0", script="vif-nat")
        demand((routes(topology, "3.0"), addresses(topology, "3.0"), ruleset(topology)) == before, "it changed")


@test("§7-63: a second online writes into the store again that the vif is connected")
def twice_in_the_store():
    with Store() as store, host(configuration=NAT) as (topology, daemon):
        topology.add_guest_with_device("300.1", MAC["3.0"])
        vif = Vif(store, 300, 1)
        for _ in range(2):
            store.write({f"{vif.backend}/hotplug-status": ""})
            vif.run(daemon, "online", script="vif-nat")
            demand(vif.status == "connected", f"hotplug-status is {vif.status!r}, {vif.error!r}")
        demand(routes(topology, "300.1") == {("10.1.44.2", "10.1.44.129", 2)}, routes(topology, "300.1"))
        vif.run(daemon, "offline", script="vif-nat")


@test("a guest behind NAT outlives the daemon's sudden death, and the next one goes on with it")
def death():
    with host(configuration=NAT) as (topology, daemon):
        topology.add_guest_with_device("3.0", MAC["3.0"])
        online(daemon, "3.0", script="vif-nat")
        guest = furnish(topology, "3.0", "10.0.3.1", router="10.0.3.128")
        eventually("the guest reaches the router", lambda: reaches(guest, ROUTER_IPV4))
        before = ruleset(topology)
        daemon.kill()
        demand(reaches(guest, ROUTER_IPV4), "the guest is cut off")
        daemon.start()
        demand(counterless(ruleset(topology)) == counterless(before), ruleset(topology))
        eventually("the guest reaches the router", lambda: reaches(guest, ROUTER_IPV4))


def counterless(text):
    return [line for line in re.sub(r"packets \d+ bytes \d+| # progname.*", "", text).splitlines() if "flags" not in line]
