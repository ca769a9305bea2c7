"""The hosts a benchmark run works on: one for the daemon and the peers, and one for the floor."""

import os
import time

from rig import product
from rig.namespaces import Namespace
from rig.topology import Topology

from . import peers
from .tools import SOURCES, Failed, Stopwatch, figures, tool

# A Linux bridge has at most 1023 ports (BR_MAX_PORTS in net/bridge/br_private.h), the uplink among them.
PORTS = 1000
GROUP = 70001


class Bench:
    """What the measurements share. `share` scales how often each is repeated."""

    def __init__(self, share, missing, log):
        self.share, self.missing, self.log = share, missing, log
        self.directory = os.path.join(product.scratch(), "bench")
        os.mkdir(self.directory)
        self.xen = peers.XenScripts() if "xen-utils-common" not in missing else None

    def rounds(self, number):
        return max(3, round(number * self.share))

    def host(self):
        return Host(self)


FILTER = os.path.join(SOURCES, "floor/filter.nft")


class Host:
    """A fresh host with the daemon up, and a second one of the same make, without a daemon, for the floor and the peers.

    The daemon of the first hears of all that happens there, and the second has nobody who listens: what the kernel
    spends on telling it is the daemon's to bear.
    """

    def __init__(self, bench, daemon=True, configuration=product.BRIDGED, suffix="sxp"):
        self.bench = bench
        self.topology = Topology()
        self.namespace = self.topology.host
        self.guests = guests()
        self.daemon = product.Daemon(self.namespace, configuration, suffix)
        if daemon:
            self.daemon.start()
        self.floor = Namespace("floor")
        self.floor.batch(["link add xenbr0 type bridge", "link set xenbr0 up",
                          "link add eth0 type veth peer name wire", "link set wire up",
                          "link set eth0 master xenbr0 up"])
        self.floor.run("nft", "-f", FILTER)
        self.floor_guests = guests()
        self.stopwatch = Stopwatch(self.namespace)
        self.floor_stopwatch = Stopwatch(self.floor)
        self.bridges = ["xenbr0"]
        self.filled = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopwatch.close()
        self.floor_stopwatch.close()
        if self.daemon.process and self.daemon.process.poll() is None:
            self.daemon.kill()
        # The guests' namespaces first: the pairs go with them, all in one step of the kernel's.
        for namespace in (self.guests, self.floor_guests, self.floor):
            namespace.remove()
        self.topology.remove()

    # Vifs that Drawbridge makes, and the floor's.

    def attach(self, domain, count, bridge="xenbr0", addresses=1):
        return figures(self.namespace, tool("client"), "attach", self.daemon.socket, self.guests.path, bridge,
                       domain, count, environment={**os.environ, "ADDRESSES": str(addresses)})

    def attach_together(self, domain, count, bridge="xenbr0", addresses=1):
        return figures(self.namespace, tool("client"), "batch", self.daemon.socket, self.guests.path, bridge,
                       domain, count, environment={**os.environ, "ADDRESSES": str(addresses)})[0]

    def detach(self, domain, count):
        return figures(self.namespace, tool("client"), "detach", self.daemon.socket, domain, count)

    def detach_together(self, domain, count):
        return figures(self.namespace, tool("client"), "detach-batch", self.daemon.socket, domain, count)[0]

    def floor_attach(self, domain, count, *options, verb="attach", bridge="xenbr0"):
        return figures(self.floor, tool("floor"), verb, self.floor_guests.path, bridge, GROUP, domain, count,
                       *options)

    def more_bridges(self, number):
        """Networks without an uplink, so that there is room for more than a bridge's ports."""
        for index in range(len(self.bridges), number):
            name = f"isolated{index}"
            self.daemon.drawbridge("network", "start", name, "--isolated")
            self.floor.batch([f"link add {name} type bridge", f"link set {name} up"])
            self.bridges.append(name)

    def fill(self, count, first=100000, floor=False, addresses=1):
        """Attaches many vifs to networks without an uplink, as many to each as fit with room left."""
        domain = first
        while count:
            bridge = next((name for name in self.bridges[1:] if self.filled.get(name, 0) < 980), None)
            if bridge is None:
                self.more_bridges(len(self.bridges) + 1)
                continue
            size = min(count, 490, 980 - self.filled.get(bridge, 0))
            self.attach_together(domain, size, bridge, addresses)
            if floor:
                self.floor_attach(domain, size, verb="batch", bridge=bridge)
            self.filled[bridge] = self.filled.get(bridge, 0) + size
            count, domain = count - size, domain + size
        return domain

    # Vifs that others make, as netback or QEMU would.

    def make_vifs(self, namespace, guests, first, count):
        namespace.batch([f"link add vif{number}.0 type veth peer name p{number} netns {guests.name}"
                         for number in range(first, first + count)])

    def process(self):
        return self.daemon.process.pid


def guests():
    """A namespace for the guests' ends, without IPv6 of its own: what a guest says by itself would be counted."""
    namespace = Namespace("guests")
    for which in ("all", "default"):
        namespace.sysctl(f"ipv6/conf/{which}/disable_ipv6", 1)
    return namespace


def resident(process):
    """The resident memory of a process, in MB; what it shares with others included."""
    with open(f"/proc/{process}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1000
    return None


def processor_time(process):
    """How long a process has been on a processor, in seconds."""
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until(condition, limit=30):
    """Milliseconds until the condition holds."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > limit:
            raise Failed("it did not come about")
        time.sleep(0.001)
    return (time.monotonic() - begin) * 1000
