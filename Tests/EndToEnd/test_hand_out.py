"""Bridged networks that hand out addresses of what their uplink leads to, because they were asked to."""

import os
import tempfile

from rig import product
from rig.cases import demand, demand_error, link, test
from rig.topology import HOST_IPV4, ROUTER_IPV4
from test_subnets import add, address, ask, comm, dnsmasq, reaches, subnets

PLAIN = """\
version: 1
vif-script: vif-bridge
networks:
  xenbr0:
    uplink: eth0
"""
HANDING = PLAIN + """\
    hand-out: yes
    pool: 192.0.2.100-192.0.2.102
    router: 192.0.2.1
    dns: 192.0.2.53 192.0.2.54
    domain: guests.example
    reservations: {"00:16:3e:00:09:09": 192.0.2.50}
"""
# Asks for an address, for the one that it had before, and for all but an address: what a machine does that comes, that
# wakes up, and that has one. Tells how many answers there are.
ASK = """\
import os, socket, sys
device, own = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", ""))
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for option in (socket.SO_BROADCAST, socket.SO_REUSEADDR):
    wire.setsockopt(socket.SOL_SOCKET, option, 1)
wire.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
wire.bind(("", 68))
wire.settimeout(1.5)
for kind, address in ((1, "0.0.0.0"), (3, "0.0.0.0"), (8, sys.argv[3])):
    options = bytes([53, 1, kind]) + (bytes([50, 4]) + socket.inet_aton("192.0.2.150") if kind == 3 else b"") + b"\\xff"
    wire.sendto((bytes([1, 1, 6, 0]) + os.urandom(4) + bytes(2) + b"\\x80\\0" + socket.inet_aton(address) + bytes(12)
                 + own + bytes(202) + bytes.fromhex("63825363") + options).ljust(300, b"\\0"), ("255.255.255.255", 67))
answers = 0
try:
    while wire.recv(1500):
        answers += 1
except TimeoutError:
    print(answers)
"""


def answers(namespace, device, own):
    """How many answers somebody gets who asks by DHCP."""
    return int(namespace.run("/usr/bin/python3", "-c", ASK, device, link(namespace, device)["address"], own).stdout)


def servers(topology):
    return [process for process in topology.host.processes() if comm(process) == "dnsmasq"]


@test("a bridged network that is asked to hands out addresses, router and servers of names to its own guests and to nobody outside")
def handing():
    with subnets(HANDING) as (topology, daemon):
        one = add(topology, daemon, "1.0", "--domain", "web", network="xenbr0")
        two = add(topology, daemon, "2.0", "--mac", "00:16:3e:00:09:09", network="xenbr0")
        names = ask(one)
        demand(names == ["192.0.2.53", "192.0.2.54"], names)
        ask(two)
        demand((address(one), address(two)) == ("192.0.2.100", "192.0.2.50"), (address(one), address(two)))
        routers = [route["gateway"] for route in one.json("-4", "route", "show", "default")]
        demand(routers == [ROUTER_IPV4], routers)
        demand(reaches(one, ROUTER_IPV4) and reaches(one, address(two)), daemon.tail())
        # Whoever asks outside is heard, and not answered; and nobody serves names.
        topology.host.nft("table inet watch { chain before { type filter hook input priority -400; udp dport 67 counter; }; }")
        demand(answers(topology.router, "lan0", ROUTER_IPV4) == 0, "somebody outside is answered")
        heard = topology.host.run("nft", "list", "table", "inet", "watch").stdout
        demand("counter packets 0 " not in heard, "what was asked outside did not come to the host: this shows nothing")
        topology.host.run("nft", "delete", "table", "inet", "watch")
        demand(answers(one, "eth0", address(one)) == 3, "a guest that asks the same is not answered: this shows nothing")
        demand(":53 " not in topology.host.run("ss", "-Hlntu").stdout, "somebody serves names")
        # What a guest was given is its own, and nothing else is.
        one.ip("address", "add", "192.0.2.99/24", "dev", "eth0")
        demand(not reaches(one, ROUTER_IPV4, source="192.0.2.99"), "an address that nobody gave passes")
        # It is not for others to have, nor is the router's; and the pool ends somewhere.
        three = topology.add_guest("3.1")
        for taken, cause in (("192.0.2.100", "vif1.0"), (ROUTER_IPV4, "router"), (HOST_IPV4, "host's own")):
            demand_error(daemon.add_pair("3.1", three, "--ip", taken, network="xenbr0", check=False), taken, cause)
        for vif in ("3.1", "4.0"):
            add(topology, daemon, vif, network="xenbr0")
        five = topology.add_guest("5.0")
        demand_error(daemon.add_pair("5.0", five, network="xenbr0", check=False),
                     "every address of 192.0.2.100-192.0.2.102", code=6)
        # It goes on without the daemon, and the next one knows whose is what.
        server = dnsmasq(daemon, "xenbr0")
        daemon.kill()
        daemon.start()
        demand(dnsmasq(daemon, "xenbr0") == server, "the server did not go on")
        mac = link(one, "eth0")["address"]
        daemon.remove_vif("1.0")
        again = add(topology, daemon, "6.0", "--mac", mac, network="xenbr0")
        ask(again)
        demand(address(again) == "192.0.2.100", address(again))
        daemon.drawbridge("network", "stop", "xenbr0")
        demand(not servers(topology), "dnsmasq is there still")


@test("a bridged network that is not asked to hands out nothing; one whose pool or router is not the host's network's is refused, and nothing is changed")
def refused():
    with subnets(PLAIN) as (topology, daemon):
        one = add(topology, daemon, "1.0", network="xenbr0")
        demand(not servers(topology) and not answers(one, "eth0", "192.0.2.21"),
               "a guest is told something that nobody asked for")
        daemon.remove_vif("1.0")
        daemon.drawbridge("network", "stop", "xenbr0")
        with tempfile.NamedTemporaryFile("w", dir=product.scratch(), suffix=".yaml") as file:
            file.write(HANDING.replace("    router: 192.0.2.1\n", ""))
            file.flush()
            demand_error(topology.host.run(daemon.product.command, "config", "check", file.name, check=False),
                         "networks.xenbr0.router", "is missing")
        for old, new, causes in (
                ("192.0.2.100-192.0.2.102", "198.51.100.1-198.51.100.9", ["198.51.100.1-198.51.100.9", "192.0.2.10/24"]),
                ("192.0.2.100-192.0.2.102", "192.0.2.9-192.0.2.20", [f"the host's own address {HOST_IPV4}"]),
                ("router: 192.0.2.1", "router: 198.51.100.1", ["router 198.51.100.1", "192.0.2.0/24"]),
                ("192.0.2.50", "192.0.2.11", ["192.0.2.11", "kept for a guest", "host's own"]),
        ):
            daemon.configure(HANDING.replace(old, new))
            daemon.drawbridge("daemon", "reload")
            demand_error(daemon.drawbridge("network", "start", "xenbr0", check=False), "xenbr0", *causes, code=6)
            demand(link(topology.host, "xenbr0") is None and not servers(topology), f"{new}: something is half done")
        daemon.configure(HANDING)
        daemon.drawbridge("daemon", "reload")
        daemon.drawbridge("network", "start", "xenbr0")
        two = add(topology, daemon, "2.0", network="xenbr0")
        ask(two)
        demand(address(two) == "192.0.2.100", address(two))
        demand(os.path.exists(os.path.join(daemon.kept, "addresses-xenbr0")), "the address is not written down")
