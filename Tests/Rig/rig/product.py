"""The installed product, run as a user runs it: the daemon, the command and the scripts."""

import atexit
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from . import hoststate
from .namespaces import PATIENCE, run

REPOSITORY = os.path.normpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../.."))
HOSTSTATE = os.path.join(REPOSITORY, "Tests/Rig/hoststate")
START_TIMEOUT = 30 * PATIENCE
STOP_TIMEOUT = 30

_counter = itertools.count(1)
_scratch = None
_scratch_lock = threading.Lock()
_installation = None


def scratch():
    """A directory of this process, gone at its end; below /run, since every directory above a script that
    the daemon runs must belong to root and be closed to others."""
    global _scratch
    with _scratch_lock:
        if _scratch is None:
            for name in os.listdir("/run"):
                if name.startswith("dbrig") and name[5:].isdigit() and not os.path.exists(f"/proc/{name[5:]}"):
                    shutil.rmtree(os.path.join("/run", name), ignore_errors=True)
            _scratch = f"/run/dbrig{os.getpid()}"
            os.mkdir(_scratch, 0o755)
            atexit.register(shutil.rmtree, _scratch, ignore_errors=True)
    return _scratch


class Installation:
    """What `make install` puts on a machine, put below a directory of its own."""

    def __init__(self, root):
        self.root = root
        self.command = os.path.join(root, "usr/bin/drawbridge")
        self.daemon = os.path.join(root, "usr/sbin/drawbridged")
        self.scripts = os.path.join(root, "etc/drawbridge/scripts")


def installation():
    """The product, installed once per process; DRAWBRIDGE_ROOT names one that is installed already."""
    global _installation
    if _installation is None:
        root = os.environ.get("DRAWBRIDGE_ROOT")
        if root is None:
            root = os.path.join(scratch(), "root")
            run(["make", "-s", "-C", REPOSITORY, "install", f"DESTDIR={root}"], timeout=120)
        _installation = Installation(root)
    return _installation


def dump(namespace):
    """The configuration of a namespace, as other people's programs tell it."""
    return json.loads(namespace.run("/usr/bin/python3", HOSTSTATE, "dump").stdout)


def assert_equal(before, after, guests=("vif*",)):
    """Raises unless the two states are equal, with the differences."""
    differences = hoststate.compare(before, after, guests=guests)
    if differences:
        raise AssertionError("the host is not what it was:\n" + "\n".join(differences))


BRIDGED = "(network-script 'network-bridge netdev=eth0 bridge=xenbr0')\n(vif-script vif-bridge)\n"


class Daemon:
    """`drawbridged` in a namespace, with a configuration, a socket and a state directory of its own."""

    def __init__(self, namespace, configuration=BRIDGED, suffix="sxp", scripts=None):
        self.namespace = namespace
        self.product = installation()
        self.directory = os.path.join(scratch(), f"d{next(_counter)}")
        os.mkdir(self.directory, 0o755)
        self.state = os.path.join(self.directory, "state")
        self.kept = os.path.join(self.directory, "kept")
        self.socket = os.path.join(self.directory, "io.drawbridge")
        self.log = os.path.join(self.directory, "log")
        self.scripts = scripts or self.product.scripts
        self.configuration = os.path.join(self.directory, f"xend-config.{suffix}" if suffix == "sxp"
                                          else f"drawbridge.{suffix}")
        self.configure(configuration)
        self.process = None

    def configure(self, text):
        with open(self.configuration, "w") as file:
            file.write(text)

    # Life.

    def start(self, *options, prefix=(), environment=None, wait=True):
        """Starts it and waits until it tells that it is ready; `prefix` is a program that it runs under."""
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        path = os.path.join(self.directory, f"notify{next(_counter)}")
        notify.bind(path)
        command = [*prefix, self.product.daemon, "--config", self.configuration, "--socket", self.socket,
                   "--state-dir", self.state, "--persistent-dir", self.kept, "--script-dir", self.scripts, *options]
        with open(self.log, "ab") as log:
            self.process = self.namespace.start(
                *command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": path, **(environment or {})})
        if wait:
            self._await_ready(notify)
        notify.close()
        os.unlink(path)
        return self

    def _await_ready(self, notify):
        deadline = time.monotonic() + START_TIMEOUT
        notify.settimeout(0.05)
        while time.monotonic() < deadline:
            try:
                if b"READY=1" in notify.recv(4096).split(b"\n"):
                    return
            except TimeoutError:
                if self.process.poll() is not None:
                    raise AssertionError(f"the daemon ended with {self.process.returncode} before it was ready:\n"
                                         + self.tail()) from None
        raise AssertionError(f"the daemon was not ready within {START_TIMEOUT} s:\n{self.tail()}")

    def tail(self, lines=15):
        """The end of its log."""
        with open(self.log, errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=STOP_TIMEOUT):
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the daemon did not end within {timeout} s:\n{self.tail()}") from None

    def stop(self):
        """Ends it as an administrator does; the networks are lowered."""
        self.signal(signal.SIGTERM)
        code = self.wait()
        if code != 0:
            raise AssertionError(f"the daemon ended with {code}:\n{self.tail()}")

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.process.wait()

    # Use.

    def environment(self, **more):
        return {"PATH": os.environ["PATH"], "DRAWBRIDGE_SOCKET": self.socket, **more}

    def drawbridge(self, *arguments, check=True, **options):
        """Runs the command against this daemon."""
        return run(self.command(*arguments), check=check, environment=self.environment(), **options)

    def command(self, *arguments):
        """The command line that runs the command against this daemon."""
        return self.namespace.inside(self.product.command, *arguments, "--socket", self.socket)

    def json(self, *arguments):
        """Runs the command with --json and returns what it says."""
        return json.loads(self.drawbridge(*arguments, "--json").stdout)

    def script(self, name, *arguments, check=True, **environment):
        """Runs a script as a hypervisor does."""
        return run(self.namespace.inside(os.path.join(self.scripts, name), *arguments), check=check,
                   environment=self.environment(**environment))

    def plan(self):
        """What raising the network would do, for people."""
        return self.drawbridge("plan", "network-start", "xenbr0", "--uplink", "eth0").stdout

    def add_pair(self, vif, guest, *options, network="xenbr0", check=True):
        """Attaches a namespace by a pair that Drawbridge makes."""
        return self.drawbridge("vif", "add", "--id", vif, "--bridge", network, "--netns", guest.path, *options,
                               check=check)

    def remove_vif(self, vif, check=True):
        return self.drawbridge("vif", "remove", f"vif{vif}", check=check)

    def connected_vifs(self):
        """The vifs that the daemon says are connected, by domain and device."""
        return {vif["id"].removeprefix("vif") for vif in self.json("vif", "list")["vifs"]
                if vif["state"] == "connected"}

    def pending_plan(self):
        """What the daemon would change now, a line a step: nothing, when all is as it should be."""
        return self.json("plan", "network-start", "xenbr0", "--uplink", "eth0")["outcome"]["plan"]

    def network(self, name="xenbr0"):
        """What the daemon says of a network; None where there is no such."""
        return next((network for network in self.json("network", "list")["networks"]
                     if name in (network["name"], network["bridge"])), None)

    def vif_bridge(self, command, vif, check=True, **keys):
        """`vif-bridge` for a device that is there, from arguments and environment alone."""
        arguments = [f"{key}={value}" for key, value in keys.items()]
        return self.script("vif-bridge", command, *arguments, check=check, vif=f"vif{vif}",
                           XENBUS_PATH="backend/vif/" + vif.replace(".", "/"))

    def restore(self, check=True):
        """Restores the host from the state directory, without a daemon."""
        return run(self.namespace.inside(self.product.command, "restore", "--state-dir", self.state,
                                         "--persistent-dir", self.kept), check=check,
                   environment={"PATH": os.environ["PATH"]})
