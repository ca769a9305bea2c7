"""A host that has its address by DHCP keeps it: real clients, a real server, leases of 20 or 30 s."""

import contextlib
import os
import re
import signal
import subprocess
import time

from rig import product
from rig.cases import demand, demand_error, host, link, ports, test, unchanged
from rig.namespaces import run
from rig.topology import ROUTER_IPV4
from rig.xen import process_written

SERVER = """start 192.0.2.100
end 192.0.2.150
interface lan0
min_lease 5
lease_file {directory}/leases
pidfile {directory}/udhcpd.pid
option subnet 255.255.255.0
option router {router}
option lease {seconds}
"""
CLIENTS = ("udhcpc", "dhclient")
# udhcpc takes a lease for 16 s at least, and renews it when that is nearly over.
WAIT = 90


class Message:
    """A DHCP message as tcpdump shows it on the router's wire."""

    def __init__(self, text):
        def field(pattern):
            match = re.search(pattern, text)
            return match and match[1]
        self.kind = field(r"DHCP-Message \(53\), length 1: (\w+)")
        self.client = field(r"Client-ID \(61\), length \d+: (.*)")
        self.address = field(r"Your-IP ([0-9.]+)")


def state_of(process):
    """The state of a process in one letter; None where it is gone, or only waits to be reaped."""
    try:
        with open(f"/proc/{process}/stat") as file:
            state = file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else state


class Lease:
    """A host with a DHCP client on `eth0`, the server that serves it, and a look at what they say."""

    def __init__(self, topology, client, within=None, seconds=10):
        """`within` is the command that the client is started by, where it is not to run in the host alone."""
        self.topology = topology
        self.within = within or topology.host.inside()
        self.client = client
        # Every process that rested.
        self.rested = set()
        self.directory = os.path.join(product.scratch(), f"dhcp{time.monotonic_ns()}")
        os.mkdir(self.directory, 0o755)
        self._processes = []
        with open(self.path("udhcpd.conf"), "w") as file:
            file.write(SERVER.format(directory=self.directory, router=ROUTER_IPV4, seconds=seconds))
        open(self.path("leases"), "w").close()
        self._start(topology.router, "capture", "tcpdump", "-l", "-n", "-vvv", "-i", "lan0", "udp port 67")
        self._start(topology.router, "server", "busybox", "udhcpd", "-f", self.path("udhcpd.conf"))
        self._await(lambda: "listening on" in self._text("capture"), "tcpdump does not listen")
        topology.host.ip("-4", "address", "flush", "dev", "eth0")
        getattr(self, f"_start_{client}")()
        self._await(lambda: self.addresses("eth0"), f"{client} got no address")
        self.address = self.addresses("eth0")[0]
        # What an administrator may have added to it.
        topology.host.batch([
            "address add 192.0.2.11/24 brd + dev eth0 label eth0:1",
            f"route add 10.20.0.0/16 via {ROUTER_IPV4} dev eth0 metric 50",
        ])
        self._start(topology.router, "ping", "ping", "-n", "-i", "0.1", "-O", self.address.split("/")[0])

    def path(self, name):
        return os.path.join(self.directory, name)

    def _text(self, name):
        with open(self.path(name + ".log"), errors="replace") as file:
            return file.read()

    def _start(self, namespace, name, *command):
        with open(self.path(name + ".log"), "wb") as log:
            self._processes.append(namespace.start(
                *command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True))

    def _start_udhcpc(self):
        # Debian's own script, but for the resolver of this machine, which is not the test's to change.
        with open("/etc/udhcpc/default.script") as file:
            text = re.sub(r"(?m)^RESOLV_CONF=.*", f"RESOLV_CONF={self.path('resolv.conf')}", file.read())
        with open(self.path("script"), "w") as file:
            file.write(text)
        os.chmod(self.path("script"), 0o755)
        run([*self.within, "udhcpc", "-b", "-i", "eth0", "-s", self.path("script"), "-p", self.path("client.pid"),
             "-C", "-x", "0x3d:00686f73742d73"])

    def _start_dhclient(self):
        with open(self.path("conf"), "w") as file:
            file.write('interface "eth0" {\n  send dhcp-client-identifier "host-seven";\n}\n')
        # Where Debian has them.
        self.leases = f"/var/lib/dhcp/dhclient.{os.path.basename(self.directory)}.leases"
        run([*self.within, "dhclient", "-4", "-pf", self.path("client.pid"), "-lf", self.leases,
             "-cf", self.path("conf"), "eth0"], timeout=60)
        process_written(self.path("client.pid"))

    @property
    def process(self):
        """The host's own client."""
        with open(self.path("client.pid")) as file:
            return int(file.read())

    def state(self):
        """`T` where the host's own client rests; None where there is none."""
        try:
            return state_of(self.process)
        except (FileNotFoundError, ValueError):
            return None

    def addresses(self, device):
        """The addresses of the server's that a device has."""
        return [f"{address['local']}/{address['prefixlen']}"
                for entry in self.topology.host.json("-4", "address", "show")
                if entry["ifname"] == device for address in entry["addr_info"]
                if address["local"].startswith("192.0.2.1") and len(address["local"]) == 11]

    def messages(self):
        texts = re.split(r"(?m)^(?=\d\d:\d\d:\d\d\.)", self._text("capture"))
        return [Message(text) for text in texts if "DHCP-Message" in text]

    def confirmations(self):
        return sum(message.kind == "ACK" for message in self.messages())

    def await_confirmations(self, count):
        """Waits until the server has confirmed the lease so many times more."""
        goal = self.confirmations() + count
        self._await(lambda: self.confirmations() >= goal, f"the lease was not confirmed {count} times")

    def _await(self, condition, what):
        deadline = time.monotonic() + WAIT
        while not condition():
            demand(time.monotonic() < deadline, f"{what}: {self._text('server')[-1500:]}")
            time.sleep(0.1)

    def await_state(self, resting):
        self._await(lambda: self.state() is not None and (self.state() == "T") == resting,
                    "the client does not rest" if resting else "the client rests still")

    def lost(self):
        """The pings from outside that got no answer."""
        return re.findall(r"no answer yet for icmp_seq=(\d+)", self._text("ping"))

    def demand_unbroken(self, identity):
        """One address and one client identifier throughout, nothing released, and nobody lost sight of the host."""
        messages = self.messages()
        kinds = {message.kind for message in messages}
        demand("Release" not in kinds and "Decline" not in kinds and "NACK" not in kinds, kinds)
        clients = {message.client for message in messages if message.kind in ("Discover", "Request")}
        demand(len(clients) == 1 and identity in str(clients), clients)
        confirmed = {message.address for message in messages if message.kind == "ACK"}
        demand(confirmed == {self.address.split("/")[0]}, confirmed)
        demand(not self.lost(), f"pings without an answer: {self.lost()}")

    def end(self):
        for process in self._processes:
            process.kill()
            process.wait()
        if self.client == "dhclient":
            for name in (self.leases, self.leases + "~"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name)


IDENTITIES = {"udhcpc": "host-s", "dhclient": "6f:73:74:2d:73:65:76:65:6e"}  # the latter as tcpdump shows it


def steady(state):
    """A state without the lifetimes of addresses: a lease that was renewed lasts longer than the one before."""
    for entry in state["address"]:
        for address in entry["addr_info"]:
            address.pop("valid_life_time", None)
            address.pop("preferred_life_time", None)
    return state


@contextlib.contextmanager
def leased(client, seconds=20):
    """A host that has its address by DHCP for so long, with its daemon, not started; at the end the client runs as before, the
    lease has been renewed by it, and the host is what it was."""
    leases = []
    with host(start=False, prepare=lambda topology: leases.append(Lease(topology, client, seconds=seconds)),
              compare=False) as (topology, daemon):
        lease = leases[0]
        try:
            before = steady(product.dump(topology.host))
            yield topology, daemon, lease
            demand(link(topology.host, "xenbr0") is None, "xenbr0 is still there")
            lease.await_state(resting=False)
            lease.await_confirmations(2)
            demand(lease.addresses("eth0") == [lease.address], lease.addresses("eth0"))
            product.assert_equal(before, steady(product.dump(topology.host)))
            lease.demand_unbroken(IDENTITIES[client])
            demand(not leftovers(lease), leftovers(lease))
        finally:
            lease.end()


def leftovers(lease):
    """Files of the hand-overs of this host's clients."""
    return [name for name in os.listdir("/var/lib/dhcp")
            if any(f"drawbridge-xenbr0-{process}." in name for process in lease.rested)]


def raise_network(daemon, lease, rests=True):
    """Starts the daemon and sees the client handed over; returns the process on the bridge. Only a client that was
    ended to be started anew need not rest: it is started by the next stop."""
    daemon.start()
    demand("eth0" in ports(daemon.namespace), f"not raised: {daemon.tail()}")
    demand(lease.state() == "T" or not rests and lease.state() is None, f"the host's client does not rest: {lease.state()}: {daemon.tail()}")
    if lease.state():
        lease.rested.add(lease.process)
    return substitute(daemon, lease)


def substitute(daemon, lease):
    """The process that the daemon says runs on the bridge."""
    handover = daemon.network()["dhcpHandover"]
    demand(handover["client"] == lease.client and handover["address"] == lease.address.split("/")[0], handover)
    return handover["running"]


def renewals(client):
    """The lease is renewed twice on the bridge and once after the stop."""
    with leased(client) as (topology, daemon, lease):
        running = raise_network(daemon, lease)
        # One for the client's start, and two renewals.
        lease.await_confirmations(3)
        demand(lease.addresses("xenbr0") == [lease.address], lease.addresses("xenbr0"))
        demand(lease.addresses("eth0") == [], lease.addresses("eth0"))
        demand(substitute(daemon, lease) == running, "it was started again")
        demand(lease.state() == "T", "the host's client rests no more")
        text = daemon.drawbridge("network", "status", "xenbr0").stdout
        demand(f"DHCP: {client}" in text and str(running) in text, text)
        demand(daemon.pending_plan() == [], daemon.pending_plan())
        daemon.stop()
        demand(state_of(running) is None, "the client on the bridge still runs")


@test("udhcpc is handed over: two renewals on the bridge, one after the stop, one address and one identifier")
def udhcpc_renewals():
    renewals("udhcpc")


@test("dhclient is handed over: two renewals on the bridge, one after the stop, one address and one identifier")
def dhclient_renewals():
    renewals("dhclient")


def killed(client, seconds=20):
    """A daemon that is killed leaves the lease to the client on the bridge; the next one takes it up again."""
    with leased(client, seconds) as (topology, daemon, lease):
        running = raise_network(daemon, lease)
        daemon.kill()
        lease.await_confirmations(2)
        daemon.start()
        demand(substitute(daemon, lease) == running, "it was not taken up")
        # It is looked after again.
        os.kill(running, signal.SIGKILL)
        lease.await_confirmations(1)
        demand(substitute(daemon, lease) not in (None, running), "it was not started again")
        lease.await_confirmations(1)
        demand(lease.addresses("xenbr0") == [lease.address], lease.addresses("xenbr0"))
        daemon.stop()


@test("udhcpc on the bridge outlives a daemon that is killed, and the next one looks after it")
def udhcpc_killed():
    killed("udhcpc")


@test("dhclient on the bridge outlives a daemon that is killed, and the next one looks after it")
def dhclient_killed():
    # Started anew it may wait more than ten seconds until it asks again: the lease has to outlast that.
    killed("dhclient", seconds=40)


def restored(client):
    """`drawbridge restore` ends the client on the bridge and wakes the host's own."""
    with leased(client) as (topology, daemon, lease):
        running = raise_network(daemon, lease)
        lease.await_confirmations(2)
        daemon.kill()
        demand(state_of(running), "it went with the daemon")
        daemon.restore()
        demand(state_of(running) is None, "the client on the bridge still runs")
        demand(not [name for name in os.listdir(daemon.state) if name.endswith(".handover")], "it is remembered")


@test("drawbridge restore gives a lease back to udhcpc without a daemon")
def udhcpc_restored():
    restored("udhcpc")


@test("drawbridge restore gives a lease back to dhclient without a daemon")
def dhclient_restored():
    restored("dhclient")


@test("daemon stop --keep-network keeps the client on the bridge, and the next daemon takes it up")
def kept():
    with leased("dhclient") as (topology, daemon, lease):
        running = raise_network(daemon, lease)
        daemon.drawbridge("daemon", "stop", "--keep-network")
        demand(daemon.wait() == 0, daemon.tail())
        demand(lease.state() == "T", "the host's client rests no more")
        lease.await_confirmations(2)
        daemon.start()
        demand(substitute(daemon, lease) == running, "it was not taken up")
        lease.await_confirmations(1)
        demand(lease.addresses("xenbr0") == [lease.address], lease.addresses("xenbr0"))
        daemon.stop()


@test("a dry run lists the hand-over and touches no client")
def listed():
    with leased("udhcpc") as (topology, daemon, lease):
        daemon.configure("(network-script)\n(vif-script vif-bridge)\n")
        daemon.start()
        with unchanged(topology.host):
            plan = daemon.json("plan", "network-start", "xenbr0", "--uplink", "eth0")["outcome"]["plan"]
        demand(plan[0].startswith(f"rest udhcpc (process {lease.process}) on eth0"), plan[0])
        demand(plan[-1] == f"run udhcpc on xenbr0 for {lease.address.split('/')[0]}", plan[-1])
        demand(lease.state() != "T", "the client rests")
        daemon.drawbridge("network", "start", "xenbr0", "--uplink", "eth0")
        running = substitute(daemon, lease)
        plan = daemon.json("network", "stop", "xenbr0", "--dry-run")["outcome"]["plan"]
        demand(plan[0] == f"end udhcpc (process {running}) on xenbr0", plan[0])
        demand(plan[-1] == f"wake udhcpc (process {lease.process}) on eth0", plan[-1])
        demand(lease.state() == "T" and state_of(running), "the dry run ended something")
        daemon.drawbridge("network", "stop", "xenbr0")
        daemon.stop()


@test("a start that fails wakes the client again")
def taken_back():
    with leased("dhclient") as (topology, daemon, lease):
        daemon.configure("(network-script)\n(vif-script vif-bridge)\n")
        daemon.start()
        # Where the client on the bridge is to have its leases, nothing can be put.
        blocker = f"/var/lib/dhcp/dhclient.drawbridge-xenbr0-{lease.process}.leases"
        os.mkdir(blocker)
        try:
            failed = daemon.drawbridge("network", "start", "xenbr0", "--uplink", "eth0", check=False)
        finally:
            os.rmdir(blocker)
        demand_error(failed, blocker)
        demand(link(topology.host, "xenbr0") is None, "xenbr0 is there")
        lease.await_state(resting=False)
        daemon.stop()


@contextlib.contextmanager
def refused(*words, prepare=None):
    """The body yields a host on which a start is refused with these words; `ignore` goes on."""
    with host(configuration="(network-script)\n(vif-script vif-bridge)\n", prepare=prepare) as (topology, daemon):
        yield topology
        with unchanged(topology.host):
            for options in ((), ("--dry-run",)):
                demand_error(daemon.drawbridge("network", "start", "xenbr0", "--uplink", "eth0", *options,
                                               check=False), "eth0", "dhcp-client: ignore", *words)
        daemon.drawbridge("network", "start", "xenbr0", "--uplink", "eth0", "--dhcp-client", "ignore")
        demand("eth0" in ports(topology.host), "ignore did not go on")
        daemon.drawbridge("network", "stop", "xenbr0")


# What a DHCP client of an unknown kind holds: a socket for IPv4 frames of one device.
LISTENER = ("import socket,time; s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800));"
            "s.bind(('eth0', 0x0800)); print('bound', flush=True); time.sleep(600)")


@test("a DHCP client of an unknown kind is refused before anything changes, with what settles it")
def unknown_clients():
    processes = []

    def start(topology, *command):
        process = topology.host.start(*command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        processes.append(process)
        process.stdout.readline()

    try:
        with refused("python3", "no DHCP client that can be handed over",
                     prepare=lambda topology: topology.host.ip(
                         "address", "change", "192.0.2.10/24", "brd", "+", "dev", "eth0", "valid_lft", 900,
                         "preferred_lft", 900)) as topology:
            start(topology, "/usr/bin/python3", "-c", LISTENER)
        with refused("dhcpcd", "cannot be handed over") as topology:
            start(topology, "/bin/bash", "-c", "exec -a dhcpcd sh -c 'echo; sleep 600; :' eth0")
    finally:
        for process in processes:
            process.kill()
            process.wait()


def kill_when(daemon, condition):
    """Kills the daemon at the moment at which something comes to hold."""
    deadline = time.monotonic() + WAIT
    while not condition():
        demand(daemon.process.poll() is None, f"the daemon ended first: {daemon.tail()}")
        demand(time.monotonic() < deadline, f"it did not come to hold: {daemon.tail()}")
    daemon.kill()


def cut_short(client):
    """Killed at every turn of a start and a stop, the daemon leaves what the next one, or `restore`, brings to order."""
    # Long enough for a client that was ended to have its answer before the lease does.
    with leased(client, seconds=30) as (topology, daemon, lease):

        def start_cut_short():
            daemon.start(wait=False)
            kill_when(daemon, lambda: lease.state() == "T")

        # The client rests, and nothing has moved yet.
        start_cut_short()
        daemon.restore()
        lease.await_state(resting=False)
        demand(lease.addresses("eth0") == [lease.address], lease.addresses("eth0"))
        start_cut_short()
        raise_network(daemon, lease)
        for restores in (True, False):
            # The client on the bridge is ended, and nothing has moved back yet.
            running = substitute(daemon, lease)
            lease.await_confirmations(1)
            daemon.signal(signal.SIGTERM)
            kill_when(daemon, lambda: state_of(running) is None)
            if restores:
                daemon.restore()
                lease.await_state(resting=False)
                lease.await_confirmations(1)
            raise_network(daemon, lease)
            # The host's own goes on, or is being started anew, and may not be forgotten yet.
            running = substitute(daemon, lease)
            lease.await_confirmations(1)
            daemon.signal(signal.SIGTERM)
            kill_when(daemon, lambda: lease.state() != "T")
            if restores:
                daemon.restore()
                lease.await_state(resting=False)
                lease.await_confirmations(1)
            raise_network(daemon, lease, rests=restores or client == "udhcpc")
        demand(daemon.pending_plan() == [], daemon.pending_plan())
        daemon.stop()


@test("udhcpc keeps its lease when the daemon is killed at any turn of the hand-over")
def udhcpc_cut_short():
    cut_short("udhcpc")


@test("dhclient keeps its lease when the daemon is killed at any turn of the hand-over")
def dhclient_cut_short():
    cut_short("dhclient")
