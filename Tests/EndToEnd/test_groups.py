"""Security groups: what guests exchange with whom, with real connections of real hosts and guests."""

import contextlib
import socket

from rig.cases import demand, link, test
from rig.filtering import OTHER, OWN, attached
from rig.namespaces import run
from rig.topology import ROUTER_IPV4, ROUTER_IPV6
from rig.wire import socket_within

# What comes over the bridge from another guest or from beyond takes far less.
PATIENCE = 0.7

GROUPS = """
version: 1
networks:
  xenbr0: {{uplink: eth0}}
vifs:
  vif1.0: {{groups: {own}}}
  vif3.1: {{groups: {other}}}
groups:
  base:
    - in icmp 8
    - in icmpv6 128
  web:
    - in tcp 80,8000-8080
    - in udp 53 from outside
  database:
    - in tcp 5432 from web
  strict:
    - out tcp 80
    - out udp 53 to {router}
  sealed:
    - out udp 9 to {router}
address-sets:
  outside: [{router}, "{router6}"]
"""


def configured(own="base web", other="none"):
    return GROUPS.format(own=own, other=other, router=ROUTER_IPV4, router6=ROUTER_IPV6)


@contextlib.contextmanager
def grouped(own="base web", other="none", options=()):
    with attached("--ip", OWN.ipv4, "--ip", OWN.ipv6, *options, configuration=configured(own, other), suffix="yaml") as place:
        for vif in ("1.0", "3.1"):
            place[0].address_guest(vif)
        yield place


def sockets(namespace, kind, address):
    """A socket within a namespace: its address family is that of the address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket_within(namespace, lambda: socket.socket(family, kind))


def connects(server, address, port, client, source=None):
    """Whether a connection of TCP comes about, and carries octets both ways."""
    with sockets(server, socket.SOCK_STREAM, address) as listener, \
            sockets(client, socket.SOCK_STREAM, address) as caller:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen()
        listener.settimeout(PATIENCE)
        caller.settimeout(PATIENCE)
        try:
            caller.connect((address, port))
            answerer, _ = listener.accept()
        except TimeoutError:
            return False
        with answerer:
            answerer.settimeout(5)
            caller.settimeout(5)
            caller.sendall(b"asked")
            demand(answerer.recv(16) == b"asked", "the octets did not come")
            answerer.sendall(b"answered")
            return caller.recv(16) == b"answered"


def exchanges(server, address, port, client):
    """Whether a datagram and its answer come through."""
    with sockets(server, socket.SOCK_DGRAM, address) as listener, sockets(client, socket.SOCK_DGRAM, address) as caller:
        listener.bind((address, port))
        listener.settimeout(PATIENCE)
        caller.settimeout(5)
        caller.sendto(b"asked", (address, port))
        try:
            _, peer = listener.recvfrom(16)
        except TimeoutError:
            return False
        listener.sendto(b"answered", peer)
        return caller.recv(16) == b"answered"


def pings(namespace, address):
    return namespace.run("ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", address, check=False).returncode == 0


@test("a vif in groups: in comes what a rule lets in, out goes everything, answers come, in both families")
def let_in():
    with grouped() as (topology, daemon):
        guest, other, router = topology.guests["1.0"], topology.guests["3.1"], topology.router
        for own, far in ((OWN.ipv4, ROUTER_IPV4), (OWN.ipv6, ROUTER_IPV6)):
            for port, client, expected in ((80, router, True), (8042, other, True), (8081, router, False),
                                           (443, other, False)):
                demand(connects(guest, own, port, client) is expected, f"{own} {port} from {client.role}")
            demand(exchanges(guest, own, 53, router), f"{own}: UDP from the set is not let in")
            demand(not exchanges(guest, own, 53, other), f"{own}: UDP from elsewhere is let in")
            demand(not exchanges(guest, own, 54, router), f"{own}: UDP to another port is let in")
            demand(connects(router, far, 8081, guest), f"{far}: its own connection does not come about")
            demand(exchanges(router, far, 8081, guest), f"{far}: its own datagrams are not answered")
            demand(pings(router, own) and pings(other, own), f"{own}: not answered")
            demand(pings(guest, far), f"{far}: the answers do not come")
        shown = daemon.drawbridge("vif", "show", "vif1.0").stdout
        demand("not let in by its groups" in shown and "base web" in shown, shown)
        # What has nothing to do with groups has nothing of them.
        demand(connects(other, OTHER.ipv4, 443, guest), "a vif in no group is held")
        daemon.remove_vif("1.0")
        text = topology.host.run("nft", "list", "ruleset").stdout
        demand("drawbridge-groups" not in text, text)


@test("the outgoing rules of a group: only what they name goes out, and what came in is answered all the same")
def let_out():
    holds_out()


@test("a limit takes nothing of the groups: only what their rules name goes out of a limited vif")
def limited():
    holds_out("--rate", "1Gb/s", "--rate-in", "1Gb/s")


def holds_out(*options):
    with grouped("strict web", options=options) as (topology, _):
        guest, other, router = topology.guests["1.0"], topology.guests["3.1"], topology.router
        for own, far, second in ((OWN.ipv4, ROUTER_IPV4, OTHER.ipv4), (OWN.ipv6, ROUTER_IPV6, OTHER.ipv6)):
            demand(connects(router, far, 80, guest), f"{far}: what is allowed does not go out")
            demand(not connects(router, far, 81, guest), f"{far}: what is not goes out")
            demand(not pings(guest, far), f"{far}: a ping goes out")
            demand(connects(guest, own, 80, other), f"{own}: what came in is not answered")
            demand(not exchanges(other, second, 53, guest), f"{second}: goes out to another address")
        demand(exchanges(router, ROUTER_IPV4, 53, guest), "what is allowed to one address does not go there")
        demand(not exchanges(router, ROUTER_IPV6, 53, guest), "what is allowed to one address goes to another")


@test("a rule that names a group means its members, as they come and go")
def members():
    with grouped("database", "web") as (topology, daemon):
        guest, other, router = topology.guests["1.0"], topology.guests["3.1"], topology.router
        for own in (OWN.ipv4, OWN.ipv6):
            demand(connects(guest, own, 5432, other), f"{own}: a member is not let in")
            demand(not connects(guest, own, 5432, router), f"{own}: who is none is let in")
        daemon.configure(configured("database", "none"))
        daemon.drawbridge("daemon", "reload")
        demand(not connects(guest, OWN.ipv4, 5432, other), "who is a member no longer is let in")
        demand(connects(other, OTHER.ipv4, 22, router), "who is in no group any more is still held")


@test("groups change live: a connection that may go on goes on without a lost octet, one that may not ends")
def live():
    with grouped("base web") as (topology, daemon):
        guest, router = topology.guests["1.0"], topology.router
        with sockets(guest, socket.SOCK_STREAM, OWN.ipv4) as listener, \
                sockets(router, socket.SOCK_STREAM, OWN.ipv4) as caller:
            listener.bind((OWN.ipv4, 80))
            listener.listen()
            caller.settimeout(5)
            caller.connect((OWN.ipv4, 80))
            answerer, _ = listener.accept()
            with answerer:
                answerer.settimeout(5)
                for groups in ("web", "base web strict", "web base"):
                    daemon.configure(configured(groups))
                    daemon.drawbridge("daemon", "reload")
                    caller.sendall(b"more")
                    demand(answerer.recv(16) == b"more", f"{groups}: nothing came")
                    answerer.sendall(b"answer")
                    demand(caller.recv(16) == b"answer", f"{groups}: no answer came")
                daemon.configure(configured("sealed"))
                daemon.drawbridge("daemon", "reload")
                caller.sendall(b"last")
                answerer.settimeout(PATIENCE)
                try:
                    got = answerer.recv(16)
                except TimeoutError:
                    got = None
                demand(got is None, f"what is let in no longer came: {got}")


@test("groups outlive the daemon, and hold from before the link of a vif is up")
def outlive():
    with grouped("base web") as (topology, daemon):
        guest, router = topology.guests["1.0"], topology.router
        daemon.kill()
        demand(not connects(guest, OWN.ipv4, 443, router), "a daemon that is killed opens the way")
        demand(connects(guest, OWN.ipv4, 80, router), "a daemon that is killed closes the way")
        daemon.configure(configured("base", "web"))
        daemon.start()
        demand(not connects(guest, OWN.ipv4, 80, router), "a new daemon does not hold to the new groups")
        demand(connects(topology.guests["3.1"], OTHER.ipv4, 80, router), "the other vif's groups are not taken up")
        demand(not connects(topology.guests["3.1"], OTHER.ipv4, 81, router), "the other vif is not held")
        for vif in ("1.0", "3.1"):
            daemon.remove_vif(vif)
        demand("drawbridge-groups" not in topology.host.run("nft", "list", "tables").stdout, "its table stays")


@test("a group that is nowhere, that refers to itself, or a rule that is none: refused with the line, nothing changed")
def refused():
    with grouped() as (topology, daemon):
        before = topology.host.run("nft", "list", "ruleset").stdout
        good = configured()
        for old, new, said in (
                ("groups: base web", "groups: base wbe", "there is no group 'wbe'"),
                ("in tcp 5432 from web", "in tcp 5432 from database", "refers to the group itself"),
                ("in tcp 5432 from web", "in tcp 5432 from nowhere", "'nowhere'"),
                ("in icmp 8", "in icmp 256", "'256' is no type of a message")):
            demand(old in good, f"{old} is not in the configuration")
            daemon.configure(good.replace(old, new))
            check = run([daemon.product.command, "config", "check", daemon.configuration], check=False)
            text = check.stdout + check.stderr
            demand(check.returncode != 0 and said in text and "yaml:" in text, text)
            demand(daemon.drawbridge("daemon", "reload", check=False).returncode != 0, "it is taken")
        demand(topology.host.run("nft", "list", "ruleset").stdout == before, "something was changed")
        demand(link(topology.host, "vif1.0"), "the vif is gone")
