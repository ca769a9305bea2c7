"""What end-to-end tests are written with: a decorator that registers them, and a raised host to begin with."""

import contextlib

from . import product
from .topology import Topology

TESTS = []


class NotHere(Exception):
    """The kernel or the machine lacks what the test needs; says what."""


def not_yet(what):
    """Marks a test of something the product has not got: it is told as skipped as long as it fails, and fails as
    soon as it would succeed, so that nobody forgets to take the mark away. Stands below `test`."""
    def mark(function):
        def run():
            try:
                function()
            except AssertionError as error:
                first = (str(error) or repr(error)).splitlines()[0]
                raise NotHere(f"the product does not yet {what}: {first}") from None
            raise AssertionError(f"the product does {what}: take away the mark that it does not")
        return run
    return mark


class Test:
    """A registered test."""

    def __init__(self, name, function, alone):
        self.name = name
        self.run = function
        self.alone = alone


def test(name, alone=False):
    """Registers a test under its name, which begins with the number of the behaviour that it shows, as in
    `§7-20: …`; `alone` keeps it from running beside others."""
    def register(function):
        TESTS.append(Test(name, function, alone))
        return function
    return register


def demand(condition, text):
    """Fails the test with a text unless the condition holds."""
    if not condition:
        raise AssertionError(text)


def demand_error(result, *words, code=None):
    """The command failed, in one line that contains the words."""
    demand(result.returncode != 0, f"it succeeded: {result.stdout}{result.stderr}")
    if code is not None:
        demand(result.returncode == code, f"exit {result.returncode}, not {code}: {result.stderr}")
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    demand(len(lines) == 1, f"not one line: {result.stderr!r}")
    for word in words:
        demand(word in result.stderr, f"{word!r} is not in {result.stderr!r}")


def link(namespace, name):
    """The link as `ip -d -j` shows it; None where there is none."""
    for entry in namespace.json("link", "show"):
        if entry["ifname"] == name:
            return entry
    return None


def ports(namespace, bridge="xenbr0"):
    """The names of the bridge's ports."""
    return {entry["ifname"] for entry in namespace.json("link", "show") if entry.get("master") == bridge}


@contextlib.contextmanager
def host(uplink="eth0", configuration=product.BRIDGED, start=True, suffix="sxp", scripts=None, prepare=None,
         compare=True):
    """A topology and its daemon, started; at the end the daemon is stopped and the host has to be what it was.

    `prepare` furnishes the host before the first look at it. Yields the topology and the daemon; a test that
    has stopped the daemon itself leaves only the comparison.
    """
    topology = Topology(uplink)
    daemon = None
    try:
        if prepare:
            prepare(topology)
        daemon = product.Daemon(topology.host, configuration, suffix, scripts)
        before = product.dump(topology.host)
        if start:
            daemon.start()
        yield topology, daemon
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.stop()
        if compare:
            product.assert_equal(before, product.dump(topology.host), guests=("vif*", "tap*", "web*"))
    finally:
        if daemon is not None and daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()
        topology.remove()


@contextlib.contextmanager
def unchanged(namespace, guests=()):
    """The body has to leave the host's configuration as it is."""
    before = product.dump(namespace)
    yield
    product.assert_equal(before, product.dump(namespace), guests=guests)
