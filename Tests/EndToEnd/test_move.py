"""`drawbridge vif move`: a vif changes its network while its guest goes on."""

import contextlib
import json
import subprocess
import threading
import time

from rig import frames as f
from rig.cases import demand, demand_error, host, link, ports, test
from rig.filtering import HOST, OWN, calm, needs_filter
from rig.topology import HOST_IPV4, ROUTER_IPV4, ROUTER_IPV6
from rig.wire import Flood, Wire
from test_routed import eventually, reaches
from test_subnets import ask, seen, serving
from test_tap import OTHER, as_member, start_for_members

ELSEWHERE = "10.88.0.5"
CONFIGURATION = """\
version: 1
vif-script: vif-bridge
networks:
  xenbr0: {uplink: eth0}
  inside: {uplink: none}
  inner: {kind: nat, uplink: eth1, address: 10.77.0.1/24 fd00:77::1/64, domain: guests.example}
  lan: {kind: routed, uplink: eth2}
"""
GROUPS = """\
groups:
  closed: [in tcp 22]
vifs:
  vif3.1: {groups: closed}
"""


def furnish_beyond(topology):
    """The same, with somebody behind the third interface."""
    furnish(topology)
    far = topology.add_guest("9.9")
    topology.host.ip("link", "set", "far2", "netns", far.name)
    far.batch(["link set far2 up", "address add 203.0.113.1/24 dev far2"])
    topology.host.settled()


def furnish(topology):
    """Two more interfaces, which lead nowhere, and a bridge of somebody else's."""
    calm(topology)
    topology.host.batch([
        "link add eth1 type veth peer name far1", "link set eth1 up", "link set far1 up",
        "link add eth2 type veth peer name far2", "link set eth2 up", "link set far2 up",
        "address add 198.51.100.2/24 dev eth1", "address add 203.0.113.2/24 dev eth2",
        "link add theirs address 02:00:00:00:00:99 type bridge", "link set theirs up",
        "link add port1 type veth peer name far3", "link set port1 master theirs", "link set port1 up",
        "link set far3 up",
    ])
    topology.host.settled()


@contextlib.contextmanager
def networks(configuration=CONFIGURATION, compare=True, start=True, prepare=furnish):
    with host(configuration=configuration, suffix="yaml", prepare=prepare, compare=compare,
              start=start) as (topology, daemon):
        yield topology, daemon


def add(topology, daemon, vif, *options, network="xenbr0"):
    guest = topology.add_guest(vif)
    daemon.add_pair(vif, guest, *options, network=network)
    guest.ip("link", "set", "eth0", "up")
    return guest


def move(daemon, vif, network, *options, check=True):
    return daemon.drawbridge("vif", "move", f"vif{vif}", "--to", network, *options, check=check)


def datagram(source):
    return f.ethernet(OWN.mac, f.BROADCAST, f.IPV4, f.ipv4(
        source, "255.255.255.255", f.UDP, f.udp(source, "255.255.255.255", 5000, 5000)))


@contextlib.contextmanager
def undisturbed(guest):
    """The guest's kernel sees nothing happen to its link."""
    with subprocess.Popen(guest.inside("ip", "monitor", "link", "dev", "eth0"), stdout=subprocess.PIPE,
                          text=True) as monitor:
        time.sleep(0.2)
        try:
            yield
            time.sleep(0.2)
        finally:
            monitor.terminate()
        said = monitor.stdout.read()
    demand(not said, f"the guest's link was touched:\n{said}")


def permitted(topology, vif):
    """The addresses of IPv4 that the filter lets a vif use."""
    table = json.loads(topology.host.run("nft", "-j", "list", "set", "netdev", "drawbridge", "ipv4-sources").stdout)
    elements = next(entry["set"].get("elem", []) for entry in table["nftables"] if "set" in entry)
    return {pair["concat"][-1] for pair in elements if pair["concat"][0] == f"vif{vif}"}


def protected(topology):
    """What of IPv4 nobody may use unless it is his, by networks."""
    table = json.loads(topology.host.run("nft", "-j", "list", "set", "netdev", "drawbridge", "ipv4-protected").stdout)
    elements = next(entry["set"].get("elem", []) for entry in table["nftables"] if "set" in entry)
    return sorted(map(str, elements))


SPOOFED, OLD, NEW = 0xFFF0, 0xFFF1, 0xFFF2


def under_fire(*options):
    """A guest that sends as fast as it can in somebody else's name, from its old address and from its new one, while
    it goes from one bridge to another and back."""
    with networks() as (topology, daemon):
        old, new = add(topology, daemon, "3.1"), add(topology, daemon, "4.0", network="inside")
        guest = add(topology, daemon, "1.0", "--mac", OWN.mac, "--ip", OWN.ipv4, *options)
        needs_filter(topology)
        # What the host itself takes from the vif, as it would while that is no port of a bridge.
        topology.host.nft("table inet watch { chain before { type filter hook prerouting priority -400;"
                          ' iifname "vif1.0" counter; }; }')
        index = link(topology.host, "vif1.0")["ifindex"]
        wire = Wire(old=(old, "eth0"), router=(topology.router, "lan0"), bridge=(topology.host, "xenbr0"),
                    new=(new, "eth0"), inside=(topology.host, "inside"))
        heard = {number: set() for number in (SPOOFED, OLD, NEW)}
        ends = threading.Event()

        def listen():
            while not ends.is_set():
                for number, places in wire.heard_of(heard, 0.05).items():
                    heard[number] |= places

        with contextlib.closing(wire):
            ear = threading.Thread(target=listen)
            ear.start()
            floods = [Flood(guest, datagram(source), number=number, pause=0.0003)
                      for source, number in ((HOST.ipv4, SPOOFED), (OWN.ipv4, OLD), (ELSEWHERE, NEW))]
            try:
                with undisturbed(guest):
                    for _ in range(3):
                        time.sleep(0.1)
                        move(daemon, "1.0", "inside", "--ip", ELSEWHERE)
                        time.sleep(0.1)
                        move(daemon, "1.0", "xenbr0", "--ip", OWN.ipv4)
                    time.sleep(0.1)
                    move(daemon, "1.0", "inside", "--ip", ELSEWHERE)
                    time.sleep(0.1)
            finally:
                sent = [flood.end() for flood in floods]
                time.sleep(0.1)
                ends.set()
                ear.join()
        demand(min(sent) > 300, f"only {sent} frames were sent: that shows nothing")
        demand(not heard[SPOOFED], f"a spoofed frame came to: {sorted(heard[SPOOFED])}")
        demand(heard[OLD] == {"old", "router", "bridge"}, f"what is permitted on the old bridge came to: {heard[OLD]}")
        demand(heard[NEW] == {"new", "inside"}, f"what is permitted on the new bridge came to: {heard[NEW]}")
        taken = topology.host.run("nft", "list", "table", "inet", "watch").stdout
        demand("counter packets 0 " in taken, f"the host took what the guest sent: {taken}")
        topology.host.run("nft", "delete", "table", "inet", "watch")
        demand(link(topology.host, "vif1.0")["ifindex"] == index, "it is another device")
        demand(permitted(topology, "1.0") == {ELSEWHERE}, permitted(topology, "1.0"))
        entries = topology.host.run("bridge", "fdb", "show", "br", "inside").stdout
        demand(f"{OWN.mac} dev vif1.0 sticky master inside" in entries, entries)
        demand(OWN.mac not in topology.host.run("bridge", "fdb", "show", "br", "xenbr0").stdout,
               "the old bridge knows it still")
        limits = topology.host.run("tc", "qdisc", "show", "dev", "vif1.0").stdout
        demand(("tbf" in limits) == bool(options), f"its limits: {limits}")


@test("§5-move: while a vif goes from bridge to bridge no frame passes that its network does not permit, and its guest's link stays")
def fire():
    under_fire()


@test("§5-move: nor one that was permitted before and waited at the vif's limit")
def limited_fire():
    under_fire("--rate", "1Mb/s", "--rate-in", "8Mb/s")


@test("§5-move: a guest goes between an uplink's bridge, a subnet, others' bridge and a routed network, and reaches what is there")
def everywhere():
    with networks() as (topology, daemon):
        guest = add(topology, daemon, "1.0", "--mac", OWN.mac, "--ip", OWN.ipv4, "--domain", "web")
        device = link(topology.host, "vif1.0")
        add(topology, daemon, "3.1", network="inner")
        guest.ip("address", "add", f"{OWN.ipv4}/24", "dev", "eth0")
        eventually("the router", lambda: reaches(guest, ROUTER_IPV4))
        plan = daemon.json("vif", "move", "vif1.0", "--to", "inner", "--dry-run")["outcome"]
        demand(plan["changed"] and any("10.77.0.3" in line for line in plan["plan"]), plan)
        demand("vif1.0" in ports(topology.host, "xenbr0"), "a dry run moved it")
        with undisturbed(guest):
            # To a subnet, which gives it an address and a name.
            move(daemon, "1.0", "inner")
            demand(ports(topology.host, "inner") == {"vif1.0", "vif3.1"}, ports(topology.host, "inner"))
            demand(permitted(topology, "1.0") == {"10.77.0.3"}, permitted(topology, "1.0"))
        guest.ip("address", "flush", "dev", "eth0")
        ask(guest)
        eventually("the host on the subnet", lambda: reaches(guest, "10.77.0.1"))
        daemon.drawbridge("forward", "add", "8080/tcp", "web:80")
        # Its old address is nobody's as long as it is away.
        text = topology.host.run("nft", "list", "set", "netdev", "drawbridge", "ipv4-protected").stdout
        demand(OWN.ipv4 in text, f"its old address is not guarded: {text}")
        # To a bridge of somebody else's, where nobody gives it anything.
        with undisturbed(guest):
            move(daemon, "1.0", "theirs")
        demand(ports(topology.host, "theirs") == {"vif1.0", "port1"} and not permitted(topology, "1.0"), daemon.tail())
        demand(daemon.json("forward", "list")["forwards"][0]["addresses"] == [], "the port leads to where it was")
        told = {one["address"]: one["connected"] for one in daemon.json("address", "list")["addresses"]}
        demand(told["10.77.0.3"] is False and told["10.77.0.2"] is True, told)
        # To a routed network and back.
        with undisturbed(guest):
            move(daemon, "1.0", "lan", "--ip", "10.99.0.5", "--ip", "2001:db8:99::5")
        demand("master" not in link(topology.host, "vif1.0"), "it is a port still")
        guest.batch(["address flush dev eth0", "address add 10.99.0.5/32 dev eth0",
                     "route add 203.0.113.2 dev eth0", "route add default via 203.0.113.2"])
        eventually("the host on the routed network", lambda: reaches(guest, "203.0.113.2"))
        proxies = topology.host.run("ip", "-6", "neighbour", "show", "proxy").stdout
        demand("2001:db8:99::5" in proxies, proxies)
        with undisturbed(guest):
            move(daemon, "1.0", "xenbr0", "--ip", OWN.ipv4, "--ip", OWN.ipv6)
        demand("vif1.0" in ports(topology.host, "xenbr0"), "it is no port")
        left = topology.host.run("ip", "route", "show", "dev", "vif1.0").stdout
        left += topology.host.run("ip", "-6", "neighbour", "show", "proxy").stdout
        left += topology.host.run("ip", "-4", "address", "show", "dev", "vif1.0").stdout
        demand(not left.strip(), f"of the routed network remains: {left}")
        for key in ("ipv4/conf/vif1.0/proxy_arp", "ipv4/conf/vif1.0/forwarding"):
            demand(topology.host.sysctl(key) == "0", f"{key} is on still")
        table = topology.host.run("nft", "list", "table", "inet", "drawbridge").stdout
        demand("vif1.0" not in table, f"it is in the table of routed networks: {table}")
        guest.batch(["address flush dev eth0", f"address add {OWN.ipv4}/24 dev eth0",
                     f"address add {OWN.ipv6}/64 dev eth0 nodad"])
        for router in (ROUTER_IPV4, ROUTER_IPV6):
            eventually(router, lambda: reaches(guest, router))
        now = link(topology.host, "vif1.0")
        demand((now["ifindex"], now["address"]) == (device["ifindex"], device["address"]), "it is another device")
        demand(daemon.json("vif", "show", "vif1.0")["vif"]["network"] == "xenbr0", "the daemon says otherwise")
        log = open(daemon.log, errors="replace").read()
        demand("vif-moved" in log, "the event is not told")
        # What an earlier daemon moved is where it was moved to.
        move(daemon, "1.0", "inside")
        daemon.kill()
        daemon.start()
        demand("vif1.0" in ports(topology.host, "inside") and daemon.connected_vifs() == {"1.0", "3.1"}, daemon.tail())
        demand(permitted(topology, "1.0") == {OWN.ipv4}, permitted(topology, "1.0"))
        daemon.drawbridge("forward", "remove", "8080/tcp")
        for vif in ("1.0", "3.1"):
            daemon.remove_vif(vif)


@test("§5-move: an unknown network, the same one, a vif that is not there and an address that is taken are refused, each in one line, and nothing is changed")
def refused():
    with networks() as (topology, daemon):
        add(topology, daemon, "1.0", "--mac", OWN.mac, "--ip", OWN.ipv4)
        add(topology, daemon, "3.1", "--ip", ELSEWHERE, network="inside")
        before = protected(topology)
        for words, said, code in (
            (("1.0", "nosuch"), ["vif1.0", "nosuch"], 5),
            (("1.0", "xenbr0"), ["vif1.0", "on xenbr0 already"], 6),
            (("9.0", "inside"), ["vif9.0", "not attached"], 5),
            (("1.0", "inside", "--ip", ELSEWHERE), ["vif1.0: ip", ELSEWHERE, "vif3.1"], 6),
            (("1.0", "inner", "--ip", "10.77.0.1"), ["10.77.0.1", "host's own address"], 2),
            (("1.0", "lan", "--ip", "203.0.113.2"), ["203.0.113.2", "host's own address"], 6),
            (("1.0", "inside", "--ip", "nonsense"), ["nonsense"], 2),
        ):
            demand_error(move(daemon, *words, check=False), *said, code=code)
            demand("vif1.0" in ports(topology.host, "xenbr0"), f"{words}: it left its bridge")
            demand(permitted(topology, "1.0") == {OWN.ipv4}, f"{words}: {permitted(topology, '1.0')}")
        demand(protected(topology) == before, f"other addresses are guarded: {protected(topology)}")
        for vif in ("1.0", "3.1"):
            daemon.remove_vif(vif)


@test("§5-move: a vif without a filter is moved as well, and security groups follow")
def unfiltered_and_grouped():
    open_network = CONFIGURATION.replace("{uplink: eth0}", "{uplink: eth0, antispoof: no}").replace(
        "{uplink: none}", "{uplink: none, antispoof: no}")
    with networks(open_network + GROUPS) as (topology, daemon):
        one = add(topology, daemon, "1.0", "--mac", OWN.mac)
        two = add(topology, daemon, "3.1", "--ip", "192.0.2.31")
        for guest, own in ((one, OWN.ipv4), (two, "192.0.2.31")):
            guest.ip("address", "add", f"{own}/24", "dev", "eth0")
        eventually("the router", lambda: reaches(one, ROUTER_IPV4))
        for vif, guest in (("1.0", one), ("3.1", two)):
            with undisturbed(guest):
                move(daemon, vif, "inside")
        demand(ports(topology.host, "inside") == {"vif1.0", "vif3.1"}, ports(topology.host, "inside"))
        demand("closed" in daemon.json("vif", "show", "vif3.1")["vif"].get("groups", []), "it has no group")
        demand(not reaches(one, "192.0.2.31"), "the group does not hold")
        for vif in ("1.0", "3.1"):
            daemon.remove_vif(vif)


BEHIND = CONFIGURATION.replace("  lan: {kind: routed, uplink: eth2}\n", "") + """\
  behind: {kind: nat, uplink: xenbr0}
  beyond: {kind: nat, uplink: eth2}
"""


@test("§5-move: a guest goes into, between and out of NAT networks without a subnet: it has its derived address there, and leaves by that network's uplink alone")
def behind_nat():
    with networks(BEHIND, prepare=furnish_beyond) as (topology, daemon):
        guest, far = add(topology, daemon, "1.0", "--mac", OWN.mac), topology.guests["9.9"]
        with serving(topology.router, 8000), serving(far, 8000):
            with undisturbed(guest):
                move(daemon, "1.0", "behind")
            demand("master" not in link(topology.host, "vif1.0") and permitted(topology, "1.0") == {"10.0.1.1"},
                   permitted(topology, "1.0"))
            guest.batch(["address add 10.0.1.1/16 dev eth0", "route add default via 10.0.1.128"])
            eventually("its router", lambda: reaches(guest, "10.0.1.128"))
            demand(seen(guest, ROUTER_IPV4, 8000) == HOST_IPV4, daemon.tail())
            demand(seen(guest, "203.0.113.1", 8000) is None, "it leaves by another network's uplink")
            with undisturbed(guest):
                move(daemon, "1.0", "beyond")
            demand(permitted(topology, "1.0") == {"10.0.1.1"}, permitted(topology, "1.0"))
            eventually("its router again", lambda: reaches(guest, "10.0.1.128"))
            demand(seen(guest, "203.0.113.1", 8000) == "203.0.113.2", daemon.tail())
            demand(seen(guest, ROUTER_IPV4, 8000) is None, "it leaves by the uplink of the network that it left")
            table = topology.host.run("nft", "list", "set", "inet", "drawbridge", "exits").stdout
            demand(table.count("vif1.0") == 1 and '"vif1.0" . "eth2"' in table, table)
            # What it was given there is its own nowhere else.
            move(daemon, "1.0", "inside")
            demand(not permitted(topology, "1.0"), permitted(topology, "1.0"))
            with undisturbed(guest):
                move(daemon, "1.0", "xenbr0", "--ip", OWN.ipv4)
            demand("vif1.0" in ports(topology.host, "xenbr0") and permitted(topology, "1.0") == {OWN.ipv4},
                   permitted(topology, "1.0"))
            left = topology.host.run("ip", "route", "show", "dev", "vif1.0").stdout
            left += topology.host.run("ip", "-4", "address", "show", "dev", "vif1.0").stdout
            demand(not left.strip(), f"of the NAT network remains: {left}")
            table = topology.host.run("nft", "list", "table", "inet", "drawbridge").stdout
            demand("vif1.0" not in table, table)
            guest.batch(["address flush dev eth0", f"address add {OWN.ipv4}/24 dev eth0"])
            eventually("the router", lambda: reaches(guest, ROUTER_IPV4))
            demand(seen(guest, ROUTER_IPV4, 8000) == OWN.ipv4, "it is seen by another address")
        # What it was told to have stays its own behind NAT as well.
        move(daemon, "1.0", "behind")
        demand(permitted(topology, "1.0") == {OWN.ipv4}, permitted(topology, "1.0"))
        daemon.remove_vif("1.0")
        # A daemon that takes over does not take what was set of that bridge for somebody's own, and give it to the uplink.
        daemon.kill()
        daemon.start()
        forwarding = {one: topology.host.sysctl(f"ipv4/conf/{one}/forwarding") for one in ("eth0", "xenbr0")}
        demand(forwarding == {"eth0": "0", "xenbr0": "1"}, forwarding)
        # The network that leads out by another's bridge is lowered before that, also where no daemon runs.
        daemon.kill()
        daemon.restore()
        demand(topology.host.sysctl("ipv4/conf/eth0/forwarding") == "0", "the host's own interface forwards")
        daemon.start()


@test("§5-move: members of the group move what is their own, to where they could connect it, and nothing of others'")
def by_members():
    with networks(start=False) as (topology, daemon):
        start_for_members(daemon)
        for vif in ("1.0", "3.1", "4.0"):
            topology.add_guest(vif)

        def member(*words, **options):
            return as_member(topology, daemon, *words, **options)

        member("vif", "add", "--id", "1.0", "--bridge", "xenbr0", "--netns", topology.guests["1.0"].path)
        member("tap", "add", "tap1", "--bridge", "xenbr0")
        daemon.add_pair("3.1", topology.guests["3.1"])
        member("vif", "add", "--id", "4.0", "--bridge", "xenbr0", "--netns", topology.guests["4.0"].path, user=OTHER)
        plan = member("vif", "move", "vif1.0", "--to", "inside", "--dry-run").stdout
        demand("inside" in plan and "vif1.0" in ports(topology.host, "xenbr0"), plan)
        member("vif", "move", "vif1.0", "--to", "inside")
        member("vif", "move", "tap1", "--to", "inner")
        demand(ports(topology.host, "inside") == {"vif1.0"} and ports(topology.host, "inner") == {"tap1"},
               daemon.tail())
        for vif in ("vif3.1", "vif4.0"):
            demand_error(member("vif", "move", vif, "--to", "inside", check=False), vif, "another user", code=4)
            demand_error(member("vif", "move", vif, "--to", "inside", "--dry-run", check=False), "another user", code=4)
        demand_error(member("vif", "move", "vif9.0", "--to", "inside", check=False), "vif9.0", "not attached", code=5)
        # What is another guest's does not become theirs by a move.
        daemon.drawbridge("vif", "move", "vif3.1", "--to", "inner", "--ip", "10.77.0.9")
        demand_error(member("vif", "move", "vif1.0", "--to", "inner", "--ip", "10.77.0.9", check=False), "10.77.0.9",
                     "vif3.1")
        stranger = topology.host.run(
            "setpriv", "--reuid", "65532", "--regid", "65532", "--clear-groups", "--inh-caps=-all",
            daemon.product.command, "vif", "move", "vif1.0", "--to", "xenbr0", "--socket", daemon.socket, check=False)
        demand(stranger.returncode == 4, stranger.stderr)
        demand(ports(topology.host, "inside") == {"vif1.0"} and "vif4.0" in ports(topology.host, "xenbr0"),
               "something was moved")
        # It is theirs still, and nobody else's.
        demand_error(member("vif", "remove", "vif1.0", user=OTHER, check=False), "another user", code=4)
        member("vif", "remove", "vif1.0")
        member("tap", "remove", "tap1")
        for vif in ("3.1", "4.0"):
            daemon.remove_vif(vif)


@test("§5-move: the tap of an emulated card goes along with its vif, by whichever of the two names it is moved, and both are filtered there")
def emulated():
    with networks() as (topology, daemon):
        guest = topology.add_guest_with_device("3.0", OWN.mac)
        topology.host.ip("link", "add", "vif3.0-emu", "type", "veth", "peer", "name", "eth1", "netns", guest.name)
        keys = {"bridge": "xenbr0", "mac": OWN.mac, "ip": OWN.ipv4}
        daemon.vif_bridge("online", "3.0", **keys)
        daemon.script("vif-bridge", "add", "type_if=tap", *(f"{key}={value}" for key, value in keys.items()),
                      INTERFACE="vif3.0-emu", XENBUS_PATH="backend/vif/3/0")
        both = {"vif3.0", "vif3.0-emu"}
        demand(both < ports(topology.host, "xenbr0"), daemon.tail())
        plan = "\n".join(daemon.json("vif", "move", "vif3.0", "--to", "inside", "--dry-run")["outcome"]["plan"])
        demand("vif3.0-emu" in plan, plan)
        move(daemon, "3.0", "inside", "--ip", ELSEWHERE)
        demand(ports(topology.host, "inside") == both, ports(topology.host, "inside"))
        for name in ("3.0", "3.0-emu"):
            demand(permitted(topology, name) == {ELSEWHERE}, f"vif{name}: {permitted(topology, name)}")
        # By the tap's own name, to a subnet, where both are one guest, and to a routed network.
        move(daemon, "3.0-emu", "inner")
        demand(ports(topology.host, "inner") == both, ports(topology.host, "inner"))
        addresses = {one["address"] for one in daemon.json("address", "list")["addresses"]}
        demand(addresses == {"10.77.0.2", "fd00:77::2"}, f"they are not one guest: {addresses}")
        for name in ("3.0", "3.0-emu"):
            demand(permitted(topology, name) == {"10.77.0.2"}, f"vif{name}: {permitted(topology, name)}")
        move(daemon, "3.0", "lan", "--ip", "10.99.0.5")
        routes = topology.host.json("-4", "route", "show", "10.99.0.5")
        demand({(r["dev"], r.get("metric")) for r in routes} == {("vif3.0", 2), ("vif3.0-emu", 1)}, routes)
        daemon.kill()
        daemon.start()
        move(daemon, "3.0", "xenbr0", "--ip", OWN.ipv4)
        demand(both < ports(topology.host, "xenbr0"), ports(topology.host, "xenbr0"))
        left = topology.host.run("ip", "route", "show", "10.99.0.5").stdout
        demand(not left.strip(), f"of the routed network remains: {left}")
        # Each goes by itself.
        daemon.script("vif-bridge", "remove", "type_if=tap", INTERFACE="vif3.0-emu", XENBUS_PATH="backend/vif/3/0")
        demand("vif3.0" in ports(topology.host, "xenbr0"), "the tap took the vif along")
        move(daemon, "3.0", "inside")
        demand(ports(topology.host, "inside") == {"vif3.0"}, ports(topology.host, "inside"))
        daemon.vif_bridge("offline", "3.0")
        topology.host.ip("link", "delete", "vif3.0-emu")
