"""Bridges that are networks of their own: addresses, names, the way out and the way in."""

import contextlib
import os
import pwd
import signal
import subprocess

from rig import product
from rig.cases import demand, demand_error, host, link, test
from rig.filtering import calm
from rig.topology import HOST_IPV4, HOST_IPV4_SECOND, HOST_IPV6, ROUTER_IPV4, ROUTER_IPV6
from rig.xen import eventually, process_written
from test_dhcp import state_of

SUBNET = """\
version: 1
vif-script: vif-bridge
networks:
  inner:
    kind: nat
    uplink: eth0
    address: 10.77.0.1/24 fd00:77::1/64
    domain: guests.example
    reservations: {"00:16:3e:00:09:09": 10.77.0.9}
"""
ROUTED = SUBNET.replace("kind: nat", "kind: routed").replace("fd00:77::", "2001:db8:77::")
CLIENT = """\
#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev "$interface"
ip route add default via "$router"
echo "$dns" > "$DIRECTORY/dns"
"""
CLIENT6 = """\
#!/bin/sh
[ "$reason" = BOUND6 ] && ip address add "$new_ip6_address/64" dev "$interface" nodad
exit 0
"""
SERVER = """\
import socket, sys
server = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    connection, peer = server.accept()
    connection.sendall(peer[0].encode())
    connection.close()
"""
# Sends what everybody gets, and tells how much of it comes back to who sent it.
ECHO = """\
import socket, sys
own, address = bytes.fromhex(sys.argv[1].replace(":", "")), socket.inet_aton(sys.argv[2])
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(("eth0", 0))
wire.settimeout(0.3)
for _ in range(3):
    wire.send(b"\\xff" * 6 + own + bytes.fromhex("0806000108000604" "0001") + own + address + bytes(6) + bytes([10, 77, 0, 200]))
back = 0
try:
    while True:
        frame, place = wire.recvfrom(2000)
        back += place[2] != socket.PACKET_OUTGOING and frame[6:12] == own
except TimeoutError:
    print(back)
"""
ASK = """\
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as connection:
    print(connection.recv(100).decode())
"""


@contextlib.contextmanager
def subnets(configuration=SUBNET, **options):
    with host(configuration=configuration, suffix="yaml", **options) as (topology, daemon):
        yield topology, daemon


def add(topology, daemon, vif, *options, network="inner"):
    """A guest behind a pair, up and without an address."""
    guest = topology.add_guest(vif)
    daemon.add_pair(vif, guest, *options, network=network)
    guest.ip("link", "set", "eth0", "up")
    return guest


def scratch():
    directory = os.path.join(product.scratch(), f"client{next(product._counter)}")
    os.mkdir(directory)
    return directory


def script(text, directory):
    path = os.path.join(directory, "script")
    with open(path, "w") as file:
        file.write(text.replace("$DIRECTORY", directory))
    os.chmod(path, 0o755)
    return path


def ask(guest):
    """Lets the guest ask for its address, as a guest does; the servers of names that it is told are returned."""
    directory = scratch()
    guest.run("udhcpc", "-f", "-q", "-n", "-t", "20", "-T", "1", "-i", "eth0", "-s", script(CLIENT, directory),
              timeout=60)
    with open(os.path.join(directory, "dns")) as file:
        return file.read().split()


@contextlib.contextmanager
def asking6(guest):
    """The same for IPv6, as long as the client runs."""
    directory = scratch()
    guest.settled("eth0", 10)
    files = [os.path.join(directory, name) for name in ("leases", "pid")]
    open(files[0], "w").close()
    guest.run("dhclient", "-6", "-1", "-sf", script(CLIENT6, directory), "-lf", files[0], "-pf", files[1],
              "-cf", "/dev/null", "eth0", timeout=60)
    try:
        yield
    finally:
        os.kill(process_written(files[1]), signal.SIGTERM)


def address(guest, family="-4"):
    """The address that a guest has."""
    return next(a["local"] for a in guest.json(family, "address", "show", "dev", "eth0")[0]["addr_info"]
                if a["scope"] == "global")


def reaches(namespace, where, source=None):
    more = ["-I", source] if source else []
    return namespace.run("ping", "-c", "3", "-i", "0.2", "-W", "1", *more, where, check=False).returncode == 0


def query(guest, name, server="10.77.0.1"):
    """What the server of names says, as the lines of busybox's nslookup tell it."""
    return guest.run("busybox", "nslookup", name, server, check=False).stdout


@contextlib.contextmanager
def serving(namespace, port):
    """A server that tells everybody by which address it sees them."""
    process = namespace.start("/usr/bin/python3", "-c", SERVER, str(port), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE)
    try:
        demand(process.stdout.readline() == b"ready\n", "the server does not come up")
        yield
    finally:
        process.kill()
        process.wait()


def seen(namespace, where, port):
    """By which address the server behind a port sees the namespace; None where nobody answers."""
    answer = namespace.run("/usr/bin/python3", "-c", ASK, where, str(port), check=False, timeout=30)
    return answer.stdout.strip().removeprefix("::ffff:") if answer.returncode == 0 else None


def dnsmasq(daemon, network="inner"):
    """The process that serves a network."""
    return process_written(os.path.join(daemon.kept, "dnsmasq", f"{network}.pid"))


def other_network(topology):
    """Another network of the host's, to which it would forward, were it not for Drawbridge's table."""
    topology.host.batch(["link add eth1 type veth peer name inner9", "link set eth1 up",
                         "address add 198.51.100.1/24 dev eth1"])
    topology.host.sysctl("ipv4/conf/eth1/forwarding", 1)
    other = topology.add_guest("9.9")
    topology.host.ip("link", "set", "inner9", "netns", other.name)
    other.batch(["link set inner9 up", "address add 198.51.100.2/24 dev inner9", "route add default via 198.51.100.1"])
    topology.host.settled()


def leases(daemon):
    """The addresses that dnsmasq remembers to have told."""
    with open(os.path.join(daemon.kept, "dnsmasq", "inner.leases")) as file:
        return [line.split()[2] for line in file if len(line.split()) == 5]


@test("a NAT network with a subnet: guests are told address, router and names, go out by the host, and reach each other and nothing else")
def nat_subnet():
    with subnets(prepare=other_network) as (topology, daemon):
        one = add(topology, daemon, "1.0", "--domain", "web")
        names = ask(one)
        # It runs as its own user, and is told of guests that come and go without losing what it has told others.
        server = dnsmasq(daemon)
        demand(pwd.getpwuid(os.stat(f"/proc/{server}").st_uid).pw_name in ("dnsmasq", "nobody"), "dnsmasq is root")
        two = add(topology, daemon, "3.1")
        add(topology, daemon, "4.0")
        daemon.remove_vif("4.0")
        demand(dnsmasq(daemon) == server and leases(daemon) == ["10.77.0.2"], f"leases: {leases(daemon)}")
        ask(two)
        demand(names == ["10.77.0.1"], names)
        demand((address(one), address(two)) == ("10.77.0.2", "10.77.0.3"), (address(one), address(two)))
        demand(reaches(one, ROUTER_IPV4) and reaches(one, address(two)), daemon.tail())
        demand(not reaches(one, "198.51.100.2"), "a guest reaches another network of the host's")
        demand("10.77.0.2" in query(two, "web") and "10.77.0.2" in query(two, "web.guests.example"), query(two, "web"))
        demand("10.77.0.3" in query(one, "vif3-1.guests.example"), query(one, "vif3-1.guests.example"))
        with serving(topology.router, 8000):
            demand(seen(one, ROUTER_IPV4, 8000) == HOST_IPV4, "the router does not see the host's address")
        # Nobody outside finds the guests, who asked for nothing there.
        topology.router.ip("route", "add", "10.77.0.0/24", "via", HOST_IPV4)
        demand(not reaches(topology.router, "10.77.0.2"), "the router reaches a guest")
        shown = daemon.json("address", "list")["addresses"]
        demand([(a["address"], a["name"], a["vif"], a["connected"]) for a in shown if "." in a["address"]]
               == [("10.77.0.2", "web", "vif1.0", True), ("10.77.0.3", "vif3-1", "vif3.1", True),
                   ("10.77.0.4", "vif4-0", "vif4.0", False)], shown)
        # What it was given is its own, and nothing else is.
        one.ip("address", "add", "10.77.0.99/24", "dev", "eth0")
        demand(not reaches(one, "10.77.0.1", source="10.77.0.99"), "an address that nobody gave passes")


@test("a subnet with unique local IPv6 addresses: guests are told address and router, and go out by the host's address")
def nat_ipv6():
    with subnets() as (topology, daemon):
        one = add(topology, daemon, "1.0", "--domain", "web")
        with asking6(one):
            demand(address(one, "-6") == "fd00:77::2", one.run("ip", "-6", "address").stdout)
            eventually(lambda: any(r["dst"] == "default" for r in one.json("-6", "route", "show")),
                       "no router is advertised")
            demand(reaches(one, ROUTER_IPV6), daemon.tail())
            with serving(topology.router, 8000):
                demand(seen(one, ROUTER_IPV6, 8000) == HOST_IPV6, "the router does not see the host's address")


@test("a routed network with a subnet: guests go out by their own addresses, and are found by them")
def routed_subnet():
    with subnets(ROUTED) as (topology, daemon):
        one = add(topology, daemon, "1.0")
        ask(one)
        topology.router.ip("route", "add", "10.77.0.0/24", "via", HOST_IPV4)
        topology.router.ip("route", "add", "2001:db8:77::/64", "via", HOST_IPV6)
        with serving(topology.router, 8000):
            demand(seen(one, ROUTER_IPV4, 8000) == "10.77.0.2", "the router does not see the guest's address")
        demand(reaches(topology.router, "10.77.0.2"), "the router does not reach the guest")
        with asking6(one):
            eventually(lambda: reaches(one, ROUTER_IPV6), daemon.tail)
            demand(reaches(topology.router, "2001:db8:77::2"), "the router does not reach the guest")


@test("guests behind NAT go out by the address that is chosen for them")
def nat_source():
    with subnets(SUBNET.replace("domain:", f"nat-source: {HOST_IPV4_SECOND}\n    domain:")) as (topology, daemon):
        one = add(topology, daemon, "1.0")
        ask(one)
        with serving(topology.router, 8000):
            demand(seen(one, ROUTER_IPV4, 8000) == HOST_IPV4_SECOND, "it goes out by another address")


@test("a network without a way out hands out addresses all the same, and leads nowhere")
def inside_only():
    text = SUBNET.replace("kind: nat", "kind: bridge").replace("uplink: eth0", "uplink: none")
    with subnets(text) as (topology, daemon):
        one, two = add(topology, daemon, "1.0"), add(topology, daemon, "3.1")
        for guest in (one, two):
            guest.run("udhcpc", "-f", "-q", "-n", "-t", "20", "-T", "1", "-i", "eth0", "-s",
                      script(CLIENT, scratch()), timeout=60, check=False)
        demand(reaches(one, address(two)) and reaches(one, "10.77.0.1"), daemon.tail())
        demand(not one.json("-4", "route", "show", "default"), "it is told of a router")
        one.ip("route", "add", "default", "via", "10.77.0.1")
        demand(not reaches(one, ROUTER_IPV4), "it leads out")
        demand(topology.host.sysctl("ipv4/conf/eth0/forwarding") == "0", "the host forwards")


def echoed(guest):
    """How many of its own broadcasts come back to a guest."""
    return int(guest.run("/usr/bin/python3", "-c", ECHO, link(guest, "eth0")["address"], address(guest)).stdout)


def routes_bridged(topology, wanted):
    """Switches br_netfilter, where the kernel has it."""
    for name in ("iptables", "ip6tables"):
        topology.host.sysctl(f"bridge/bridge-nf-call-{name}", int(wanted))


@test("a port of the host's leads to a guest: from outside, from the host, from another guest and from itself")
def forwards():
    with subnets(prepare=calm) as (topology, daemon):
        one = add(topology, daemon, "1.0", "--domain", "web")
        two = add(topology, daemon, "3.1")
        ask(one)
        ask(two)
        with asking6(one), serving(one, 80):
            daemon.drawbridge("forward", "add", "8080/tcp", "web:80")
            demand(seen(topology.router, HOST_IPV4, 8080) == ROUTER_IPV4, "the guest does not see who asks")
            demand(seen(topology.router, HOST_IPV6, 8080) == ROUTER_IPV6, "IPv6: the guest does not see who asks")
            demand(seen(topology.host, HOST_IPV4, 8080) is not None, "nobody answers the host")
            for guest in (two, one):
                by = seen(guest, HOST_IPV4, 8080)
                demand(by == "10.77.0.1", f"the guest is asked by {by}")
            shown = daemon.json("forward", "list")["forwards"]
            demand(shown == [{"port": 8080, "protocol": "tcp", "guest": "web", "guestPort": 80,
                              "addresses": ["10.77.0.2", "fd00:77::2"]}], shown)
            if os.path.isdir("/proc/sys/net/bridge"):
                by_bridge(topology, daemon, one, two)
            # It outlives the daemon, and follows its guest.
            daemon.kill()
            demand(seen(topology.router, HOST_IPV4, 8080) == ROUTER_IPV4, "it went with the daemon")
            daemon.start()
            demand(seen(topology.router, HOST_IPV4, 8080) == ROUTER_IPV4, "the next daemon lost it")
            daemon.remove_vif("1.0")
            demand(daemon.json("forward", "list")["forwards"][0]["addresses"] == [], "it leads to one that is away")
            demand(seen(topology.router, HOST_IPV4, 8080) is None, "somebody answers for one that is away")
        daemon.drawbridge("forward", "remove", "8080/tcp")
        demand(daemon.json("forward", "list")["forwards"] == [], "it is there still")


def by_bridge(topology, daemon, one, two):
    """With br_netfilter the bridge itself carries what is led from guest to guest, and back to the one that asks."""
    routes_bridged(topology, True)
    daemon.drawbridge("daemon", "reload")
    demand(seen(topology.router, HOST_IPV4, 8080) == ROUTER_IPV4, "br_netfilter: the guest does not see who asks")
    demand(seen(topology.host, HOST_IPV4, 8080) is not None, "br_netfilter: nobody answers the host")
    for guest in (two, one):
        by = seen(guest, HOST_IPV4, 8080)
        demand(by == "10.77.0.1", f"br_netfilter: the guest is asked by {by}")
    demand(seen(one, HOST_IPV6, 8080) == "fd00:77::1", "br_netfilter: it does not reach itself by IPv6")
    demand(echoed(one) == 0, "its own broadcasts come back to the guest")
    # Without the table they would; the next daemon puts it there again.
    daemon.kill()
    topology.host.run("nft", "delete", "table", "bridge", "drawbridge", check=False)
    demand(echoed(one) == 3, "no broadcast comes back: that shows nothing")
    daemon.start()
    demand(echoed(one) == 0 and seen(one, HOST_IPV4, 8080) == "10.77.0.1", daemon.tail())
    # Once it is switched off nothing of it remains.
    routes_bridged(topology, False)
    daemon.drawbridge("daemon", "reload")
    demand("table bridge" not in topology.host.run("nft", "list", "tables").stdout, "its table remains")
    port = next(p for p in topology.host.json("-d", "link", "show", "dev", "vif1.0"))
    demand(not port["linkinfo"]["info_slave_data"]["hairpin"], "the port gives back what it gets")


@test("a port that is taken, a guest that is not there and a port that leads nowhere are refused, each in one line")
def refused_forwards():
    with subnets() as (topology, daemon):
        add(topology, daemon, "1.0", "--domain", "web")
        demand_error(daemon.drawbridge("forward", "add", "80/tcp", "nobody:80", check=False), "nobody",
                     "no guest of this name", code=5)
        with serving(topology.host, 8080):
            demand_error(daemon.drawbridge("forward", "add", "8080/tcp", "web:80", check=False), "8080/tcp", "python3",
                         "listens there", code=6)
        daemon.drawbridge("forward", "add", "8080/tcp", "web:80")
        daemon.drawbridge("forward", "add", "8080/tcp", "web:80")
        demand_error(daemon.drawbridge("forward", "add", "8080/tcp", "web:81", check=False), "leads to web:80 already",
                     code=6)
        demand_error(daemon.drawbridge("forward", "remove", "8081/tcp", check=False), "8081/tcp", code=5)
        demand_error(daemon.drawbridge("forward", "add", "0/tcp", "web:80", check=False), code=2)


@test("a guest gets the same address again, whatever comes between: detaching, a new daemon, a new dnsmasq")
def stable():
    with subnets() as (topology, daemon):
        one = add(topology, daemon, "1.0", "--mac", "00:16:3e:00:01:01")
        reserved = add(topology, daemon, "2.0", "--mac", "00:16:3e:00:09:09")
        ask(one)
        ask(reserved)
        demand((address(one), address(reserved)) == ("10.77.0.2", "10.77.0.9"), daemon.tail())
        daemon.remove_vif("1.0")
        two = add(topology, daemon, "3.1")
        ask(two)
        demand(address(two) == "10.77.0.3", "it has the address of one that was there before")
        server = dnsmasq(daemon)
        daemon.kill()
        daemon.start()
        demand(dnsmasq(daemon) == server, "the server did not go on")
        os.kill(server, signal.SIGKILL)
        eventually(lambda: "dnsmasq has ended" in (daemon.network("inner") or {}).get("problem", ""),
                   daemon.tail, timeout=10)
        demand(reaches(two, ROUTER_IPV4), "a guest with a lease is harmed")
        eventually(lambda: daemon.network("inner")["state"] == "up", daemon.tail)
        demand(dnsmasq(daemon) != server, "there is no new server")
        again = add(topology, daemon, "4.0", "--mac", "00:16:3e:00:01:01")
        ask(again)
        demand(address(again) == "10.77.0.2", "another address than before")


@test("an address goes to the guest that is told to have it, whoever had it by DHCP before")
def taken_over():
    with subnets() as (topology, daemon):
        one = add(topology, daemon, "1.0")
        ask(one)
        daemon.remove_vif("1.0")
        two = add(topology, daemon, "2.0", "--mac", "00:16:3e:00:07:07", "--ip", "10.77.0.2")
        ask(two)
        demand(address(two) == "10.77.0.2", daemon.tail())
        three = topology.add_guest("3.0")
        demand_error(daemon.add_pair("3.0", three, "--ip", "10.77.0.2", network="inner", check=False), "10.77.0.2",
                     "vif2.0")
        demand_error(daemon.add_pair("3.0", three, "--ip", "10.77.0.1", network="inner", check=False), "10.77.0.1")


@test("subnets that overlap what the host has, and a pool without an address left, are refused, and nothing is changed")
def refused():
    text = SUBNET.replace("10.77.0.1/24", "192.0.2.129/25").replace("10.77.0.9", "192.0.2.200")
    with subnets(text) as (topology, daemon):
        demand_error(daemon.drawbridge("network", "start", "inner", check=False), "192.0.2.129/25",
                     "192.0.2.10/24 of eth0", code=6)
        demand(link(topology.host, "inner") is None, "there is a bridge")
    text = SUBNET.replace("10.77.0.1/24 fd00:77::1/64", "10.77.0.1/30").replace("10.77.0.9", "10.77.0.2")
    with subnets(text) as (topology, daemon):
        three = topology.add_guest("3.0")
        demand_error(daemon.add_pair("3.0", three, network="inner", check=False), "every address of 10.77.0.0/30",
                     code=6)
        demand(link(topology.host, "vif3.0") is None, "there is a vif")


@test("a subnet is planned before it is raised, and gives everything back, also what a killed daemon left")
def planned():
    with subnets(start=False) as (topology, daemon):
        daemon.start()
        # What somebody put on the bridge goes with it.
        topology.host.ip("address", "add", "10.99.0.1/24", "dev", "inner")
        daemon.drawbridge("network", "stop", "inner")
        plan = "\n".join(daemon.json("network", "start", "inner", "--dry-run")["outcome"]["plan"])
        demand("10.77.0.1/24" in plan and "net.ipv4.conf.eth0.forwarding" in plan, plan)
        demand(link(topology.host, "inner") is None, "a dry run makes a bridge")
        daemon.drawbridge("network", "start", "inner")
        add(topology, daemon, "1.0")
        server = dnsmasq(daemon)
        daemon.kill()
        daemon.restore()
        demand(link(topology.host, "inner") is None, "the bridge stays")
        demand(state_of(server) is None, "dnsmasq stays")
        demand("drawbridge" not in topology.host.run("nft", "list", "tables").stdout.split(), "the table stays")


@test("an address of IPv6 goes to the guest that is told to have it, though another's lease of DHCPv6 is not over")
def lease_taken_over():
    with subnets() as (topology, daemon):
        one = add(topology, daemon, "1.0")
        with asking6(one):
            demand(address(one, "-6") == "fd00:77::2", one.run("ip", "-6", "address").stdout)
        daemon.remove_vif("1.0")
        with open(os.path.join(daemon.kept, "dnsmasq", "inner.leases")) as file:
            demand(" fd00:77::2 " in file.read(), "there is no lease that could be in the way")
        two = add(topology, daemon, "2.0", "--ip", "fd00:77::2")
        with asking6(two):
            demand(address(two, "-6") == "fd00:77::2", daemon.tail())
        ask(two)


@test("a record of addresses that is damaged, and a disk that is full, are told in one line, and nothing is half done")
def damaged():
    with subnets(start=False) as (topology, daemon):
        # A file system of its own for what is kept for good, as small as it gets.
        os.mkdir(daemon.kept, 0o755)
        daemon.start(prefix=["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=128k,mode=755 none "$0" && exec "$@"', daemon.kept])
        kept = f"/proc/{daemon.process.pid}/root{daemon.kept}"
        with open(os.path.join(kept, "filling"), "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while file.write(b"\0" * 512):
                    pass
        topology.add_guest("1.0")
        for _ in range(2):
            demand_error(daemon.add_pair("1.0", topology.guests["1.0"], network="inner", check=False),
                         "No space left on device")
        demand(link(topology.host, "vif1.0") is None and not daemon.json("address", "list")["addresses"],
               "something is half done")
        os.unlink(os.path.join(kept, "filling"))
        daemon.add_pair("1.0", topology.guests["1.0"], network="inner")
        topology.guests["1.0"].ip("link", "set", "eth0", "up")
        ask(topology.guests["1.0"])
        with open(os.path.join(kept, "addresses-inner")) as file:
            demand("10.77.0.2" in file.read(), "the address is not written down")
    with subnets() as (topology, daemon):
        add(topology, daemon, "1.0")
        daemon.stop()
        # As a power cut could leave it, were it not written beside and put in its place.
        path = os.path.join(daemon.kept, "addresses-inner")
        os.truncate(path, os.path.getsize(path) - 10)
        daemon.start()
        demand_error(daemon.drawbridge("network", "start", "inner", check=False), "addresses-inner")
        demand(link(topology.host, "inner") is None, "the bridge is there")
        os.unlink(path)
        daemon.drawbridge("network", "start", "inner")


DELEGATED = SUBNET.replace("10.77.0.1/24 fd00:77::1/64", "10.77.0.1/24 delegated")


class Delegating:
    """ISC's server on the router: it delegates prefixes, and nothing leads there but what is told."""

    def __init__(self, topology, pool, lifetime=600):
        self.topology, self.lifetime = topology, lifetime
        self.directory = scratch()
        self.process = None
        self.start(pool)

    def start(self, pool):
        first, last, length = pool
        with open(os.path.join(self.directory, "conf"), "w") as file:
            file.write(f"default-lease-time {self.lifetime};\npreferred-lifetime {self.lifetime};\n"
                       f"option dhcp-renewal-time {max(self.lifetime // 4, 1)};\n"
                       f"option dhcp-rebinding-time {max(self.lifetime // 2, 1)};\n"
                       f"subnet6 2001:db8:1::/64 {{ prefix6 {first} {last} /{length}; }}\n")
        open(self.leases, "w").close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.directory, "pid"))
        self.process = self.topology.router.start(
            "/usr/sbin/dhcpd", "-6", "-f", "-q", "-cf", os.path.join(self.directory, "conf"), "-lf", self.leases,
            "-pf", os.path.join(self.directory, "pid"), "lan0", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    @property
    def leases(self):
        return os.path.join(self.directory, "leases")

    def stop(self):
        self.process.kill()
        self.process.wait()

    @property
    def state(self):
        """What it says last of the prefix: active, or released."""
        with open(self.leases) as file:
            found = [line.split()[-1].rstrip(";") for line in file if "binding state" in line]
        return found[-1] if found else None


def prefixes(topology, device="inner"):
    """The host's own global addresses of IPv6 on a device."""
    return [a["local"] for entry in topology.host.json("-6", "address", "show", "dev", device)
            for a in entry["addr_info"] if a["scope"] == "global"]


@test("a subnet goes by the prefix that the router delegates: guests reach it by addresses of it, and stop gives it back")
def delegated():
    with subnets(DELEGATED) as (topology, daemon):
        one = add(topology, daemon, "1.0")
        ask(one)
        demand(not prefixes(topology), "there is a prefix that nobody delegated")
        server = Delegating(topology, ("2001:db8:100::", "2001:db8:100::", 56))
        eventually(lambda: prefixes(topology) == ["2001:db8:100::1"], daemon.tail, timeout=40)
        topology.router.ip("route", "add", "2001:db8:100::/56", "via", HOST_IPV6)
        eventually(lambda: len(daemon.json("address", "list")["addresses"]) == 2, daemon.tail)
        with asking6(one):
            demand(address(one, "-6") == "2001:db8:100::2", one.run("ip", "-6", "address").stdout)
            eventually(lambda: any(r["dst"] == "default" for r in one.json("-6", "route", "show")), "no router")
            with serving(topology.router, 8000):
                demand(seen(one, ROUTER_IPV6, 8000) == "2001:db8:100::2", "the router does not see the guest's address")
            # Behind NAT only answers come in; what a forward leads, too.
            demand(not reaches(topology.router, "2001:db8:100::2"), "the router reaches a guest behind NAT")
            one.ip("address", "add", "2001:db8:100::99/64", "dev", "eth0", "nodad")
            demand(not reaches(one, ROUTER_IPV6, source="2001:db8:100::99"), "an address that nobody gave passes")
            one.ip("address", "del", "2001:db8:100::99/64", "dev", "eth0")
            # The prefix outlives the daemon; the next one goes on with the same client.
            clients = [p for p in topology.host.processes() if comm(p) == "dhclient"]
            daemon.kill()
            demand(reaches(one, ROUTER_IPV6), "it went with the daemon")
            daemon.start()
            demand(prefixes(topology) == ["2001:db8:100::1"] and reaches(one, ROUTER_IPV6), daemon.tail())
            demand([p for p in topology.host.processes() if comm(p) == "dhclient"] == clients and len(clients) == 1,
                   "another client runs")
        daemon.stop()
        demand(server.state == "released", f"the prefix is {server.state}")
        demand(not [p for p in topology.host.processes() if comm(p) == "dhclient"], "the client runs still")
        server.stop()


def comm(process):
    with contextlib.suppress(OSError), open(f"/proc/{process}/comm") as file:
        return file.read().strip()
    return None


@test("a prefix that changes, and one that is lost, changes what the bridge and the guests have")
def renumbered():
    with subnets(DELEGATED.replace("kind: nat", "kind: routed")) as (topology, daemon):
        add(topology, daemon, "1.0")
        server = Delegating(topology, ("2001:db8:100::", "2001:db8:100::", 64), lifetime=8)
        eventually(lambda: prefixes(topology) == ["2001:db8:100::1"], daemon.tail, timeout=40)
        server.stop()
        server.start(("2001:db8:200::", "2001:db8:200::", 64))
        eventually(lambda: prefixes(topology) == ["2001:db8:200::1"], daemon.tail, timeout=40)
        eventually(lambda: [a["address"] for a in daemon.json("address", "list")["addresses"]]
                   == ["10.77.0.2", "2001:db8:200::2"], daemon.tail)
        server.stop()
        eventually(lambda: prefixes(topology) == [], daemon.tail, timeout=40)
        eventually(lambda: [a["address"] for a in daemon.json("address", "list")["addresses"]] == ["10.77.0.2"],
                   daemon.tail)
        demand(topology.host.sysctl("ipv6/conf/all/forwarding") == "0", "the host forwards IPv6 still")
