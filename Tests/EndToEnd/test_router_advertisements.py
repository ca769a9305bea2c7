"""What the kernel makes of router advertisements goes along with the uplink, and groups are reported again."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from rig.cases import NotHere, demand, host, ports, test

NO_NETWORK = "(network-script)\n(vif-script vif-bridge)\n"
PREFIX = "2001:db8:5:"

RADVD = """\
interface lan0 {
    AdvSendAdvert on;
    MinRtrAdvInterval 3; MaxRtrAdvInterval 4;
    AdvDefaultLifetime 60;
    prefix 2001:db8:5::/64 { AdvOnLink on; AdvAutonomous on; AdvValidLifetime 120; AdvPreferredLifetime 60; };
    route 2001:db8:66::/48 { AdvRouteLifetime 90; };
};
"""


def eventually(what, condition, seconds=8):
    """Waits, a bounded time, until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        demand(time.monotonic() < deadline, f"{what}: not within {seconds} s")
        time.sleep(0.05)


@contextlib.contextmanager
def advertising(topology):
    """radvd on the router's side of the uplink, while the body runs."""
    if not shutil.which("radvd"):
        raise NotHere("radvd")
    with tempfile.TemporaryDirectory(prefix="drawbridge-radvd") as directory:
        configuration = os.path.join(directory, "radvd.conf")
        with open(configuration, "w", encoding="ascii") as file:
            file.write(RADVD)
        process = topology.router.start(
            "radvd", "--nodaemon", "--logmethod", "stderr", "--config", configuration,
            "--pidfile", os.path.join(directory, "radvd.pid"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def made_by_advertisements(namespace, device):
    """The prefixes of the addresses and the routes, with their gateways, that advertisements made on a device."""
    entries = namespace.json("-6", "address", "show", "dev", device)
    addresses = {address["local"] for entry in entries for address in entry["addr_info"]
                 if address.get("protocol") == "kernel_ra" or address["local"].startswith(PREFIX)}
    routes = {(route["dst"], route.get("gateway")) for route in namespace.json("-6", "route", "show", "dev", device)
              if route.get("protocol") == "ra"
              or (route.get("protocol") == "kernel" and route["dst"].startswith(PREFIX))}
    return addresses, routes


def accept(topology):
    topology.host.sysctl("ipv6/conf/eth0/accept_ra", 1)
    topology.host.sysctl("ipv6/conf/eth0/accept_ra_rt_info_max_plen", 64)


@test("§7-79: prefixes, gateways and routes of router advertisements are on the bridge, and again on the uplink")
def advertisements():
    # Lifetimes run on, and the next advertisement makes what was there: compared here instead.
    with host(configuration=NO_NETWORK, prepare=accept, compare=False) as (topology, daemon), \
            advertising(topology):
        eventually("the first advertisement", lambda: len(made_by_advertisements(topology.host, "eth0")[1]) >= 3)
        addresses, routes = made_by_advertisements(topology.host, "eth0")
        demand(addresses and ("default", "fe80::ff:fe00:101") in routes, f"{addresses} {routes}")
        for _ in range(2):
            daemon.script("network-bridge", "start", "netdev=eth0", "bridge=xenbr0")
            demand("eth0" in ports(topology.host), "not raised")
            eventually("the bridge has what the uplink had",
                       lambda: made_by_advertisements(topology.host, "xenbr0") == (addresses, routes))
            demand(made_by_advertisements(topology.host, "eth0") == (set(), set()),
                   f"left behind: {made_by_advertisements(topology.host, 'eth0')}")
            for address in addresses:
                topology.router.ip("-6", "route", "replace", f"{address}/128", "dev", "lan0")
                topology.router.run("ping", "-c", "2", "-i", "0.2", "-W", "1", address)
            daemon.script("network-bridge", "stop", "netdev=eth0", "bridge=xenbr0")
            eventually("the uplink has what it had",
                       lambda: made_by_advertisements(topology.host, "eth0") == (addresses, routes))


@test("§7-79: routers are solicited after a move, and the last word on every multicast group is that it is wanted")
def reports():
    solicited_node = "ff02::1:ff00:10"
    with host(configuration=NO_NETWORK, prepare=accept) as (topology, daemon):
        for command in ("start", "stop"):
            with tempfile.NamedTemporaryFile(prefix="drawbridge-capture") as file:
                capture = topology.router.start(
                    "tcpdump", "-i", "lan0", "-Q", "in", "-U", "-Z", "root", "-w", file.name, "igmp or ip6",
                    stderr=subprocess.PIPE)
                capture.stderr.readline()
                try:
                    daemon.script("network-bridge", command, "netdev=eth0", "bridge=xenbr0")

                    def said():
                        return topology.router.run("tcpdump", "-nn", "-vv", "-r", file.name).stdout

                    eventually(f"solicited at {command}", lambda: "router solicitation" in said())
                    eventually(f"{solicited_node} reported at {command}",
                               lambda: last_words(said()).get(solicited_node) == "wanted")
                    # The kernel leaves some time after it was told to; the end of it all counts.
                    time.sleep(1.5)
                finally:
                    capture.terminate()
                    capture.wait(10)
                    capture.stderr.close()
                words = last_words(said())
                left = sorted(group for group, word in words.items() if word != "wanted")
                demand(not left, f"{command}: left for good: {left} in {said()}")


def last_words(text):
    """What was last said of every group in IGMPv3 and MLDv2 reports."""
    return {group: "wanted" if kind in ("to_ex", "is_ex") else "left"
            for group, kind in re.findall(r"gaddr (\S+) (to_ex|is_ex|to_in|is_in)", text)}
