"""What happens to the filter against spoofing, and to the vif behind it, while a guest sends."""

import contextlib
import subprocess
import threading
import time

from rig import frames as f
from rig.cases import demand, host, link, test
from rig.corpus import LEGITIMATE
from rig.filtering import HOST, OTHER, OWN, attached, calm, corpus, judge, listening, needs_filter
from rig.product import BRIDGED
from rig.wire import Flood
from rig.xen import eventually

SPOOF = f.ethernet(OWN.mac, f.BROADCAST, f.IPV4, f.ipv4(
    HOST.ipv4, "255.255.255.255", f.UDP, f.udp(HOST.ipv4, "255.255.255.255", 5000, 5000)))
BOTH = ["--ip", OWN.ipv4, "--ip", OWN.ipv6]


@contextlib.contextmanager
def flooding(topology, wire, device="eth0"):
    """The guest sends a spoofed frame as fast as it can; none may have come out in the end."""
    flood = Flood(topology.guests["1.0"], SPOOF, device)
    try:
        yield
        places = wire.heard(0.2)
    finally:
        sent = flood.end()
    demand(sent > 100, f"only {sent} frames were sent: that shows nothing")
    demand(not places, f"a spoofed frame got through to: {', '.join(sorted(places))}")


def online_under_fire(**more):
    with host(configuration=BRIDGED, prepare=calm) as (topology, daemon):
        listener, guest = topology.add_guest("3.1"), topology.add_guest_with_device("1.0", OWN.mac)
        daemon.add_pair("3.1", listener, "--mac", OTHER.mac, "--ip", OTHER.ipv4, "--ip", OTHER.ipv6)
        needs_filter(topology)
        for namespace in (listener, guest):
            namespace.ip("link", "set", "eth0", "up")
        with listening(topology) as wire, listening(topology) as second:
            with flooding(topology, wire):
                time.sleep(0.05)
                daemon.vif_bridge("online", "1.0", bridge="xenbr0", mac=OWN.mac, ip=f"{OWN.ipv4} {OWN.ipv6}", **more)
                time.sleep(0.05)
            guest.settled("eth0")
            judge(topology, second, corpus(), set(LEGITIMATE))
        daemon.vif_bridge("offline", "1.0", bridge="xenbr0", **more)


@test("§7-47: a guest that sends from before the attach gets no spoofed frame through, and its own soon after")
def before_attach():
    online_under_fire()


@test("§7-47: nor where the vif is renamed while it is attached")
def before_rename():
    online_under_fire(vifname="web0")


@test("§7-47: what the administrator flushes of nftables does not open the way, and the corpus holds afterwards")
def flushed():
    with attached(*BOTH) as (topology, _):
        needs_filter(topology)
        topology.host.nft("table inet admin { chain input { type filter hook input priority 0; }; }")
        with listening(topology) as wire, listening(topology) as second:
            with flooding(topology, wire):
                for _ in range(5):
                    topology.host.run("nft", "flush", "ruleset")
                    time.sleep(0.05)
            demand("table inet admin" not in topology.host.run("nft", "list", "ruleset").stdout, "nothing was flushed")
            judge(topology, second, corpus(), set(LEGITIMATE))


def number_of_repairs(daemon):
    with open(daemon.log, errors="replace") as file:
        return file.read().count("filter-repaired")


DELETIONS = (
    ["delete", "element", "netdev", "drawbridge", "ipv4-sources", "{", "vif1.0", ".", OWN.mac, ".", OWN.ipv4, "}"],
    ["delete", "element", "netdev", "drawbridge", "modes", "{", "vif1.0", "}"],
    ["flush", "set", "netdev", "drawbridge", "senders"],
    ["flush", "table", "netdev", "drawbridge"],
    ["delete", "table", "netdev", "drawbridge"],
)


@test("an element of the filter that is deleted comes back, or cannot be deleted; so does the whole of it")
def deleted():
    with attached(*BOTH) as (topology, daemon):
        needs_filter(topology)
        with listening(topology) as wire:
            for number, words in enumerate(DELETIONS):
                repairs = number_of_repairs(daemon)
                if topology.host.run("nft", *words, check=False).returncode == 0:
                    # What passes before may pin a link-local address that is not the guest's.
                    eventually(lambda: number_of_repairs(daemon) > repairs, f"not told of: {' '.join(words)}")
                judge(topology, wire, corpus(), set(LEGITIMATE))
        demand(daemon.process.poll() is None, "the daemon ended")


@test("what was deleted of the filter while no daemon ran is back once one runs again")
def deleted_meanwhile():
    for words in DELETIONS[:1] + DELETIONS[-1:]:
        with attached(*BOTH) as (topology, daemon):
            needs_filter(topology)
            daemon.kill()
            deletion = topology.host.run("nft", *words, check=False)
            demand(deletion.returncode == 0, f"it cannot be deleted even without a daemon: {deletion.stderr}")
            daemon.start()
            with listening(topology) as wire:
                judge(topology, wire, corpus(), set(LEGITIMATE))


@test("the filter outlives the daemon: a daemon that is killed opens no way")
def killed():
    with attached(*BOTH) as (topology, daemon):
        needs_filter(topology)
        with listening(topology) as wire, listening(topology) as second:
            with flooding(topology, wire):
                daemon.kill()
                judge(topology, second, corpus(), set(LEGITIMATE))
                daemon.start()
                judge(topology, second, corpus(), set(LEGITIMATE))


def told(daemon, *words, seconds=20):
    """The first line of the event log that holds the words; waits for it."""
    process = subprocess.Popen(daemon.command("events", "--follow", "--since", "0"), stdout=subprocess.PIPE,
                               text=True, env=daemon.environment())
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            if all(word in line for word in words):
                return line
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
    raise AssertionError(f"the event log does not tell of: {' '.join(words)}")


@test("a vif that somebody renames is taken down until its filter follows the name, and nothing forged comes after")
def renamed_by_others():
    with attached(*BOTH) as (topology, daemon):
        needs_filter(topology)
        flood = Flood(topology.guests["1.0"], SPOOF, "eth0")
        try:
            if topology.host.ip("link", "set", "vif1.0", "name", "forged0", check=False).returncode != 0:
                topology.host.batch(["link set vif1.0 down", "link set vif1.0 name forged0", "link set forged0 up"])
            detail = told(daemon, "vif-renamed", "vif1.0")
            # What came in the moment before it was noticed belongs to whoever may rename devices.
            with listening(topology) as wire:
                places = wire.heard(0.5)
        finally:
            sent = flood.end()
        demand(sent > 100, f"only {sent} frames were sent: that shows nothing")
        demand(not places, f"after it was told ({detail}), forged frames came to: {', '.join(sorted(places))}")
        demand("vif1.0 to forged0" in detail, detail)
        demand("UP" in link(topology.host, "forged0")["flags"], "it is not up again")
        with listening(topology) as wire:
            judge(topology, wire, corpus(), set(LEGITIMATE))
        daemon.remove_vif("1.0")
        demand(link(topology.host, "forged0") is None, "it is still there")
        text = topology.host.run("nft", "list", "ruleset").stdout
        for trace in ("vif1.0", "forged0"):
            demand(trace not in text, f"{trace} is still in the filter")


@test("a vif that somebody renames while no daemon runs is filtered by its new name once one does")
def renamed_meanwhile():
    with attached(*BOTH) as (topology, daemon):
        needs_filter(topology)
        daemon.kill()
        topology.host.batch(["link set vif1.0 down", "link set vif1.0 name forged0", "link set forged0 up"])
        daemon.start()
        demand("vif1.0 to forged0" in told(daemon, "vif-renamed", "vif1.0"), "it is not told of")
        with listening(topology) as wire:
            judge(topology, wire, corpus(), set(LEGITIMATE))
        daemon.remove_vif("1.0")
        demand(link(topology.host, "forged0") is None, "it is still there")


@test("§7-31: what goes offline leaves nothing of itself in the filter")
def leaves_nothing():
    with attached(*BOTH) as (topology, daemon):
        needs_filter(topology)
        daemon.remove_vif("1.0")
        text = topology.host.run("nft", "list", "ruleset").stdout
        for trace in ("vif1.0", OWN.mac, OWN.local):
            demand(trace not in text, f"{trace} is still in the filter")
        # Its addresses are nobody else's while it is away.
        for address in (OWN.ipv4, OWN.ipv6):
            demand(text.count(address) == 1, f"{address} is {text.count(address)} times in the filter")
        daemon.remove_vif("3.1")


@test("what was dropped is told for each vif and each reason")
def counted():
    with attached(*BOTH) as (topology, daemon):
        needs_filter(topology)
        with listening(topology) as wire:
            judge(topology, wire, corpus(), set(LEGITIMATE))
        text = daemon.drawbridge("vif", "show", "vif1.0").stdout
        for word in ("spoofed ARP", "spoofed IPv4", "spoofed IPv6", "spoofed MAC", "rogue RA", "rogue DHCP", "VLAN"):
            demand(word in text, f"{word!r} is not in {text!r}")
        drops = daemon.json("vif", "show", "vif1.0")["vif"]["drops"]
        demand(all(drop["frames"] > 0 and drop["octets"] > 0 for drop in drops), f"{drops}")


@test("what a flush opens is measured and told where the kernel knows no lasting owners; elsewhere it opens nothing")
def flush_told():
    with attached(*BOTH) as (topology, daemon):
        needs_filter(topology)
        is_owned = "owner" in topology.host.run("nft", "list", "table", "netdev", "drawbridge").stdout
        topology.host.run("nft", "flush", "ruleset")
        if is_owned:
            text = topology.host.run("nft", "list", "table", "netdev", "drawbridge").stdout
            demand(OWN.mac in text and number_of_repairs(daemon) == 0, f"it was flushed: {text}")
        else:
            line = told(daemon, "filter-repaired", "its table was gone", "vifs were not filtered for")
            demand(" ms" in line and "nft" in line, line)
        with listening(topology) as wire:
            judge(topology, wire, corpus(), set(LEGITIMATE))
