"""The daemon's life: the uplink moved and given back, memory, start, recovery; and the command."""

import json
import time

from rig.traffic import CheckedStream, EchoWitness

from .bench import Host, processor_time, resident, wait_until
from .figures import row
from .tools import Command


@row("uplink-moved", "The uplink moved onto the bridge and given back: longest gap between replies to the router")
def uplink_moved(bench, result):
    lost, resets, pause = 0, 0, []
    with Host(bench, daemon=False) as host:
        router, namespace = host.topology.router, host.namespace
        for _ in range(bench.rounds(5)):
            stream = CheckedStream(namespace, router, "192.0.2.1")
            witness = EchoWitness(router, ["192.0.2.10", "2001:db8:1::10"])
            time.sleep(0.3)
            witness.mark("moved")
            host.daemon.start()
            time.sleep(0.2)
            witness.mark("back")
            host.daemon.stop()
            time.sleep(0.2)
            figures = witness.result()
            for ends in stream.result():
                resets += 1 if ends.get("problem") else 0
            for mark in ("moved", "back"):
                for one in figures[mark].values():
                    lost += one["lost"]
                    pause.append(one["pause"])
                    result.add("drawbridge", one["gap"])
                result.add("sender-alone", max(one["pause"] for one in figures[mark].values()))
            quiet = figures["before"]
            result.add("before", max(one["gap"] for one in quiet.values()))
        stock_network_bridge(bench, host, result)
    result.goal("at most 2 ms", result.median("drawbridge"), 2, "ms")
    result.goal("no packet lost", lost, 0)
    result.goal("no TCP reset", resets, 0)
    result.note("sender-alone is the longest time between two requests, and before the longest gap with nothing "
                "being changed: what the machine itself adds.")


STOCK_START = ["link set eth0 down", "address flush dev eth0", "link set eth0 name peth0",
               "link add eth0 type bridge forward_delay 0", "link set eth0 address 02:00:00:00:00:10",
               "link set peth0 master eth0", "link set peth0 up", "link set eth0 up",
               "address add 192.0.2.10/24 brd + dev eth0", "address add 2001:db8:1::10/64 dev eth0 nodad",
               "route add default via 192.0.2.1 dev eth0"]
STOCK_STOP = ["link set eth0 down", "link del eth0", "link set peth0 down", "link set peth0 name eth0",
              "link set eth0 up", "address add 192.0.2.10/24 brd + dev eth0",
              "address add 2001:db8:1::10/64 dev eth0 nodad", "route add default via 192.0.2.1 dev eth0"]


def stock_network_bridge(bench, host, result):
    """What xend's network-bridge does, by the same commands, one process each as there."""
    namespace = host.namespace
    for _ in range(bench.rounds(3)):
        witness = EchoWitness(host.topology.router, ["192.0.2.10"])
        time.sleep(0.3)
        for name, lines in (("moved", STOCK_START), ("back", STOCK_STOP)):
            witness.mark(name)
            for line in lines:
                namespace.ip(*line.split(), check=False)
            time.sleep(0.4)
        figures = witness.result()
        for name in ("moved", "back"):
            for one in figures[name].values():
                result.add("network-bridge", one["gap"])
    lost = sum(one["lost"] for name in ("moved", "back") for one in figures[name].values())
    result.note(f"network-bridge, by the equivalent ip commands, lost {lost} packets in the last round there and "
                "back, and forgets the second address, the other routes, rules, neighbours and settings.")


@row("memory", "Resident memory of the daemon", unit="MB")
def memory(bench, result):
    most = 10000 if bench.share >= 0.5 else 2000
    with bench.host() as host:
        result.add("idle", resident(host.process()))
        before = processor_time(host.process())
        time.sleep(5 if bench.share >= 0.5 else 2)
        idle = processor_time(host.process()) - before
        done = host.fill(980)
        result.add("1,000 vifs", resident(host.process()))
        host.fill(most - 980, first=done)
        result.add(f"{most:,} vifs", resident(host.process()))
    result.goal("idle under 12 MB", result.median("idle"), 12, "MB")
    result.goal("with 1,000 vifs under 20 MB", result.median("1,000 vifs"), 20, "MB")
    result.goal(f"with {most:,} vifs under 60 MB", result.median(f"{most:,} vifs"), 60, "MB")
    result.goal("no processor time in 5 s of doing nothing", idle, 0, "s")


@row("start", "Start to ready: with no vif, and with 1,000 to adopt")
def start(bench, result):
    with bench.host() as host:
        for _ in range(bench.rounds(5)):
            host.daemon.kill()
            result.add("no vif", begin(host))
        host.attach_together(1, 1000)
        for _ in range(bench.rounds(5)):
            host.daemon.drawbridge("daemon", "stop", "--keep-network")
            host.daemon.wait()
            result.add("drawbridge", begin(host))
    result.goal("under 100 ms", result.median("drawbridge"), 100, "ms")


def begin(host):
    """Milliseconds from starting the daemon to its word that it is ready."""
    before = time.monotonic()
    host.daemon.start()
    return (time.monotonic() - before) * 1000


@row("recovery", "Recovery: SIGKILL with 1,000 vifs, ten of them broken meanwhile, to all as it was")
def recovery(bench, result):
    with bench.host() as host:
        host.attach_together(1, 1000)
        for _ in range(bench.rounds(3)):
            host.daemon.kill()
            # What the daemon promises is broken meanwhile: some vifs leave the bridge, others go down.
            host.namespace.batch([f"link set vif{number}.0 {'nomaster' if number % 2 else 'down'}"
                                  for number in range(1, 11)])
            before = time.monotonic()
            host.daemon.start()
            wait_until(lambda: ports_up(host) >= 1000)
            result.add("drawbridge", (time.monotonic() - before) * 1000)
    result.goal("under 1 s", result.median("drawbridge"), 1000, "ms")


def ports_up(host):
    links = json.loads(host.namespace.ip("-j", "link", "show", "master", "xenbr0").stdout)
    return sum(1 for link in links if link["ifname"].startswith("vif") and "UP" in link["flags"])


@row("command", "The command: --help, and status with 1,000 vifs")
def command(bench, result):
    with bench.host() as host:
        host.attach_together(1, 1000)
        daemon = host.daemon
        helping = Command(daemon.product.command, "--help")
        status = Command(daemon.product.command, "status", "--socket", daemon.socket)
        nothing = Command("/bin/true")
        for _ in range(bench.rounds(30)):
            result.add("--help", host.stopwatch.time(helping))
            result.add("status", host.stopwatch.time(status))
            result.add("/bin/true", host.stopwatch.time(nothing))
    result.goal("--help under 5 ms", result.median("--help"), 5, "ms")
    result.goal("status under 30 ms", result.median("status"), 30, "ms")
