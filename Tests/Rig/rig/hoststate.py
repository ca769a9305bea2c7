"""What a host's network configuration is, as other people's programs tell it, and how two of them differ.

`collect` runs inside the host's network namespace and gathers everything that counts as the host's
configuration. `compare` puts two of these side by side after masking exactly what `MASKS` lists, and
returns the differences as lines that a person reads; an empty list means equal.
"""

import collections
import fnmatch
import json
import os
import re
import subprocess
import time

LIFETIME_TOLERANCE = 2.0

MASKS = [
    ("counters", "packet and byte counters of nftables rules and objects; hits of routes and neighbours"),
    ("lifetimes", "the remaining lifetimes of addresses and routes, when the later one is within "
     f"{LIFETIME_TOLERANCE:g} s of the earlier one less the time that passed; what expired meanwhile"),
    ("neighbours", "neighbours that are not permanent: the kernel learns and forgets them by itself"),
    ("timers", "running timers of bridges and their ports, and of multicast groups with the mark of who "
     "reported last (settings, groups and their users count)"),
    ("kernel order", "the order of what the kernel keeps in hash tables: neighbours, multicast groups, "
     "forwarding entries, routes to different destinations, and the kernel's own routes of different devices "
     "(the order of addresses, of rules, and of other routes to one destination counts)"),
    ("new numbers", "the index of a device, and the number of an nftables table, that was deleted and "
     "made again between the two looks (a device that was there throughout keeps its index)"),
    ("guests' devices", "devices of guests, and what the kernel lists for them, where the comparison is told "
     "their names: they belong to the guests and are kept"),
]

SECTIONS = {
    "link": "ip -d -j link",
    "address": "ip -d -j address",
    "route": "ip -d -j -4|-6 route show table all",
    "rule": "ip -d -j -4|-6 rule",
    "nexthop": "ip -d -j nexthop",
    "neighbour": "ip -d -j neighbour show nud permanent, … show proxy",
    "netconf": "ip -d -j -4|-6 netconf",
    "nftables": "nft -j list ruleset; Drawbridge's own table as text",
    "qdisc": "tc -j qdisc show",
    "filter": "tc -j filter show dev … (root, ingress, egress)",
    "class": "tc -j class show dev …",
    "forwarding": "bridge -d -j fdb show, bridge -d -j vlan show",
    "port": "bridge -d -j link show",
    "feature": "ethtool -k",
    "multicast": "/proc/net/dev_mcast, igmp, igmp6, mcfilter, mcfilter6",
    "sysctl": "/proc/sys/net/{ipv4,ipv6,bridge}, with the whole conf and neigh tree of every device",
}


def masks_text():
    """The list of what is masked, as docs and demo print it."""
    lines = []
    for name, meaning in MASKS:
        lines.append(f"  {name + ':':17}{meaning}")
    return "\n".join(lines)


# Collecting.

def _output(*command):
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {result.returncode}: {result.stderr.strip()}")
    return result.stdout


def _json(*command):
    text = _output(*command).strip()
    return json.loads(text) if text else []


def _where_supported(*command):
    """As `_json`, but nothing where the kernel was built without the feature (VLAN filtering)."""
    try:
        return _json(*command)
    except RuntimeError as error:
        if "not supported" not in str(error):
            raise
        return []


def _read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read().rstrip("\n")
    except OSError as error:
        return f"<{error.strerror}>"


def collect():
    """Everything that counts as the configuration of the network namespace this runs in."""
    state = {"time": time.clock_gettime(time.CLOCK_BOOTTIME)}
    state["link"] = _json("ip", "-d", "-j", "link", "show")
    devices = [link["ifname"] for link in state["link"]]
    state["address"] = _json("ip", "-d", "-j", "address", "show")
    for name in ("route", "rule", "netconf"):
        state[name] = {}
        for family in ("-4", "-6"):
            tail = {"route": ["show", "table", "all"], "rule": ["show"], "netconf": ["show"]}[name]
            state[name][family] = _json("ip", family, "-d", "-j", name, *tail)
    state["nexthop"] = _json("ip", "-d", "-j", "nexthop", "show")
    state["neighbour"] = _json("ip", "-d", "-j", "neighbour", "show", "nud", "permanent")
    state["neighbour"] += [dict(entry, proxy=True)
                           for family in ("-4", "-6")
                           for entry in _json("ip", family, "-d", "-j", "neighbour", "show", "proxy")]
    state["nftables"] = _ruleset()
    state["qdisc"] = _json("tc", "-j", "qdisc", "show")
    state["filter"] = {}
    state["class"] = {}
    shaped = {entry["dev"] for entry in state["qdisc"] if entry["kind"] != "noqueue"}
    for device in devices:
        if device not in shaped:
            continue
        for where in (["root"], ["ingress"], ["egress"]):
            try:
                entries = _json("tc", "-j", "filter", "show", "dev", device, *where)
            except (RuntimeError, json.JSONDecodeError):
                continue
            state["filter"][f"{device} {where[0]}"] = entries
        state["class"][device] = _output("tc", "class", "show", "dev", device).splitlines()
    state["forwarding"] = (
        [dict(entry, list="fdb") for entry in _json("bridge", "-d", "-j", "fdb", "show")]
        + [dict(entry, list="vlan") for entry in _where_supported("bridge", "-d", "-j", "vlan", "show")])
    state["port"] = _json("bridge", "-d", "-j", "link", "show")
    state["feature"] = {device: _output("ethtool", "-k", device).splitlines()[1:] for device in devices}
    state["multicast"] = {name: _read(f"/proc/net/{name}")
                          for name in ("dev_mcast", "igmp", "igmp6", "mcfilter", "mcfilter6")}
    state["sysctl"] = _sysctls()
    return state


def _ruleset():
    """The nftables. Where a table has a flag that nft does not know (`persist`, for nft 1.0.6), its JSON is broken or
    wrong, so that table is taken as text."""
    tables = [line.split()[1:] for line in _output("nft", "list", "tables").splitlines()]
    if ["netdev", "drawbridge"] not in tables:
        return json.loads(_output("nft", "-j", "list", "ruleset"))["nftables"]
    entries = []
    for family, name in tables:
        if (family, name) == ("netdev", "drawbridge"):
            entries += [{"text": {"family": family, "table": name, "name": piece}} for piece in _pieces(family, name)]
        else:
            entries += json.loads(_output("nft", "-j", "list", "table", family, name))["nftables"]
    return entries


def _pieces(family, name):
    """A table's lines and elements, sorted, without its counters and without what says whether its owner runs."""
    text = re.sub(r"counter packets \d+ bytes \d+", "counter", _output("nft", "list", "table", family, name))
    text = re.sub(r"^\tflags.*\n| # progname.*$", "", text, flags=re.MULTILINE)
    pieces = re.split(r",\s*|\n|elements = {| }$", text, flags=re.MULTILINE)
    return sorted(piece.strip() for piece in pieces if piece.strip())


def _sysctls():
    values = {}
    for top in ("ipv4", "ipv6", "bridge"):
        for folder, _, files in os.walk(f"/proc/sys/net/{top}"):
            for name in files:
                # The kernel itself makes the key up when a program first listens with fast open (tcp_fastopen.c).
                if name == "tcp_fastopen_key":
                    continue
                path = os.path.join(folder, name)
                if os.stat(path).st_mode & 0o444:
                    values[os.path.relpath(path, "/proc/sys/net")] = _read(path)
    return values


# Comparing.

class _Comparison:
    def __init__(self, before, after, guests):
        self.before = before
        self.after = after
        self.guests = guests
        self.elapsed = after["time"] - before["time"]
        self.lines = []

    def is_guest(self, device):
        return any(fnmatch.fnmatchcase(device or "", pattern) for pattern in self.guests)

    def say(self, section, text):
        self.lines.append(f"{section}: {text}")


def compare(before, after, guests=()):
    """The differences of two states as readable lines; `guests` are patterns of guests' devices."""
    comparison = _Comparison(before, after, guests)
    _links(comparison)
    for section, render in (
            ("address", _addresses), ("route", _routes), ("rule", _rules), ("nexthop", _nexthops),
            ("neighbour", _neighbours), ("netconf", _netconf), ("nftables", _nftables),
            ("qdisc", _qdiscs), ("filter", _filters), ("class", _classes), ("forwarding", _forwarding),
            ("port", _ports), ("feature", _features), ("multicast", _multicast), ("sysctl", _sysctl_items)):
        _items(comparison, section, render(comparison, before), render(comparison, after))
    return comparison.lines


def _links(comparison):
    def items(state):
        return [(link["ifname"], _without_timers(link)) for link in state["link"]
                if not comparison.is_guest(link["ifname"])]

    before, after = items(comparison.before), items(comparison.after)
    # A device that exists under the same name with another index was deleted and made again.
    numbers = {name: link["ifindex"] for name, link in before}
    kinds = {name: link.get("linkinfo", {}).get("info_kind") for name, link in before}
    for name, link in after:
        remade = name in numbers and link["ifindex"] != numbers[name]
        virtual = kinds.get(name) in ("bridge", "vlan", "macvlan", "vxlan", "dummy", "ifb", "tun")
        if remade and virtual:
            link["ifindex"] = numbers[name]
    _items(comparison, "link", before, after)


def _items(comparison, section, before, after):
    """Compares two ordered lists of (identity, fields); identities that repeat are told apart by position."""
    before, after = _numbered(before), _numbered(after)
    first, second = dict(before), dict(after)
    for identity, fields in before:
        if identity not in second:
            if not _has_expired(fields, comparison.elapsed):
                comparison.say(section, f"- {identity}  {_text(fields)}")
    for identity, fields in after:
        if identity not in first:
            comparison.say(section, f"+ {identity}  {_text(fields)}")
    for identity, fields in before:
        if identity in second:
            for change in _changes(fields, second[identity], comparison.elapsed):
                comparison.say(section, f"~ {identity}: {change}")
    common_before = [identity for identity, _ in before if identity in second]
    common_after = [identity for identity, _ in after if identity in first]
    if common_before != common_after:
        moved = [identity for identity, other in zip(common_before, common_after) if identity != other]
        comparison.say(section, "order changed: " + ", ".join(map(str, moved[:6])) + " became "
                       + ", ".join(str(other) for identity, other in zip(common_before, common_after)
                                   if identity != other))


def _numbered(items):
    seen = collections.Counter()
    result = []
    for identity, fields in items:
        seen[identity] += 1
        result.append((identity if seen[identity] == 1 else f"{identity} (#{seen[identity]})", fields))
    return result


_LIFETIMES = ("valid_life_time", "preferred_life_time", "expires")
_FOREVER = 4294967295


def _has_expired(fields, elapsed):
    if not isinstance(fields, dict):
        return False
    left = fields.get("valid_life_time", fields.get("expires", _FOREVER))
    return left != _FOREVER and left < elapsed + LIFETIME_TOLERANCE


def _changes(before, after, elapsed, path=""):
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            where = f"{path}.{key}" if path else key
            if key not in after:
                yield f"{where} {_text(before[key])} is gone"
            elif key not in before:
                yield f"{where} {_text(after[key])} is new"
            elif key in _LIFETIMES and _FOREVER not in (before[key], after[key]):
                expected = max(0, before[key] - elapsed)
                if abs(after[key] - expected) > LIFETIME_TOLERANCE:
                    yield f"{where} is {after[key]}, expected {expected:.0f}"
            else:
                yield from _changes(before[key], after[key], elapsed, where)
    elif before != after:
        yield f"{path + ' ' if path else ''}{_text(before)} → {_text(after)}"


def _text(value):
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return " ".join(f"{key}={_text(item)}" for key, item in value.items())
    return json.dumps(value, separators=(",", ":"))


# One function a section: the list of (identity, fields) that it consists of.

def _addresses(comparison, state):
    items = []
    for link in state["address"]:
        if comparison.is_guest(link["ifname"]):
            continue
        for address in link["addr_info"]:
            items.append((f"{link['ifname']} {address['local']}/{address['prefixlen']}", address))
    return items


def _routes(comparison, state):
    items = []
    for family, routes in state["route"].items():
        for route in routes:
            devices = [route.get("dev")] + [hop.get("dev") for hop in route.get("nexthops", [])]
            if any(comparison.is_guest(device) for device in devices):
                continue
            identity = (f"IPv{family[1]} {route.get('type', 'unicast')} {route['dst']}"
                        f" table {route.get('table', 'main')} metric {route.get('metric', 0)}")
            if route.get("protocol") == "kernel":
                identity += f" dev {route.get('dev')}"
            if "tos" in route:
                identity += f" tos {route['tos']}"
            items.append((identity, route))
    # Between destinations the kernel's order says nothing; within one the order decides.
    return sorted(items, key=lambda item: item[0])


def _rules(comparison, state):
    return [(f"IPv{family[1]} {rule['priority']} from {rule.get('src')}", rule)
            for family, rules in state["rule"].items() for rule in rules]


def _nexthops(comparison, state):
    items = [(str(entry["id"]), entry) for entry in state["nexthop"] if not comparison.is_guest(entry.get("dev"))]
    return sorted(items, key=lambda item: int(item[0]))


def _neighbours(comparison, state):
    items = []
    for entry in state["neighbour"]:
        if comparison.is_guest(entry.get("dev")):
            continue
        kind = "proxy " if entry.get("proxy") else ""
        items.append((f"{kind}{entry['dst']} on {entry.get('dev')}", _without(entry, "used", "confirmed", "updated")))
    return sorted(items, key=lambda item: item[0])


def _netconf(comparison, state):
    items = [(f"IPv{family[1]} {entry['interface']}", entry)
             for family, entries in state["netconf"].items() for entry in entries
             if not comparison.is_guest(entry["interface"])]
    return sorted(items, key=lambda item: item[0])


_TIMERS = ("hello_timer", "tcn_timer", "topology_change_timer", "gc_timer",
           "message_age_timer", "forward_delay_timer", "hold_timer")


def _without_timers(link):
    copy = dict(link)
    if "linkinfo" in copy:
        copy["linkinfo"] = {key: _without(value, *_TIMERS) if isinstance(value, dict) else value
                            for key, value in copy["linkinfo"].items()}
    return copy


def _without(fields, *keys):
    return {key: value for key, value in fields.items() if key not in keys}


def _nftables(comparison, state):
    items = []
    for entry in state["nftables"]:
        (kind, value), = entry.items()
        if kind == "metainfo":
            continue
        value = _without_counters(value)
        table = value.get("table", value.get("name"))
        identity = f"{kind} {value.get('family')} {table}"
        if kind == "table":
            value = _without(value, "handle")
        elif kind == "rule":
            identity += f" {value['chain']} handle {value['handle']}"
        else:
            identity += f" {value.get('name')}"
        items.append((identity, value))
    return items


def _without_counters(value):
    if isinstance(value, dict):
        copy = {key: _without_counters(item) for key, item in value.items()}
        if {"packets", "bytes"} <= set(copy):
            copy = _without(copy, "packets", "bytes")
        return copy
    if isinstance(value, list):
        return [_without_counters(item) for item in value]
    return value


def _qdiscs(comparison, state):
    return [(f"{entry.get('dev')} {entry.get('parent', 'root')}", entry) for entry in state["qdisc"]
            if not comparison.is_guest(entry.get("dev"))]


def _filters(comparison, state):
    return [(place, entry) for place, entries in state["filter"].items() for entry in entries
            if not comparison.is_guest(place.split()[0])]


def _classes(comparison, state):
    return [(device, line) for device, lines in state["class"].items() for line in lines
            if not comparison.is_guest(device)]


def _forwarding(comparison, state):
    items = []
    for entry in state["forwarding"]:
        device = entry.get("ifname")
        if comparison.is_guest(device):
            continue
        entry = _without(entry, "used", "updated")
        if entry["list"] == "fdb" and entry.get("state") != "permanent":
            continue
        items.append((f"{device} {entry['list']} {entry.get('mac', '')} {entry.get('vlan', '')}".rstrip(), entry))
    return sorted(items, key=lambda item: item[0])


def _ports(comparison, state):
    return [(entry["ifname"], entry) for entry in state["port"] if not comparison.is_guest(entry["ifname"])]


def _features(comparison, state):
    items = []
    for device, lines in state["feature"].items():
        if not comparison.is_guest(device):
            for line in lines:
                name, _, value = line.strip().partition(": ")
                items.append((f"{device} {name}", value))
    return items


_IGMP6_VOLATILE = 0x01 | 0x02  # MAF_TIMER_RUNNING, MAF_LAST_REPORTER (linux/igmp6, include/net/if_inet6.h)


def _multicast(comparison, state):
    items = []
    texts = state["multicast"]
    for line in texts["dev_mcast"].splitlines():
        index, device, users, global_users, address = line.split()
        items.append((f"{device} link {address}", {"users": users, "global": global_users}))
    device = None
    for line in texts["igmp"].splitlines()[1:]:
        words = line.split()
        if not line.startswith("\t\t"):
            device = words[1]
        else:
            items.append((f"{device} IPv4 {words[0]}", {"users": words[1]}))
    for line in texts["igmp6"].splitlines():
        index, device, group, users, flags, timer = line.split()
        items.append((f"{device} IPv6 {group}", {"users": users, "flags": int(flags, 16) & ~_IGMP6_VOLATILE}))
    for name in ("mcfilter", "mcfilter6"):
        for line in texts[name].splitlines()[1:]:
            words = line.split()
            items.append((f"{words[1]} {name} {words[2]} {words[3]}", {"filter": words[4:]}))
    items = [item for item in items if not comparison.is_guest(item[0].split()[0])]
    return sorted(items, key=lambda item: item[0])


def _sysctl_items(comparison, state):
    items = []
    for path, value in sorted(state["sysctl"].items()):
        match = re.fullmatch(r"ipv[46]/(?:conf|neigh)/(.+)/[^/]+", path)
        if not (match and comparison.is_guest(match[1])):
            items.append((path, value))
    return items
