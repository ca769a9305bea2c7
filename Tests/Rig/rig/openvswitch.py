"""A real Open vSwitch of Debian's in a namespace: its database on a socket of its own, its userspace datapath, which
needs no kernel module, or the kernel's where there is one. Debian's ovs-vsctl is the witness."""

import json
import os
import shutil
import subprocess

from . import product
from .cases import NotHere
from .namespaces import run
from .xen import eventually

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class OpenVSwitch:
    """ovsdb-server and ovs-vswitchd, started with the bridges that are named: of the userspace datapath (`netdev`) or
    of the kernel's (`system`)."""

    def __init__(self, namespace, *bridges, datapath="netdev"):
        if shutil.which("ovs-vswitchd") is None:
            raise AssertionError("there is no ovs-vswitchd: run 'make deps'")
        if datapath == "netdev" and not os.path.exists("/dev/net/tun"):
            raise NotHere("no /dev/net/tun, which bridges of the userspace datapath are made of")
        self.namespace = namespace
        self.directory = os.path.join(product.scratch(), f"ovs{next(product._counter)}")
        os.mkdir(self.directory, 0o755)
        self.database = os.path.join(self.directory, "conf.db")
        self.socket = os.path.join(self.directory, "db.sock")
        self.processes = {}
        run(["ovsdb-tool", "create", self.database, SCHEMA])
        self.start_database()
        self.vsctl("--no-wait", "init")
        self.start_switch()
        for bridge in bridges:
            self.vsctl("add-br", bridge, "--", "set", "bridge", bridge, f"datapath_type={datapath}")
            if datapath == "system" and self.row("Interface", bridge)["ofport"] != 65534:
                raise NotHere("the kernel has no datapath of Open vSwitch")

    @property
    def environment(self):
        """What makes a program find this Open vSwitch."""
        return {"OVS_RUNDIR": self.directory}

    def _start(self, name, *words):
        control = os.path.join(self.directory, f"{name}.ctl")
        if os.path.exists(control):
            os.unlink(control)
        with open(os.path.join(self.directory, f"{name}.log"), "ab") as log:
            self.processes[name] = self.namespace.start(
                name, *words, f"--unixctl={control}", "-vconsole:info", stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env={**os.environ, **self.environment, "OVS_LOGDIR": self.directory,
                                 "OVS_DBDIR": self.directory, "OVS_SYSCONFDIR": self.directory})

    def start_database(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self._start("ovsdb-server", f"--remote=punix:{self.socket}", self.database)
        eventually(lambda: self.vsctl("--no-wait", "--timeout=10", "show", check=False).returncode == 0,
                   "ovsdb-server does not serve")

    def start_switch(self):
        """Starts it, and waits until it has done what the database asks for."""
        self._start("ovs-vswitchd", f"unix:{self.socket}")
        self.vsctl("--timeout=60", "set", "open_vswitch", ".", f"external_ids:started={next(product._counter)}")

    def stop(self, name):
        """Ends one of the two the hard way."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def vsctl(self, *words, check=True):
        return run(["ovs-vsctl", f"--db=unix:{self.socket}", *words], check=check)

    def row(self, table, name):
        """A row of that name, its columns as `ovs-vsctl --format=json` tells them; None where there is none."""
        found = json.loads(self.vsctl("--format=json", "find", table, f'name="{name}"').stdout)
        if not found["data"]:
            return None
        return dict(zip(found["headings"], found["data"][0]))

    def ports(self, bridge):
        return set(self.vsctl("list-ports", bridge).stdout.split())

    def transactions(self, word):
        """How many transactions in the database's log have a word in their comment."""
        log = run(["ovsdb-tool", "show-log", self.database]).stdout
        return sum(word in line for line in log.splitlines() if line.startswith("record "))


def elements(value):
    """The elements of a set, also of one that has a single one."""
    return value[1] if isinstance(value, list) and value[0] == "set" else [value]


def texts(value):
    """A map as a dictionary."""
    return dict(value[1])
