"""Guests that are kept from each other and from nothing else, and networks that lead nowhere."""

import concurrent.futures
import contextlib
import json
import signal

from rig.cases import demand, host, link, test
from rig.topology import HOST_IPV4, ROUTER_IPV4
from test_routed import MAC, eventually, furnish, reaches

VIFS = ("3.0", "4.0", "6.0")
HARDWARE = {vif: f"00:16:3e:00:0{vif[0]}:00" for vif in VIFS}
IPV4 = {vif: f"192.0.2.{vif[0]}" for vif in VIFS}
IPV6 = {vif: f"2001:db8:1::{vif[0]}" for vif in VIFS}
ISOLATED = "    isolate-guests: yes\n"
OPEN = "vifs:\n  vif6.0: {isolated: no}\n"


def yaml(settings="", vifs="", uplink="eth0"):
    return f"version: 1\nnetworks:\n  xenbr0:\n    uplink: {uplink}\n{settings}{vifs}"


def isolation(topology):
    """Which vifs are isolated ports, as the kernel has it."""
    found = set()
    for entry in json.loads(topology.host.run("bridge", "-d", "-j", "link", "show").stdout):
        if entry["ifname"].startswith("vif") and entry.get("isolated"):
            found.add(entry["ifname"].removeprefix("vif"))
    return found


def address(topology, vif):
    """Gives the guest its addresses and tells it the others' hardware addresses, so that its frames go to them."""
    lines = ["link set eth0 up", f"address add {IPV4[vif]}/24 dev eth0", f"address add {IPV6[vif]}/64 dev eth0 nodad"]
    for other in VIFS:
        if other != vif:
            lines += [f"neighbour replace {table[other]} lladdr {HARDWARE[other]} dev eth0 nud permanent"
                      for table in (IPV4, IPV6)]
    topology.guests[vif].batch(lines)
    topology.guests[vif].settled("eth0")


@contextlib.contextmanager
def guests(configuration, options=None, compare=True):
    """A host with three guests: of each is told what it is connected with."""
    with host(configuration=configuration, suffix="yaml", compare=compare) as (topology, daemon):
        for vif in VIFS:
            topology.add_guest(vif)
            connect(topology, daemon, vif, *(options or {}).get(vif, ()))
            address(topology, vif)
        yield topology, daemon


def connect(topology, daemon, vif, *options):
    return daemon.add_pair(vif, topology.guests[vif], "--mac", HARDWARE[vif], *options)


def connected(topology, one, other):
    """Packets go from one guest to the other and back."""
    for table in (IPV4, IPV6):
        eventually(f"{one} reaches {table[other]}", lambda: reaches(topology.guests[one], table[other]))


def apart(topology, *vifs):
    """None of the guests gets an answer of another."""
    hear_nothing(topology, [
        (one, table[other]) for one in vifs for other in vifs if one != other for table in (IPV4, IPV6)])


def hear_nothing(topology, asked):
    """No guest gets an answer of the address that it asks. All ask at once, since each waits a while in vain."""
    with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
        answered = pool.map(lambda pair: reaches(topology.guests[pair[0]], pair[1]), asked)
        reached = [pair for pair, is_answered in zip(asked, answered) if is_answered]
    demand(not reached, f"these are answered: {reached}")


def outside(topology, *vifs):
    """The guests reach the router beyond the uplink, and the host."""
    for vif in vifs:
        for target in (ROUTER_IPV4, HOST_IPV4):
            eventually(f"{vif} reaches {target}", lambda: reaches(topology.guests[vif], target))


def judge(topology, isolated):
    """The kernel has these isolated, and packets show it."""
    demand(isolation(topology) == isolated, f"isolated: {isolation(topology)}, not {isolated}")
    outside(topology, *VIFS)
    if len(isolated) > 1:
        apart(topology, *sorted(isolated))
    for one, other in (("3.0", "4.0"), ("3.0", "6.0"), ("4.0", "6.0")):
        if not {one, other} <= isolated:
            connected(topology, one, other)


@test("the guests of a network that isolates them reach the uplink and the host, but each other only where a vif is not isolated")
def network():
    with guests(yaml(ISOLATED, OPEN)) as (topology, daemon):
        judge(topology, {"3.0", "4.0"})
        told = {vif["id"]: vif.get("isolated", False) for vif in daemon.json("vif", "list")["vifs"]}
        demand(told == {"vif3.0": True, "vif4.0": True, "vif6.0": False}, told)
        demand("isolated   yes" in daemon.drawbridge("vif", "show", "vif3.0").stdout, "people are not told")


@test("vif add --isolated keeps a guest from the others that are isolated, and --no-isolated lets it back, with nothing sent twice")
def single():
    with guests(yaml(), {"3.0": ["--isolated"], "4.0": ["--isolated"]}) as (topology, daemon):
        judge(topology, {"3.0", "4.0"})
        before = daemon.json("daemon", "status")["daemon"]["kernelChanges"]
        connect(topology, daemon, "3.0", "--isolated")
        after = daemon.json("daemon", "status")["daemon"]["kernelChanges"]
        demand(before == after, f"{after - before} requests for what was there")
        connect(topology, daemon, "3.0", "--no-isolated")
        judge(topology, {"4.0"})


@test("a broadcast of an isolated guest comes to no other isolated one")
def broadcast():
    with guests(yaml(ISOLATED, OPEN)) as (topology, _):
        def received(vif):
            """How many packets came to the guest so far."""
            return topology.guests[vif].json("-s", "link", "show", "dev", "eth0")[0]["stats64"]["rx"]["packets"]
        for vif in VIFS:
            topology.guests[vif].sysctl("ipv6/conf/eth0/disable_ipv6", 1)
        topology.guests["3.0"].ip("neighbour", "add", "192.0.2.99", "lladdr", "ff:ff:ff:ff:ff:ff", "dev", "eth0",
                                  "nud", "permanent")
        hidden, seen = received("4.0"), received("6.0")
        topology.guests["3.0"].run("ping", "-c", "20", "-i", "0.01", "-W", "1", "192.0.2.99", check=False)
        eventually("the guest that is not isolated gets them", lambda: received("6.0") - seen >= 20)
        demand(received("4.0") - hidden < 20, f"{received('4.0') - hidden} packets came to the isolated guest")


@test("a daemon that was killed finds the isolation as it was, and puts right what the configuration says since then")
def killed():
    with guests(yaml(ISOLATED, OPEN)) as (topology, daemon):
        daemon.kill()
        judge(topology, {"3.0", "4.0"})
        daemon.start()
        judge(topology, {"3.0", "4.0"})
        demand(daemon.json("vif", "show", "vif4.0")["vif"].get("isolated") is True, "it was forgotten")
        daemon.kill()
        daemon.configure(yaml(ISOLATED))
        daemon.start()
        judge(topology, set(VIFS))
        for vif in VIFS:
            daemon.remove_vif(vif)


@test("what a new configuration says of isolation holds on reload, for what is connected already")
def reloaded():
    with guests(yaml()) as (topology, daemon):
        judge(topology, set())
        for text, isolated in ((yaml(ISOLATED), set(VIFS)), (yaml(ISOLATED, OPEN), {"3.0", "4.0"}), (yaml(), set())):
            daemon.configure(text)
            daemon.signal(signal.SIGHUP)
            eventually(f"{isolated} are isolated", lambda: isolation(topology) == isolated)
        judge(topology, set())


@test("a guest that somebody else isolated stays so when the configuration is read again")
def others_isolation():
    with guests(yaml(vifs=OPEN)) as (topology, daemon):
        for vif in ("3.0", "4.0"):
            topology.host.run("bridge", "link", "set", "dev", f"vif{vif}", "isolated", "on")
        daemon.drawbridge("daemon", "reload")
        judge(topology, {"3.0", "4.0"})


@test("a network without an uplink reaches nothing but its own guests, and isolates them where it is asked to")
def without_uplink():
    for settings, meet in (("", connected), (ISOLATED, apart)):
        with guests(yaml(settings, uplink="none")) as (topology, _):
            meet(topology, "3.0", "4.0")
            hear_nothing(topology, [(vif, target) for vif in VIFS for target in (ROUTER_IPV4, HOST_IPV4)])


@test("a device that others made is no isolated port any more once it is disconnected, and its network is lowered as ever")
def others_device():
    with host(configuration=yaml(ISOLATED), suffix="yaml") as (topology, daemon):
        topology.add_guest_with_device("3.0", HARDWARE["3.0"])
        daemon.vif_bridge("online", "3.0", mac=HARDWARE["3.0"])
        demand(isolation(topology) == {"3.0"}, isolation(topology))
        daemon.vif_bridge("offline", "3.0")
        demand("master" not in link(topology.host, "vif3.0"), "it is a port still")


@test("on a routed network that connects its guests an isolated one reaches none of them")
def routed():
    configuration = ("version: 1\nvif-script: vif-bridge\n"
                     "networks: {lan: {kind: routed, uplink: eth0, connect-guests: yes}}\n")
    places = {"3.0": "10.9.0.5", "4.0": "10.9.0.6"}
    with host(configuration=configuration, suffix="yaml") as (topology, daemon):
        def add(vif, *options):
            daemon.add_pair(vif, topology.guests[vif], "--ip", places[vif], "--mac", MAC[vif], *options, network="lan")
        for vif, own in places.items():
            topology.add_guest(vif)
            add(vif, *(["--isolated"] if vif == "3.0" else []))
            furnish(topology, vif, own)
        demand(not reaches(topology.guests["3.0"], "10.9.0.6"), "the isolated guest reaches the other")
        eventually("3.0 reaches the host", lambda: reaches(topology.guests["3.0"], HOST_IPV4))
        daemon.kill()
        daemon.start()
        demand(not reaches(topology.guests["3.0"], "10.9.0.6"), "another daemon forgot it")
        add("3.0")
        eventually("3.0 reaches 4.0", lambda: reaches(topology.guests["3.0"], "10.9.0.6"))


@test("a vif that is asked to be isolated and not to be is refused")
def refused():
    with host() as (topology, daemon):
        guest = topology.add_guest("3.0")
        twice = daemon.add_pair("3.0", guest, "--isolated", "--no-isolated", check=False)
        demand(twice.returncode != 0 and not daemon.connected_vifs(), "both were taken")
