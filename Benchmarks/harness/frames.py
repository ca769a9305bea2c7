"""Frames per second through the bridge, with the filter and beside what others filter with."""

import json
import statistics
import subprocess

from rig.namespaces import Namespace

from . import guests
from .bench import GROUP, Host
from .bench import guests as guests_namespace
from .figures import row
from .peers import Libvirt
from .tools import Failed, TookTooLong, figures, said, tool

MILLISECONDS = 120
PAIRS = 32  # Guests that send, spread over all of them, where there are as many.


def layers(bench):
    """What stands in a frame's way with the product as it is, as `nft` and `bridge` tell it."""
    with bench.host() as host:
        host.attach(1, 1)
        found = []
        objects = json.loads(host.namespace.run("nft", "-j", "list", "tables").stdout)["nftables"]
        if any(one.get("table", {}).get("name") == "drawbridge" for one in objects):
            text = host.namespace.run("nft", "list", "table", "netdev", "drawbridge").stdout
            rules = json.loads(host.namespace.run("nft", "-j", "list", "table", "netdev", "drawbridge").stdout)
            number = sum(1 for one in rules["nftables"] if "rule" in one)
            hooked = any("hook ingress" in line and "vif1.0" in line for line in text.splitlines())
            own = f'"vif1.0" . {guests.mac(1)} . {guests.ipv4(1)}' in text and f'"vif1.0" . {guests.mac(1)} ' in text
            if hooked and own:
                found.append(f"anti-spoofing of Ethernet, ARP, IPv4, IPv6 and neighbour discovery (table netdev drawbridge, "
                             f"{number} rules, the vif in its chain)")
        found = found or ["no anti-spoofing"]
        port = host.namespace.run("bridge", "-d", "link", "show", "dev", "vif1.0").stdout
        entry = host.namespace.run("bridge", "fdb", "show", "dev", "vif1.0").stdout
        if "guard on" in port:
            found.append("bridge port guard")
        if "learning off" in port and "sticky" in entry:
            found.append("a lasting entry of the bridge in place of learning")
        return found


def pump(namespace, pairs, family=4):
    """Thousands of frames that arrived for a second of a processor: what else the machine does is not counted."""
    words = [f"{sender}:{receiver}" for sender, receiver in pairs]
    sent, arrived, _, busy = map(int, namespace.run(
        tool("pump"), MILLISECONDS, family, *words, timeout=60).stdout.split())
    if arrived < sent * 0.2:
        raise Failed(f"{arrived} of {sent} frames arrived")
    return arrived * 1e6 / busy


class Filled:
    """A bridge host that gets more and more vifs, on as many bridges as that takes, and what is sent between them."""

    def __init__(self, attach, namespace):
        self.attach, self.namespace, self.domains = attach, namespace, []

    def grow(self, count):
        """Attaches until there are `count` vifs; vifs that are neighbours here are on one bridge."""
        missing = count - len(self.domains)
        new = self.attach(missing) if missing > 0 else []
        self.namespace.batch([f"link set g{domain} up" for domain in new])
        self.domains += new

    def pairs(self):
        """Who sends to whom: a pair of neighbours in every part of what there is."""
        number = max(1, min(PAIRS, len(self.domains) // 2))
        step = len(self.domains) // 2 / number
        places = [int(index * step) * 2 for index in range(number)]
        return [(self.domains[place], self.domains[place + 1]) for place in places]


def by_daemon(host):
    """Attaches through the daemon's API, an even number at a time to a bridge."""
    state = {"next": 1}

    def attach(count):
        first = state["next"]
        state["next"] = host.fill(count, first)
        return list(range(first, first + count))
    return attach


def by_floor(host):
    """The same vifs on the host without a daemon, not filtered."""
    state = {"next": 1, "bridge": None, "room": 0, "bridges": 0}

    def attach(count):
        first = state["next"]
        while count:
            if not state["room"]:
                state["bridges"] += 1
                name = f"plain{state['bridges']}"
                host.floor.batch([f"link add {name} type bridge", f"link set {name} up"])
                state["bridge"], state["room"] = name, 980
            size = min(count, 490, state["room"])
            host.floor_attach(state["next"], size, "open", verb="batch", bridge=state["bridge"])
            state["next"] += size
            state["room"] -= size
            count -= size
        return list(range(first, state["next"]))
    return attach


# What others filter with, as text for a program that loads it. The guests that send are in the middle of the others;
# the devices of the others need not be there, since rules go by name.

def names(count):
    others = [(f"vif{number}.0", number) for number in range(200001, 200001 + count - 2)]
    middle = len(others) // 2
    return others[:middle] + [("vif1.0", 1), ("vif2.0", 2)] + others[middle:]


def xen_iptables(count):
    """The rules of Xen's vif-common.sh for guests with one address each, where FORWARD drops by default."""
    lines = ["*filter", ":INPUT ACCEPT [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]"]
    for name, domain in names(count):
        said = "-A FORWARD -m physdev --physdev-is-bridged"
        lines += [f"{said} --physdev-out {name} -j ACCEPT",
                  f"{said} --physdev-in {name} -p udp --sport 68 --dport 67 -j ACCEPT",
                  f"{said} --physdev-out {name} -j ACCEPT",
                  f"{said} --physdev-in {name} -s {guests.ipv4(domain)} -j ACCEPT"]
    return ["iptables-restore"], "\n".join([*lines, "COMMIT", ""])


CHECKS = """ether saddr != {mac} drop
		ether type arp arp saddr ether != {mac} drop
		ether type arp arp saddr ip != {ipv4} drop
		ether type ip ip saddr != {ipv4} drop
		ether type ip6 ip6 saddr != {ipv6} drop"""


def checks(domain):
    return CHECKS.format(mac=guests.mac(domain), ipv4=guests.ipv4(domain), ipv6=guests.ipv6(domain))


def chain_per_guest(count):
    """A base chain for every guest at the bridge's hook, as Incus makes them."""
    if count > 1000:
        raise Failed("the kernel takes no more than 1,024 base chains at a hook")
    chains = "".join(f"\tchain in.{name} {{ type filter hook prerouting priority -200; policy accept;\n"
                     f"\t\tiifname != \"{name}\" return\n\t\t{checks(domain)}\n\t}}\n" for name, domain in names(count))
    return ["nft", "-f", "-"], f"table bridge bench {{\n{chains}}}\n"


def linear_jumps(count):
    """One base chain that compares the guest's name with every other's, as CNI's macspoofchk and ebtables do."""
    chains = "".join(f"\tchain guest{domain} {{\n\t\t{checks(domain)}\n\t\taccept\n\t}}\n" for name, domain in names(count))
    jumps = "".join(f"\t\tiifname \"{name}\" jump guest{domain}\n" for name, domain in names(count))
    return ["nft", "-f", "-"], (f"table bridge bench {{\n{chains}\tchain every {{\n\t\ttype filter hook prerouting "
                                f"priority -300; policy accept;\n{jumps}\t}}\n}}\n")


PEERS = {"xen-iptables": xen_iptables, "chain-per-guest": chain_per_guest, "linear-jumps": linear_jumps}


class Small:
    """A bridge with two guests, and somebody's rules for many."""

    def __init__(self, calls_iptables):
        self.namespace, self.guests = Namespace("peer"), guests_namespace()
        self.namespace.batch(["link add xenbr0 type bridge", "link set xenbr0 up"])
        self.namespace.sysctl("bridge/bridge-nf-call-iptables", int(calls_iptables))
        figures(self.namespace, tool("floor"), "batch", self.guests.path, "xenbr0", GROUP, 1, 2, "open")
        self.guests.batch(["link set g1 up", "link set g2 up"])

    def load(self, command, text):
        self.namespace.run("nft", "flush", "ruleset")
        self.namespace.run(*command, input=text, timeout=100)

    def remove(self):
        self.guests.remove()
        self.namespace.remove()


@row("frames", "Frames through the bridge from guest to guest, by the number of vifs", unit="thousand a second of a processor")
def frames(bench, result):
    whole = bench.share >= 0.5
    counts = [2, 10, 100, 1000, 10000] if whole else [2, 100, 2000]
    matrix = {}

    def add(name, count, value):
        matrix.setdefault(name, {}).setdefault(count, []).append(value)

    small = {}
    with Host(bench) as host:
        try:
            for namespace in (host.namespace, host.floor):
                namespace.sysctl("bridge/bridge-nf-call-iptables", 0)
            large = {"drawbridge": Filled(by_daemon(host), host.guests),
                     "no-filter": Filled(by_floor(host), host.floor_guests)}
            small = {name: Small(name == "xen-iptables") for name in PEERS}
            for count in counts:
                for filled in large.values():
                    filled.grow(count)
                living = {}
                for name, rules in PEERS.items():
                    try:
                        small[name].load(*rules(count))
                        living[name] = small[name]
                    except (Failed, AssertionError, subprocess.TimeoutExpired) as reason:
                        result.note(f"{name}, {count:,} vifs: not to be had: {said(reason)}")
                for _ in range(bench.rounds(12)):
                    for name, filled in large.items():
                        add(name, count, pump(filled.namespace, filled.pairs()))
                    for name, peer in living.items():
                        add(name, count, pump(peer.guests, [(1, 2)]))
            for _ in range(bench.rounds(12)):
                for name, filled in large.items():
                    add(name + "-ipv6", counts[-1], pump(filled.namespace, filled.pairs(), 6))
        except TookTooLong as failure:  # What was measured by then stands.
            result.note(f"given up: {failure}")
        finally:
            for peer in small.values():
                peer.remove()
    libvirt(bench, result, add)
    result.matrix("vifs", counts, matrix)
    goals(result, [count for count in counts if count in matrix["no-filter"]], matrix)


def goals(result, counts, matrix):
    """The goals: next to no filter at every number, and flat."""
    ours, plain = matrix["drawbridge"], matrix["no-filter"]
    for count in counts:
        share = statistics.median(a / b for a, b in zip(ours[count], plain[count]))
        result.goal(f"{count:,} vifs: at least 0.95 of no filter", share, 0.95, "times", at_least=True)
    most = counts[-1]
    if "no-filter-ipv6" in matrix:
        pairs = zip(matrix["drawbridge-ipv6"][most], matrix["no-filter-ipv6"][most])
        result.goal(f"{most:,} vifs, IPv6: at least 0.95 of no filter", statistics.median(a / b for a, b in pairs), 0.95,
                    "times", at_least=True)

    def kept(figures):
        return statistics.median(figures[most]) / statistics.median(figures[counts[0]])
    result.goal(f"flat: with {most:,} vifs at least 0.95 of what no filter keeps of its own with {counts[0]} vifs",
                kept(ours) / kept(plain), 0.95, "times", at_least=True)
    result.note(f"A processor sends, filters, forwards and receives. With {most:,} vifs {PAIRS} guests send in turn, each to "
                "a neighbour; behind the others' rules one guest, in the middle of them, which favours these.")


def libvirt(bench, result, add):
    """libvirt's clean-traffic as libvirtd makes it. It takes about a second a vif, so that more than ten are not waited
    for."""
    reason = Libvirt.missing(bench.missing)
    if reason:
        result.lacks("libvirt-nwfilter", reason)
        return
    small = Small(False)
    try:
        daemon = Libvirt(bench.directory, small.namespace)
        try:
            figures(small.namespace, tool("floor"), "batch", small.guests.path, "xenbr0", GROUP, 3, 8, "open")
            for count in (2, 10):
                for domain in range(1 if count == 2 else 3, count + 1):
                    command = daemon.command("online", f"vif{domain}.0", guests.mac(domain), guests.ipv4(domain))
                    small.namespace.run(*command.arguments)
                for _ in range(bench.rounds(12)):
                    add("libvirt-nwfilter", count, pump(small.guests, [(1, 2)]))
        finally:
            daemon.close()
    except (Failed, AssertionError, subprocess.TimeoutExpired) as failure:
        result.lacks("libvirt-nwfilter", said(failure))
    finally:
        small.remove()
