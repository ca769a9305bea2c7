"""Who is held to what: what holds unless something is said, what the configuration says, and what changes meanwhile."""

import os
import signal
import time

from rig import frames as f
from rig.cases import demand, host, link, test
from rig.corpus import LEGITIMATE, Cast
from rig.filtering import HOST, OTHER, OWN, ROUTER, attached, calm, corpus, judge, listening
from rig.namespaces import PATIENCE
from rig.product import BRIDGED, scratch
from rig.wire import packet_socket

BOTH = ["--ip", OWN.ipv4, "--ip", OWN.ipv6]
EVERYTHING = {frame.kind for frame in corpus()}


def yaml(settings="", vifs=""):
    return f"version: 1\nnetworks:\n  xenbr0:\n    uplink: eth0\n{settings}{vifs}"


def claims(address, kind="ipv4", own=OWN):
    """What a guest sends to speak for an address, in IPv4 and in ARP."""
    cast = Cast(own, OTHER, HOST, ROUTER)
    cast.udp4(kind, f"UDP from {address}", address, "255.255.255.255")
    cast.arp(kind, f"ARP request from {address}", 1, own.mac, address, "00:00:00:00:00:00", ROUTER.ipv4)
    return cast.frames


def eventually(topology, wire, frames, passing, seconds=20):
    """The frames come to be judged so. Whom an unfiltered guest pretended to be says before where it really is."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            for sender, device, station in ((topology.guests["3.1"], "eth0", OTHER), (topology.router, "lan0", ROUTER)):
                speaks = claims(station.ipv4, own=station)
                wire.send(sender, [frame.data for frame in speaks], device=device)
            return judge(topology, wire, frames, passing)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@test("§7-48: antispoof=no switches the filter off, for a network and for one vif")
def switched_off():
    off = BRIDGED.replace("bridge=xenbr0", "bridge=xenbr0 antispoof=no")
    for configuration, suffix in ((off, "sxp"), (yaml("    antispoof: no\n"), "yaml"),
                                  (yaml(vifs="vifs:\n  vif1.0: {antispoof: no}\n"), "yaml")):
        with attached(*BOTH, configuration=configuration, suffix=suffix, compare=False) as (topology, daemon):
            demand("filter" not in daemon.json("vif", "show", "vif1.0")["vif"], "it is told to be filtered")
            with listening(topology) as wire:
                judge(topology, wire, corpus(), EVERYTHING)


@test("§7-49: antispoof=yes filters at the vifs, by several addresses and prefixes, and leaves the administrator's tables")
def switched_on():
    def administrated(topology):
        calm(topology)
        topology.host.run("iptables-nft", "-P", "FORWARD", "ACCEPT")
        topology.host.run("iptables-nft", "-A", "FORWARD", "-s", "203.0.113.0/24", "-j", "DROP")
        topology.host.nft("table inet admin { chain f { type filter hook forward priority 5; policy accept; "
                          "ip daddr 203.0.113.9 drop; }; }")

    on = (BRIDGED.replace("bridge=xenbr0", "bridge=xenbr0 antispoof=yes")
          + "(drawbridge-antispoof no)\n")
    with host(configuration=on, prepare=administrated) as (topology, daemon):
        def tables():
            return [topology.host.run("nft", "-s", "list", "table", *name).stdout
                    for name in (("ip", "filter"), ("inet", "admin"))]
        before = tables()
        listener, guest = topology.add_guest("3.1"), topology.add_guest_with_device("1.0", OWN.mac)
        daemon.add_pair("3.1", listener, "--mac", OTHER.mac, "--ip", OTHER.ipv4)
        daemon.vif_bridge("online", "1.0", bridge="xenbr0", mac=OWN.mac,
                          ip=f"{OWN.ipv4} 198.51.100.16/28,2001:db8:77::/64")
        for namespace in (listener, guest):
            namespace.ip("link", "set", "eth0", "up")
        guest.settled("eth0")
        cast = Cast(OWN, OTHER, HOST, ROUTER)
        for kind, addresses in (("ipv4", (OWN.ipv4, "198.51.100.16", "198.51.100.31")),
                                ("taken4", (HOST.ipv4, OTHER.ipv4, "198.51.100.15", "198.51.100.32"))):
            for address in addresses:
                cast.udp4(kind, f"UDP from {address}", address, "255.255.255.255")
                cast.arp(kind, f"ARP request from {address}", 1, OWN.mac, address, "00:00:00:00:00:00", ROUTER.ipv4)
        for kind, address in (("ipv6", "2001:db8:77::21"), ("taken6", "2001:db8:78::21")):
            cast.udp6(kind, f"UDP from {address}", address, f.ALL_NODES)
        with listening(topology) as wire:
            judge(topology, wire, cast.frames, {"ipv4", "ipv6"})
        demand(tables() == before, f"the administrator's tables have changed: {tables()}")
        daemon.vif_bridge("offline", "1.0", bridge="xenbr0")
        demand(tables() == before, f"the administrator's tables have changed: {tables()}")


@test("a vif of which no address is told may be closed while its network's others are not")
def closed_vif():
    vifs = "vifs:\n  vif1.0: {antispoof-without-address: closed}\n"
    with attached(configuration=yaml(vifs=vifs), suffix="yaml") as (topology, daemon):
        demand(daemon.json("vif", "show", "vif1.0")["vif"]["filter"] == "closed", "it is told otherwise")
        demand(daemon.json("vif", "show", "vif3.1")["vif"]["filter"] == "addresses", "the other is told otherwise")
        with listening(topology) as wire:
            judge(topology, wire, corpus(), set())


@test("what the configuration says of the filter is changed while guests send, without another attach")
def reloaded():
    with attached(configuration=yaml(), suffix="yaml", compare=False) as (topology, daemon):
        frames = corpus()
        with listening(topology) as wire:
            for settings, passing in (
                    ("    antispoof-without-address: closed\n", set()),
                    ("    antispoof-without-address: open\n", EVERYTHING),
                    ("    antispoof: no\n", EVERYTHING),
                    ("", {*LEGITIMATE, "free4", "free6"})):
                # What a frame pins while the change is under way would be in the way of those after it.
                daemon.configure(yaml(settings + "    antispoof-link-local: eui64\n"))
                daemon.signal(signal.SIGHUP)
                eventually(topology, wire, frames, passing)


@test("a pair of which no hardware address is told gets one of Xen's, keeps it, and is held to it")
def chosen_hardware_address():
    with attached(says_mac=False) as (topology, daemon):
        told = daemon.json("vif", "show", "vif1.0")["vif"]["mac"]
        demand(told.startswith("00:16:3e:") and int(told.split(":")[3], 16) < 0x80, f"{told} is not Xen's")
        demand(link(topology.guests["1.0"], "eth0")["address"] == told, "the guest has another")
        daemon.add_pair("1.0", topology.guests["1.0"])
        demand(daemon.json("vif", "show", "vif1.0")["vif"]["mac"] == told, "it changed as it was attached again")
        with listening(topology) as wire:
            judge(topology, wire, claims(ROUTER.ipv4), set())


@test("the addresses of a guest that went stay its own: nobody else has them before they are given to somebody")
def resting():
    with host(prepare=calm) as (topology, daemon):
        for vif, station, more in (("3.1", OTHER, ["--ip", OTHER.ipv4]), ("1.0", OWN, [])):
            guest = topology.add_guest(vif)
            daemon.add_pair(vif, guest, "--mac", station.mac, *more)
            guest.ip("link", "set", "eth0", "up")
            guest.settled("eth0")
        away = "192.0.2.77"
        gone = topology.add_guest("7.0")
        with listening(topology) as wire:
            judge(topology, wire, claims(away), {"ipv4"})
            daemon.add_pair("7.0", gone, "--ip", away)
            judge(topology, wire, claims(away), set())
            daemon.remove_vif("7.0")
            judge(topology, wire, claims(away), set())
            daemon.kill()
            daemon.start()
            judge(topology, wire, claims(away), set())
            daemon.add_pair("8.0", gone, "--ip", away)
            judge(topology, wire, claims(away), set())
            daemon.remove_vif("1.0")
            daemon.add_pair("1.0", topology.guests["1.0"], "--mac", OWN.mac, "--ip", away, check=False)
            demand("vif1.0" not in daemon.connected_vifs(), "the address was given twice")
            daemon.remove_vif("8.0")
            daemon.add_pair("1.0", topology.guests["1.0"], "--mac", OWN.mac, "--ip", away)
            topology.guests["1.0"].ip("link", "set", "eth0", "up")
            topology.guests["1.0"].settled("eth0")
            judge(topology, wire, claims(away), {"ipv4"})


@test("an address that the host is given while guests run is the host's own at once, and free again once it lost it")
def own_addresses():
    with attached() as (topology, _):
        with listening(topology) as wire:
            judge(topology, wire, claims("192.0.2.88"), {"ipv4"})
            topology.host.ip("address", "add", "192.0.2.88/24", "dev", "xenbr0")
            eventually(topology, wire, claims("192.0.2.88"), set())
            topology.host.ip("address", "del", "192.0.2.88/24", "dev", "xenbr0")
            eventually(topology, wire, claims("192.0.2.88"), {"ipv4"})


@test("the bridge does not learn from a vif that is held to its hardware address, and knows it all the same")
def static_entry():
    with attached(*BOTH) as (topology, _):
        entries = topology.host.run("bridge", "fdb", "show", "dev", "vif1.0").stdout
        demand(any(OWN.mac in line and "static" in line for line in entries.splitlines()), entries)
        detail = topology.host.run("bridge", "-d", "link", "show", "dev", "vif1.0").stdout
        demand("learning off" in detail, detail)
        # Somebody beyond the uplink who pretends to be the guest gets none of its frames.
        with listening(topology) as wire:
            wire.send(topology.router, [frame.data for frame in claims("192.0.2.200")], device="lan0")
        entries = topology.host.run("bridge", "fdb", "show", "br", "xenbr0").stdout.splitlines()
        # A kernel with VLANs has the entry of VLAN 1 beside the one of none.
        places = [line for line in entries if OWN.mac in line]
        demand(places and all("dev vif1.0" in line and "sticky" in line for line in places), places)


@test("a dry run tells how the vif would be filtered, and a vif on a bridge of somebody else's is filtered as well")
def foreign_bridge():
    with host(start=False, prepare=calm, configuration="(vif-script vif-bridge)\n") as (topology, daemon):
        topology.host.batch([
            f"link add br7 address {HOST.mac} type bridge forward_delay 0", "link set br7 up",
            "address add 192.0.2.99/24 dev br7"])
        daemon.start()
        guest = topology.add_guest_with_device("1.0", OWN.mac)
        lines = daemon.drawbridge(
            "vif", "add", "--id", "vif1.0", "--device", "vif1.0", "--bridge", "br7", "--mac", OWN.mac,
            "--ip", OWN.ipv4, "--dry-run").stdout
        demand(f"filter vif1.0: {OWN.ipv4} at {OWN.mac}" in lines, lines)
        tables = topology.host.run("nft", "list", "tables").stdout
        demand("drawbridge" not in tables, "a dry run made the filter")
        daemon.vif_bridge("online", "1.0", bridge="br7", mac=OWN.mac, ip=OWN.ipv4)
        table = topology.host.run("nft", "list", "table", "netdev", "drawbridge").stdout
        for word in ("192.0.2.99", OWN.ipv4, OWN.mac):
            demand(word in table, f"{word} is not in the filter")
        daemon.kill()
        daemon.start()
        table = topology.host.run("nft", "list", "table", "netdev", "drawbridge").stdout
        demand("192.0.2.99" in table and OWN.mac in table, "another daemon forgot it")
        guest.ip("link", "set", "eth0", "up")
        daemon.vif_bridge("offline", "1.0", bridge="br7")
        topology.host.ip("link", "del", "br7")


@test("status tells how the filter lies in this kernel, and the kernel has it so")
def layout():
    with attached(*BOTH) as (topology, daemon):
        told = daemon.json("status")["daemon"]["filterLayout"]
        demand(told in daemon.drawbridge("status").stdout, f"{told} is not in the status")
        listed = topology.host.run("nft", "list", "table", "netdev", "drawbridge").stdout
        chains = listed.count("hook ingress")
        demand((chains == 1) == told.startswith("one chain for all vifs"), f"{told}, and {chains} chains")
        demand(chains in (1, 2), f"{chains} chains for two vifs")
        demand(("owner" in listed) == told.endswith(", owned"), f"{told}: {listed[:200]}")


@test("drops are logged at a bounded rate: ten a second and twenty at once, whatever a guest sends", alone=True)
def logged():
    # The kernel keeps the log of other network namespaces to itself. What it traces of each frame tells what it logs: the
    # step of the rule that ends in the entry is there only where the rate let it.
    with attached(*BOTH, configuration=yaml("    antispoof-log: yes\n"), suffix="yaml", compare=False) as (topology, _):
        topology.host.nft("table netdev witness { chain c { type filter hook ingress device vif1.0 priority -600; "
                          "meta nftrace set 1; }; }")
        log = os.path.join(scratch(), "dropped.trace")
        with open(log, "w", encoding="utf-8") as file:
            monitor = topology.host.start("nft", "monitor", "trace", stdout=file)
        time.sleep(0.5)
        spoof = claims(HOST.ipv4)[0].data
        begin = time.monotonic()
        with packet_socket(topology.guests["1.0"], "eth0", listens=False) as out:
            for _ in range(600):
                out.send(spoof)
                # Sent faster, more is traced than `nft` takes in where the processor is emulated.
                time.sleep(0.012)
        seconds = time.monotonic() - begin
        # What it has not taken in yet waits in its socket.
        size = -1
        while size != (size := os.path.getsize(log)):
            time.sleep(0.5 * PATIENCE)
        monitor.terminate()
        monitor.wait(10)
        with open(log, encoding="utf-8") as file:
            steps = [line for line in file if "drawbridge refused rule" in line]
        dropped = sum("verdict drop" in step for step in steps)
        entries = sum('log prefix "drawbridge drop "' in step for step in steps)
        demand(dropped >= 500, f"of 600 frames {dropped} were traced as dropped: that shows nothing")
        demand(20 <= entries <= 20 + 10 * (seconds + 1), f"{entries} entries for {dropped} drops in {seconds:.1f} s")
