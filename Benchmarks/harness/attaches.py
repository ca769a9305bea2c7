"""Attaches: one as a process, through the API, a thousand at once, and the ten thousandth."""

import statistics
import time

from . import guests
from .bench import GROUP, PORTS
from .figures import row
from .peers import CNI, Netavark
from .tools import Command, Failed, figures, tool


@row("attach-process", "One attach as a process, its veth pair made: start to exit")
def attach_process(bench, result):
    with bench.host() as host:
        daemon = host.daemon
        script = bench.directory + "/attach"
        with open(script, "w") as file:
            file.write(f"""#!/bin/sh
# VIF PEER MAC FILE
nft -f "$4" || exit 1
ip -batch - <<END || exit 1
link add $1 address fe:ff:ff:ff:ff:ff master xenbr0 type veth peer name $2 address $3 netns {host.floor_guests.name}
link set $1 alias bench
link set $1 type bridge_slave guard on learning off
link set $1 up
END
exec bridge fdb replace $3 dev $1 master sticky static
""")
        cni, netavark = CNI(bench.directory), Netavark(bench.directory)

        def attach(name, number):
            if name == "ip-nft":
                with open(f"{script}-{number}", "w") as file:
                    file.write(guests.permit(f"i{number}", number) + "\n")
            return {
                "drawbridge": lambda: (host.stopwatch, Command(
                    daemon.product.command, "vif", "add", "--id", f"{number}.0", "--bridge", "xenbr0", "--netns",
                    host.guests.path, "--guest-name", f"g{number}", "--mac", guests.mac(number), "--ip",
                    guests.ipv4(number), "--ip", guests.ipv6(number), "--socket", daemon.socket)),
                "floor": lambda: (host.floor_stopwatch, Command(
                    tool("floor"), "attach", host.floor_guests.path, "xenbr0", GROUP, number, 1)),
                "ip-nft": lambda: (host.floor_stopwatch, Command(
                    "/bin/sh", script, f"i{number}", f"g{number}", guests.mac(number), f"{script}-{number}")),
                "cni-bridge": lambda: (host.floor_stopwatch, cni.command("ADD", host.floor_guests, f"c{number}")),
                "netavark": lambda: (host.floor_stopwatch, netavark.command(
                    "setup", host.floor_guests, f"n{number}", number)),
            }[name]()

        names = ["drawbridge", "floor", "ip-nft"]
        for name, package in (("cni-bridge", "containernetworking-plugins"), ("netavark", "netavark")):
            if package in bench.missing:
                result.lacks(name, bench.missing[package])
            else:
                names.append(name)
        number = 0
        for turn in range(bench.rounds(20) + 1):
            for name in names:
                number += 1
                if name in result.missing:
                    continue
                stopwatch, command = attach(name, number)
                try:
                    taken = stopwatch.time(command)
                except Failed as reason:
                    result.lacks(name, f"it does not run here: {reason}")
                    continue
                if turn:  # The first makes the bridge, and is not counted.
                    result.add(name, taken)
    result.note("drawbridge, floor and ip-nft leave the same filter; cni-bridge looks at hardware addresses, and netavark "
                "filters nothing and also gives an address, as it demands.")


@row("attach-api", "One attach through the daemon's API, its veth pair made")
def attach_api(bench, result):
    with bench.host() as host:
        domain, chunk = 1, 10
        host.attach(900, 5)
        host.floor_attach(900, 5)
        for _ in range(bench.rounds(20)):
            ours = host.attach(domain, chunk)
            theirs = host.floor_attach(domain, chunk)
            open_ = host.floor_attach(domain + 10000, chunk, "open")
            bare = host.floor_attach(domain + 20000, chunk, "bare")
            for name, values in (("drawbridge", ours), ("floor", theirs), ("floor-open", open_),
                                 ("floor-bare", bare)):
                for value in values:
                    result.add(name, value)
            domain += chunk
    result.goal("at most 1.15 times the floor", result.median("drawbridge") / result.median("floor"), 1.15,
                "times")
    result.note("floor-open leaves out the filter; floor-bare makes the pair, enslaves it and sets it up, and leaves it "
                "unmarked and unguarded besides.")


@row("thousand-attaches", "1,000 attaches in one batch")
def thousand_attaches(bench, result):
    thousand(bench, result, "attach")


@row("thousand-detaches", "1,000 detaches in one batch")
def thousand_detaches(bench, result):
    thousand(bench, result, "detach")


CACHE = {}


def thousand(bench, result, which):
    """Both rows come of one run."""
    if not CACHE:
        CACHE.update(attach=[], detach=[])
        for _ in range(bench.rounds(3)):
            with bench.host() as host:
                attach = host.attach_together(1, PORTS)
                floor = host.floor_attach(1, PORTS, verb="batch")[0]
                detach = host.detach_together(1, PORTS)
                regrouped = figures(host.floor, tool("floor"), "regroup", GROUP + 1, 1, PORTS)[0]
                CACHE["attach"].append((attach, floor))
                CACHE["detach"].append((detach, regrouped))
    for ours, floor in CACHE[which]:
        result.add("drawbridge", ours)
        result.add("floor", floor)
    result.goal("at most 1.1 times the floor", result.paired("drawbridge", "floor"), 1.1, "times")
    if which == "detach":
        result.note("The floor moves the 1,000 links into a group of their own, deletes that group, and takes the vifs out "
                    "of the filter 100 at a time.")


@row("ten-thousandth", "The 10,000th attach against the first", unit="ms")
def ten_thousandth(bench, result):
    count = 10000 if bench.share >= 0.5 else 2000
    with bench.host() as host:
        first = host.attach(1, 20)
        floor_first = host.floor_attach(1, 20)
        host.fill(count - 40, floor=True)
        host.more_bridges(len(host.bridges) + 1)  # An empty one: the first was attached to an empty one too.
        time.sleep(1)  # What the last batch left to do in the background is not this attach's.
        last = host.attach(50001, 20, host.bridges[-1])
        floor_last = host.floor_attach(50001, 20, bridge=host.bridges[-1])
        for name, values in (("drawbridge", last), ("drawbridge-first", first), ("floor", floor_last),
                             ("floor-first", floor_first)):
            for value in values:
                result.add(name, value)
    growth = statistics.median(last) / statistics.median(first)
    floor_growth = statistics.median(floor_last) / statistics.median(floor_first)
    result.goal(f"at most 1.2 times ({count:,} vifs)", growth, 1.2, "times")
    result.note(f"The floor's own {count:,}th attach takes {floor_growth:.2f} times its first.")
