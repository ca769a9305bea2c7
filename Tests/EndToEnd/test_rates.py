"""Limits of what guests send and receive: `rate` and `rate-in`, as tc tells them and as they are measured."""

import contextlib
import json
import os
import re
import subprocess
import time

from rig import frames as f
from rig.cases import NotHere, demand, demand_error, host, link, test, unchanged
from rig.filtering import OWN, ROUTER, calm
from rig.product import REPOSITORY
from rig.topology import GUESTS_IPV4, ROUTER_IPV4
from rig.traffic import CheckedStream
from rig.wire import packet_socket

PROBE = os.path.join(REPOSITORY, "Tests/Rig/rate-probe")
MBIT = 1_000_000


def bucket(namespace, device):
    """The limit of a device as tc tells it, in octets; None where there is none."""
    for entry in json.loads(namespace.run("tc", "-j", "-s", "qdisc", "show", "dev", device).stdout):
        if entry["kind"] == "tbf":
            return {**entry["options"], "handle": entry["handle"], "sent": entry["bytes"]}
    return None


def redirections(namespace, device):
    """The devices that all the device receives is sent through, by their names."""
    shown = namespace.run("nft", "list", "map", "netdev", "drawbridge-rates", "ways", check=False).stdout
    return re.findall(rf'"{re.escape(device)}" : "?([^" ,}}]+)"?', shown)


def demand_limits(namespace, vif, rate, rate_in):
    """The limits in bits a second, None for none, with a credit of 50 ms."""
    device, shaper = f"vif{vif}", f"ifb{vif}"
    for name, bits in ((shaper, rate), (device, rate_in)):
        found = bucket(namespace, name) if link(namespace, name) else None
        if bits is None:
            demand(found is None, f"{name} is limited: {found}")
        else:
            demand(found and found["rate"] == bits / 8, f"{name}: {found}, not {bits} bit/s")
    demand((link(namespace, shaper) is not None) == (rate is not None), f"{shaper} is there or not")
    demand(redirections(namespace, device) == ([shaper] if rate else []), redirections(namespace, device))


def eventually(condition, text, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        demand(time.monotonic() < deadline, text)
        time.sleep(0.05)


@contextlib.contextmanager
def guests(*options, configuration=None, suffix="sxp"):
    """A host with the guest 3.1 behind a pair."""
    extra = {} if configuration is None else {"configuration": configuration, "suffix": suffix}
    with host(**extra) as (topology, daemon):
        guest = topology.add_guest("3.1")
        daemon.add_pair("vif3.1", guest, *options)
        topology.address_guest("3.1")
        yield topology, daemon
        daemon.remove_vif("3.1")
        demand(link(topology.host, "ifb3.1") is None, "ifb3.1 is left behind")


@test("a script's rate limits the guest, its rate-in what it receives, and both go with the vif")
def by_script():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        with unchanged(topology.host, guests=("vif*",)):
            daemon.vif_bridge("online", "3.0", **{"bridge": "xenbr0", "rate": "10Mb/s@20ms", "rate-in": "4MB/s"})
            demand_limits(topology.host, "3.0", 10 * MBIT, 32 * MBIT)
            demand(bucket(topology.host, "ifb3.0")["burst"] == 25_000, bucket(topology.host, "ifb3.0"))
            demand(bucket(topology.host, "vif3.0")["burst"] == 200_000, bucket(topology.host, "vif3.0"))
            shaper = link(topology.host, "ifb3.0")
            demand(shaper["ifalias"] == "drawbridge rate vif3.0" and shaper["group"] != "default", shaper)
            vif = daemon.json("vif", "show", "3.0")["vif"]
            demand((vif["rate"], vif["rateIn"]) == ("10Mb/s@20ms", "32Mb/s"), vif)
            daemon.vif_bridge("online", "3.0", **{"bridge": "xenbr0", "rate": "10Mb/s@20ms", "rate-in": "4MB/s"})
            demand_limits(topology.host, "3.0", 10 * MBIT, 32 * MBIT)
            daemon.vif_bridge("offline", "3.0")
            demand_limits(topology.host, "3.0", None, None)
            qdiscs = json.loads(topology.host.run("tc", "-j", "qdisc", "show", "dev", "vif3.0").stdout)
            demand(all(entry["kind"] == "noqueue" for entry in qdiscs), f"{qdiscs}")


@test("a script's rate is taken from the environment, and one that is unlimited is none")
def by_environment():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        daemon.script("vif-bridge", "online", vif="vif3.0", bridge="xenbr0", rate="250KB/s", rate_in="1MB/s")
        demand_limits(topology.host, "3.0", 2 * MBIT, 8 * MBIT)
        daemon.script("vif-bridge", "online", vif="vif3.0", bridge="xenbr0", rate="4294967295,0")
        demand_limits(topology.host, "3.0", None, None)
        daemon.vif_bridge("offline", "3.0")


@test("§7-109: limits are changed live: in place, the connection goes on, and the rest stays as it is")
def live():
    with guests("--rate", "100Mb/s", "--rate-in", "100Mb/s") as (topology, daemon):
        stream = CheckedStream(topology.guests["3.1"], topology.router, ROUTER_IPV4)
        eventually(lambda: bucket(topology.host, "ifb3.1")["sent"] > 100_000, "nothing is sent")
        index = link(topology.host, "ifb3.1")["ifindex"]
        daemon.drawbridge("vif", "set", "3.1", "--rate", "20Mb/s")
        demand_limits(topology.host, "3.1", 20 * MBIT, 100 * MBIT)
        plan = daemon.json("vif", "set", "3.1", "--rate", "50Mb/s", "--dry-run")["outcome"]["plan"]
        demand(len(plan) == 1 and "ifb3.1" in plan[0], f"{plan}")
        sent = bucket(topology.host, "ifb3.1")["sent"]
        daemon.drawbridge("vif", "set", "3.1", "--rate", "50Mb/s", "--rate-in", "60Mb/s")
        demand_limits(topology.host, "3.1", 50 * MBIT, 60 * MBIT)
        demand(bucket(topology.host, "ifb3.1")["sent"] >= sent, "the limit was made anew")
        demand(link(topology.host, "ifb3.1")["ifindex"] == index, "the device was made anew")
        outcome = daemon.json("vif", "set", "3.1", "--rate", "50Mb/s")["outcome"]
        demand(not outcome["changed"], f"{outcome}")
        daemon.drawbridge("vif", "set", "3.1", "--rate", "unlimited", "--rate-in", "unlimited")
        demand_limits(topology.host, "3.1", None, None)
        daemon.drawbridge("vif", "set", "3.1", "--rate", "80Mb/s")
        demand_limits(topology.host, "3.1", 80 * MBIT, None)
        for end in stream.result():
            demand(end["received"] > 0 and not end.get("problem"), f"{end}")


@test("a rate that is wrong is refused with key and value, before anything changes")
def refused():
    with guests("--rate", "10Mb/s") as (topology, daemon):
        topology.add_guest_with_device("4.0")
        spare = topology.add_guest("5.0")
        for text, cause in (("0Mb/s", "zero"), ("10Xb/s", "'X'"), ("5000000000b/s", "5000000000"),
                            ("10Mb/s@", "empty interval"), ("foo", "'foo'"), ("7b/s", "less than one octet")):
            with unchanged(topology.host):
                demand_error(daemon.vif_bridge("online", "4.0", check=False, bridge="xenbr0", rate=text),
                             "rate", cause)
                demand_error(daemon.drawbridge("vif", "set", "3.1", "--rate-in", text, check=False), "rateIn", cause)
                demand_error(daemon.add_pair("vif5.0", spare, "--rate", text, check=False), "rate", cause)
        demand_error(daemon.drawbridge("vif", "set", "9.9", "--rate", "1Mb/s", check=False), "vif9.9")
        demand_limits(topology.host, "3.1", 10 * MBIT, None)


@test("a credit below a frame is raised, said so, and a full frame passes")
def raised_credit():
    with guests() as (topology, daemon):
        result = daemon.drawbridge("vif", "set", "3.1", "--rate", "20KB/s@5ms", "--rate-in", "20KB/s@1ms")
        demand("rate 160Kb/s@5ms" in result.stderr and "raised to 1522" in result.stderr, result.stderr)
        demand(bucket(topology.host, "ifb3.1")["burst"] >= 1514, bucket(topology.host, "ifb3.1"))
        topology.guests["3.1"].run("ping", "-c", "2", "-W", "2", "-s", "1472", "-M", "do", ROUTER_IPV4)


@test("what others put on a vif is in the way of a limit and is not touched")
def foreign():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        topology.host.run("tc", "qdisc", "add", "dev", "vif3.0", "root", "handle", "7:", "htb")
        topology.host.ip("link", "add", "ifb3.0", "type", "ifb")
        for key in ("rate", "rate-in"):
            with unchanged(topology.host):
                demand_error(daemon.vif_bridge("online", "3.0", check=False, bridge="xenbr0", **{key: "10Mb/s"}),
                             "ifb3.0" if key == "rate" else "htb 7:")
        daemon.vif_bridge("online", "3.0", bridge="xenbr0")
        daemon.vif_bridge("offline", "3.0")
        shown = topology.host.run("tc", "qdisc", "show", "dev", "vif3.0").stdout
        demand("htb 7:" in shown and link(topology.host, "ifb3.0"), shown)
        topology.host.run("tc", "qdisc", "delete", "dev", "vif3.0", "root")
        topology.host.ip("link", "delete", "ifb3.0")


@test("limits that somebody changes are put right, and that is said")
def drift():
    with guests("--rate", "10Mb/s", "--rate-in", "10Mb/s") as (topology, daemon):
        for change in ("tc qdisc delete dev vif3.1 root",
                       "tc qdisc delete dev ifb3.1 root", "ip link delete ifb3.1",
                       "tc qdisc change dev ifb3.1 root tbf rate 99mbit burst 99kb limit 99kb"):
            topology.host.run(*change.split())

            def is_right():
                try:
                    demand_limits(topology.host, "3.1", 10 * MBIT, 10 * MBIT)
                    return True
                except (AssertionError, Exception):
                    return False
            eventually(is_right, f"not repaired after: {change}")
        topology.guests["3.1"].run("ping", "-c", "1", "-W", "2", ROUTER_IPV4)


@test("a killed daemon leaves the limits, and the next one adopts them and goes on")
def adopted():
    with guests("--rate", "10Mb/s", "--rate-in", "20Mb/s") as (topology, daemon):
        daemon.drawbridge("vif", "set", "3.1", "--rate", "30Mb/s")
        daemon.kill()
        demand_limits(topology.host, "3.1", 30 * MBIT, 20 * MBIT)
        index = link(topology.host, "ifb3.1")["ifindex"]
        topology.host.run("tc", "qdisc", "delete", "dev", "vif3.1", "root")
        daemon.start()
        demand_limits(topology.host, "3.1", 30 * MBIT, 20 * MBIT)
        demand(link(topology.host, "ifb3.1")["ifindex"] == index, "the device was made anew")
        outcome = daemon.json("vif", "set", "3.1", "--rate", "30Mb/s", "--dry-run")["outcome"]
        demand(not outcome["plan"], f"{outcome}")


@test("a network that is lowered takes the limits of its guests along, and they come again with it")
def lowered():
    with guests("--rate", "10Mb/s", "--rate-in", "20Mb/s") as (topology, daemon):
        daemon.drawbridge("network", "stop", "xenbr0")
        demand_limits(topology.host, "3.1", None, None)
        daemon.drawbridge("network", "start", "xenbr0", "--uplink", "eth0")
        demand_limits(topology.host, "3.1", 10 * MBIT, 20 * MBIT)
        daemon.stop()
        demand_limits(topology.host, "3.1", None, None)
        daemon.start()


@test("a restore without a daemon takes the limits along")
def restored():
    with guests("--rate", "10Mb/s", "--rate-in", "20Mb/s") as (topology, daemon):
        daemon.kill()
        daemon.restore()
        demand_limits(topology.host, "3.1", None, None)
        daemon.start()


YAML = """version: 1
networks:
  xenbr0: {{uplink: eth0, rate: {}, rate-in: 100Mb/s}}
vifs:
  vif4.0: {{rate-in: unlimited, rate: 5Mb/s}}
"""


@test("the configuration's limits hold for a network and for a vif, and a reload changes them live")
def by_configuration():
    with guests(configuration=YAML.format("50Mb/s"), suffix="yaml") as (topology, daemon):
        other = topology.add_guest("4.0")
        daemon.add_pair("vif4.0", other)
        demand_limits(topology.host, "3.1", 50 * MBIT, 100 * MBIT)
        demand_limits(topology.host, "4.0", 5 * MBIT, None)
        daemon.configure(YAML.format("60Mb/s"))
        daemon.drawbridge("daemon", "reload")
        demand_limits(topology.host, "3.1", 60 * MBIT, 100 * MBIT)
        daemon.configure(YAML.format("0Mb/s"))
        demand_error(daemon.drawbridge("daemon", "reload", check=False), "networks.xenbr0.rate", "0Mb/s")
        demand_limits(topology.host, "3.1", 60 * MBIT, 100 * MBIT)
        daemon.remove_vif("4.0")


# Measured.

class Flow:
    """One probe from a namespace to an address in another, for some seconds."""

    def __init__(self, kind, source, target, address, port, seconds=5, bits=0):
        self.receiver = target.start(PROBE, "receive", kind, address, str(port), str(seconds),
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        option = "-tl" if kind == "tcp" else "-ul"
        eventually(lambda: f":{port} " in target.run("ss", "-Hn", option).stdout, "the receiver does not listen")
        self.sender = source.start(PROBE, "send", kind, address, str(port), str(seconds + 1.5), str(bits),
                                   stdin=subprocess.DEVNULL)

    def demand(self, name, bits):
        output, _ = self.receiver.communicate(timeout=30)
        self.sender.wait(30)
        measured = json.loads(output)
        first, all_of_it = measured["first"] / bits, measured["all"] / bits
        print(f"  {name}: first second {first:.4f}, all {all_of_it:.4f} of {bits / MBIT:.0f} Mbit/s", flush=True)
        demand(abs(all_of_it - 1) <= 0.03, f"{name}: {all_of_it:.4f} of the rate over all")
        demand(abs(first - 1) <= 0.10, f"{name}: {first:.4f} of the rate over the first second")


@contextlib.contextmanager
def limited_guests(rates):
    """Guests that are limited to a rate each, in both directions."""
    with host() as (topology, daemon):
        for vif, bits in rates.items():
            guest = topology.add_guest(vif)
            daemon.add_pair(f"vif{vif}", guest, "--rate", f"{bits}b/s", "--rate-in", f"{bits}b/s")
            topology.address_guest(vif)
            guest.run("ping", "-c", "1", "-W", "5", ROUTER_IPV4)
        yield topology
        for vif in rates:
            daemon.remove_vif(vif)


@test("rates measured over TCP and UDP: within 3 % over 5 s and 10 % over the first second, both directions",
      alone=True)
def measured():
    rates = {"1.0": 10 * MBIT, "3.1": 100 * MBIT}
    with limited_guests(rates) as topology:
        router = topology.router
        for number, kind in enumerate(("tcp", "udp")):
            for outward in (True, False):
                flows = []
                for place, (vif, bits) in enumerate(rates.items()):
                    guest, port = topology.guests[vif], 7000 + 10 * number + 2 * place + outward
                    ends = (guest, router, ROUTER_IPV4) if outward else (router, guest, GUESTS_IPV4[vif])
                    flows.append((Flow(kind, *ends, port, bits=1.3 * bits), vif, bits))
                for flow, vif, bits in flows:
                    flow.demand(f"{kind} {'from' if outward else 'to'} {vif}", bits)


@test("a rate of 1 Gbit/s measured over TCP, both directions", alone=True)
def gigabit():
    if "DRAWBRIDGE_GIGABIT" not in os.environ:
        raise NotHere("it needs a machine with nothing else to do: set DRAWBRIDGE_GIGABIT")
    with limited_guests({"3.1": 1000 * MBIT}) as topology:
        guest, router = topology.guests["3.1"], topology.router
        Flow("tcp", guest, router, ROUTER_IPV4, 7100).demand("tcp from 3.1", 1000 * MBIT)
        Flow("tcp", router, guest, GUESTS_IPV4["3.1"], 7101).demand("tcp to 3.1", 1000 * MBIT)


def frame(source, target):
    """A datagram of a guest's to the router."""
    return f.ethernet(source.mac, target.mac, f.IPV4, f.ipv4(
        source.ipv4, target.ipv4, f.UDP, f.udp(source.ipv4, target.ipv4, 5000, 5000)))


def counter(namespace, device, source):
    """Has nft count what comes to a device from an address; returns how to ask for the count."""
    namespace.nft("table netdev witness { counter got { }; chain c { type filter hook ingress device %s priority 0; "
                  "ip saddr %s udp dport 5000 counter name got; }; }" % (device, source))

    def count():
        listed = json.loads(namespace.run("nft", "-j", "list", "counters").stdout)["nftables"]
        return next(entry["counter"]["packets"] for entry in listed if "counter" in entry)
    return count


def sent(namespace, data, number, device="eth0"):
    """Sends a frame so many times as fast as it goes, by a packet socket."""
    with packet_socket(namespace, device, listens=False) as out:
        for _ in range(number):
            out.send(data)


@test("packets a second: what is beyond a vif's limits is dropped and counted, both directions, by elements alone")
def packets():
    options = ("--mac", OWN.mac, "--ip", OWN.ipv4, "--rate-packets", "1/s@20s", "--rate-in-packets", "1/s@40s")
    with host(prepare=calm) as (topology, daemon):
        guest = topology.add_guest("1.0")
        daemon.add_pair("1.0", guest, *options)
        topology.address_guest("1.0")
        guest.ip("link", "set", "eth0", "address", OWN.mac)
        vif = daemon.json("vif", "show", "1.0")["vif"]
        demand((vif["ratePackets"], vif["rateInPackets"]) == ("1/s@20s", "1/s@40s"), vif)
        rules = topology.host.run("nft", "-a", "list", "table", "netdev", "drawbridge-rates").stdout
        demand(re.search('"vif1.0" limit rate over 1/second burst 20 packets', rules), rules)
        arrived = counter(topology.router, "lan0", OWN.ipv4)
        sent(guest, frame(OWN, ROUTER), 200)
        demand(10 <= arrived() <= 40, f"{arrived()} of 200 frames came from the guest at 20 and one a second")
        received = counter(guest, "eth0", ROUTER.ipv4)
        sent(topology.router, frame(ROUTER, OWN), 200, "lan0")
        demand(20 <= received() <= 70, f"{received()} of 200 frames came to the guest at 40 and one a second")
        shown = daemon.drawbridge("vif", "show", "1.0").stdout
        demand("beyond its rate-packets" in shown and "beyond its rate-in-packets" in shown, shown)

        # Changed live, by an element, and taken away.
        plan = daemon.json("vif", "set", "1.0", "--rate-packets", "100K/s", "--dry-run")["outcome"]["plan"]
        demand(plan == ["limit vif1.0: rate-packets 100K/s, rate-in-packets 1/s@40s"], plan)
        daemon.drawbridge("vif", "set", "1.0", "--rate-packets", "100K/s")
        before = arrived()
        sent(guest, frame(OWN, ROUTER), 200)
        demand(arrived() == before + 200, f"{arrived() - before} of 200 frames came")
        demand(not daemon.json("vif", "set", "1.0", "--rate-packets", "100K/s")["outcome"]["changed"], "it is changed")
        for key, text, cause in (("--rate-packets", "0/s", "zero"), ("--rate-in-packets", "10", "'10'"),
                                 ("--rate-packets", "11M/s", "too large"), ("--rate-packets", "5Mb/s", "'5Mb'")):
            with unchanged(topology.host):
                demand_error(daemon.drawbridge("vif", "set", "1.0", key, text, check=False), "ackets", cause)
        daemon.kill()
        listed = topology.host.run("nft", "list", "table", "netdev", "drawbridge-rates").stdout
        demand("limit rate over 100000/second" in listed, f"they went with the daemon: {listed}")
        daemon.start()
        vif = daemon.json("vif", "show", "1.0")["vif"]
        demand((vif["ratePackets"], vif["rateInPackets"]) == ("100K/s", "1/s@40s"), vif)
        daemon.drawbridge("vif", "set", "1.0", "--rate-packets", "unlimited", "--rate-in-packets", "unlimited")
        tables = topology.host.run("nft", "list", "tables").stdout
        demand("drawbridge-rates" not in tables, tables)
        daemon.remove_vif("1.0")


@test("limits of packets by a script and by the configuration, changed by a reload; what is wrong is refused")
def packets_by_configuration():
    text = ("version: 1\nnetworks:\n  xenbr0: {{uplink: eth0, rate-packets: {}, rate-in-packets: 20K/s}}\n"
            "vifs:\n  vif4.0: {{rate-packets: unlimited}}\n")
    with host(configuration=text.format("10K/s"), suffix="yaml") as (topology, daemon):
        topology.add_guest_with_device("3.0")
        topology.add_guest_with_device("4.0")

        def limits(vif):
            shown = daemon.json("vif", "show", vif)["vif"]
            return shown.get("ratePackets"), shown.get("rateInPackets")
        daemon.vif_bridge("online", "3.0", **{"bridge": "xenbr0", "rate-in-packets": "500/s@20ms"})
        daemon.vif_bridge("online", "4.0", bridge="xenbr0")
        demand(limits("3.0") == ("10K/s", "500/s@20ms"), limits("3.0"))
        demand(limits("4.0") == (None, "20K/s"), limits("4.0"))
        daemon.configure(text.format("30K/s"))
        daemon.drawbridge("daemon", "reload")
        demand(limits("3.0") == ("30K/s", "500/s@20ms"), limits("3.0"))
        listed = topology.host.run("nft", "list", "set", "netdev", "drawbridge-rates", "packets-from").stdout
        demand("limit rate over 30000/second burst 1500" in listed and "vif4.0" not in listed, listed)
        daemon.configure(text.format("0/s"))
        demand_error(daemon.drawbridge("daemon", "reload", check=False), "networks.xenbr0.rate-packets", "zero")
        with unchanged(topology.host):
            demand_error(daemon.vif_bridge("online", "3.0", check=False, **{"bridge": "xenbr0", "rate-packets": "x/s"}),
                         "rate-packets", "'x'")
        for vif in ("3.0", "4.0"):
            daemon.vif_bridge("offline", vif)
        demand("drawbridge-rates" not in topology.host.run("nft", "list", "tables").stdout, "the table is left behind")


@test("what others take out of the limits' table comes back at once, where others can change it, and is told")
def table_repaired():
    with guests("--rate", "10Mb/s", "--rate-packets", "5K/s") as (topology, daemon):
        for number, words in enumerate((("delete", "element", "netdev", "drawbridge-rates", "ways", "{", "vif3.1", "}"),
                                        ("flush", "ruleset"), ("delete", "table", "netdev", "drawbridge-rates"))):
            done = topology.host.run("nft", *words, check=False).returncode == 0

            def is_right():
                listed = topology.host.run("nft", "list", "ruleset").stdout
                return redirections(topology.host, "vif3.1") == ["ifb3.1"] and "limit rate over 5000/second" in listed
            eventually(is_right, f"not repaired after: {' '.join(words)}")
            if done and words[0] != "flush":
                eventually(lambda: open(daemon.log, errors="replace").read().count("rates-repaired") > number // 2,
                           "it is not told")
        topology.guests["3.1"].run("ping", "-c", "1", "-W", "2", ROUTER_IPV4)


@test("a limit holds from the first packet, whatever a guest sends before it is connected", alone=True)
def from_the_first():
    bits = 10 * MBIT
    with host() as (topology, daemon):
        guest = topology.add_guest_with_device("3.1", mac="00:16:3e:00:03:01")
        topology.address_guest("3.1")
        guest.ip("neighbour", "replace", ROUTER_IPV4, "lladdr", "02:00:00:00:01:01", "dev", "eth0")
        flow = Flow("udp", guest, topology.router, ROUTER_IPV4, 7200, bits=5 * bits)
        daemon.vif_bridge("online", "3.1", bridge="xenbr0", rate=f"{bits}b/s")
        flow.demand("udp from before the attach", bits)
        daemon.vif_bridge("offline", "3.1")
