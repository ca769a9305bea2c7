"""The systemd units, under a real service manager of their own: restart keeps the networks, stop gives back."""

import contextlib
import os
import re
import shutil
import subprocess
import time

from rig import product
from rig.cases import NotHere, demand, link, ports, test, unchanged
from rig.namespaces import run
from rig.topology import Topology

from test_dhcp import IDENTITIES, Lease, steady

MANAGER = "/lib/systemd/systemd"

# Its control groups stand below one of their own, so that none but it sees or meets them.
CONTROL_GROUP = "/sys/fs/cgroup/{}/dbrig{}"
ENTER = """
echo $$ > "$2/cgroup.procs"
exec unshare --cgroup --pid --fork --mount --kill-child sh -c "$3" sh "$1" "$4" "${1%/*}"
"""

# The manager gets a process namespace, the host's /sys, and a /run where systemd seems to have booted the machine.
# As process 1 systemd would not be a user's manager, so a shell is.
INSIDE = """
set -e
mount -n --make-rprivate /
mount -n -t proc proc /proc
mount -n -t sysfs sysfs /sys
if [ "$2" = unified ]; then
    mount -n -t cgroup2 cgroup2 /sys/fs/cgroup
else
    mount -n -t tmpfs none /sys/fs/cgroup
    mkdir /sys/fs/cgroup/systemd
    mount -n -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
fi
mkdir "$1/new-run"
mount -n -t tmpfs -o mode=0755 none "$1/new-run"
cd "$1/new-run"
mkdir -p systemd/system systemd/inaccessible/dir netns ".${3#/run}"
touch systemd/inaccessible/reg systemd/inaccessible/sock systemd/inaccessible/fifo
touch systemd/inaccessible/chr systemd/inaccessible/blk
mount -n --rbind /run/netns netns
mount -n --bind "$3" ".${3#/run}"
mount -n --move "$1/new-run" /run
cd /
%s --user --unit=basic.target &
wait
""" % MANAGER


class Manager:
    """A service manager in a host's namespace, with the shipped units for a daemon of its own."""

    def __init__(self, topology, configuration=product.BRIDGED, scripts=None):
        if not os.path.exists(MANAGER):
            raise NotHere("no systemd")
        self.host = topology.host
        self.daemon = product.Daemon(topology.host, configuration, scripts=scripts)
        self.directory = self.daemon.directory
        self.runtime = os.path.join(self.directory, "run")
        self.units = os.path.join(self.directory, "config/systemd/user")
        os.makedirs(self.units)
        os.mkdir(self.runtime, 0o700)
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": self.directory, "XDG_RUNTIME_DIR": self.runtime,
            "SYSTEMD_LOG_TARGET": "console", "XDG_CONFIG_HOME": os.path.join(self.directory, "config"),
        }
        self._write_programs()
        self._write_units()
        unified = os.path.exists("/sys/fs/cgroup/cgroup.procs")
        self.group = CONTROL_GROUP.format("" if unified else "systemd", self.daemon.directory.rpartition("/")[2]
                                          + str(os.getpid()))
        try:
            os.mkdir(self.group)
        except OSError as error:
            raise NotHere(f"no control groups: {error.strerror}") from None
        # Not by `ip netns exec`, whose /sys hides the control groups.
        self.process = subprocess.Popen(
            ["nsenter", f"--net={self.host.path}", "sh", "-c", ENTER, "sh", self.directory, self.group, INSIDE,
             "unified" if unified else "named"], env=self.environment, stdin=subprocess.DEVNULL,
            stdout=open(self.daemon.log, "ab"), stderr=subprocess.STDOUT)
        self.inside = []
        deadline = time.monotonic() + 10
        while not os.path.exists(os.path.join(self.runtime, "systemd/private")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise NotHere("systemd does not run here: " + self.daemon.tail())
            time.sleep(0.05)
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
            # systemd answers only those whose process it can see.
            self.inside = ["nsenter", "--target", file.read().split()[0], "--mount", "--pid"]

    def _write_programs(self):
        """`systemctl` and `systemd-run` that speak to this manager, and the installed command, first in the
        helpers' path."""
        self.programs = os.path.join(self.directory, "bin")
        os.mkdir(self.programs)
        texts = {name: f'exec /usr/bin/{name} --user "$@"' for name in ("systemctl", "systemd-run")}
        for name in ("run-script", "run-client"):
            helper = os.path.join(self.daemon.product.root, "usr/lib/drawbridge/drawbridge-" + name)
            texts[name] = (f'export PATH="{self.programs}:$PATH" XDG_RUNTIME_DIR="{self.runtime}"\n'
                           f'. {helper}')
        for name, text in texts.items():
            path = os.path.join(self.programs, name)
            with open(path, "w") as file:
                file.write(f"#!/bin/sh\n{text}\n")
            os.chmod(path, 0o755)
        os.symlink(self.daemon.product.command, os.path.join(self.programs, "drawbridge"))

    def _write_units(self):
        """The shipped units, for this daemon's paths; the sandbox and all else stays as it is."""
        packaging = os.path.join(product.REPOSITORY, "Packaging/systemd")
        root = self.daemon.product.root
        state = os.path.join(self.runtime, "drawbridge")
        self.daemon.state = state
        self.daemon.socket = os.path.join(state, "io.drawbridge")
        with open(os.path.join(packaging, "drawbridged.service")) as file:
            text = file.read()
        text = text.replace("/usr/sbin/drawbridged", f"{root}/usr/sbin/drawbridged --config"
                            f" {self.daemon.configuration} --socket {self.daemon.socket} --state-dir {state}"
                            f" --script-dir {self.daemon.scripts} --persistent-dir {state}/kept")
        text = text.replace("StateDirectory=drawbridge\nStateDirectoryMode=0711\n", "")
        for name in ("run-script", "run-client"):
            text = text.replace("/usr/lib/drawbridge/drawbridge-" + name, f"{self.programs}/{name}")
        text = text.replace("/usr/lib/drawbridge/", f"{root}/usr/lib/drawbridge/")
        text = text.replace("[Service]", "[Service]\n"
                            f"Environment=PATH={self.programs}:/usr/sbin:/usr/bin:/sbin:/bin\n"
                            f"Environment=DRAWBRIDGE_SOCKET={self.daemon.socket}\n"
                            f"StandardOutput=append:{self.daemon.log}\nStandardError=append:{self.daemon.log}")
        text = re.sub(r"(?m)^(Wants|After)=.*network-online.*$", "", text)
        with open(os.path.join(self.units, "drawbridged.service"), "w") as file:
            file.write(text)
        with open(os.path.join(packaging, "drawbridged.socket")) as file:
            text = file.read().replace("/run/drawbridge", state).replace("SocketGroup=drawbridge", "SocketGroup=root")
        with open(os.path.join(self.units, "drawbridged.socket"), "w") as file:
            file.write(text)

    def systemctl(self, *arguments, check=True):
        result = run([*self.inside, "systemctl", "--user", *arguments], check=False,
                     environment=self.environment, timeout=60)
        demand(result.returncode == 0 or not check,
               f"systemctl {' '.join(arguments)}: {result.stderr}{self.daemon.tail()}")
        return result.stdout.strip()

    def main_process(self):
        return int(self.systemctl("show", "-p", "MainPID", "--value", "drawbridged.service"))

    def end(self):
        self.systemctl("exit", check=False)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for folder, _, _ in os.walk(self.group, topdown=False):
            os.rmdir(folder)


@contextlib.contextmanager
def managed(**options):
    """A host whose daemon runs under a manager; at the end it is stopped and the host has to be what it was."""
    if shutil.which("systemctl") is None:
        raise NotHere("no systemctl")
    topology = Topology()
    manager = None
    try:
        before = product.dump(topology.host)
        manager = Manager(topology, **options)
        manager.systemctl("start", "drawbridged.service")
        if not options:
            demand("eth0" in ports(topology.host), f"not raised: {manager.daemon.tail()}")
        yield topology, manager
        manager.systemctl("stop", "drawbridged.service")
        product.assert_equal(before, product.dump(topology.host))
    finally:
        if manager is not None and hasattr(manager, "process"):
            manager.end()
        topology.remove()


@test("systemctl restart keeps the network and its guests, stop gives the host back and closes the socket")
def restart_and_stop():
    with managed() as (topology, manager):
        daemon = manager.daemon
        daemon.add_pair("1.0", topology.add_guest("1.0"))
        first = manager.main_process()
        with unchanged(topology.host):
            manager.systemctl("restart", "drawbridged.service")
        demand(manager.main_process() not in (0, first), "it is the same process")
        demand(daemon.connected_vifs() == {"1.0"}, daemon.connected_vifs())
        manager.systemctl("stop", "drawbridged.service")
        demand(link(topology.host, "xenbr0") is None, "xenbr0 is still there")
        demand(link(topology.host, "vif1.0") is not None, "the guest's device is gone")
        deadline = time.monotonic() + 5
        while manager.systemctl("is-active", "drawbridged.socket", check=False) == "active":
            demand(time.monotonic() < deadline, "the socket is still open")
            time.sleep(0.05)


@test("an event that comes during a restart waits in the socket and is served")
def held_event():
    with managed() as (topology, manager):
        daemon = manager.daemon
        topology.add_guest_with_device("3.1")
        restart = subprocess.Popen([*manager.inside, "systemctl", "--user", "restart", "drawbridged.service"],
                                   env=manager.environment)
        daemon.vif_bridge("online", "3.1", bridge="xenbr0")
        demand(restart.wait(60) == 0, daemon.tail())
        demand("vif3.1" in ports(topology.host), ports(topology.host))


@test("a crash under systemd: the next process adopts the network and drops no guest")
def crash():
    with managed() as (topology, manager):
        daemon = manager.daemon
        daemon.add_pair("1.0", topology.add_guest("1.0"))
        manager.systemctl("kill", "--kill-whom=main", "--signal=KILL", "drawbridged.service")
        deadline = time.monotonic() + 20
        while manager.systemctl("is-active", "drawbridged.service", check=False) != "active":
            demand(time.monotonic() < deadline, daemon.tail())
            time.sleep(0.1)
        # The manager may not have noticed the death yet when it is asked.
        while True:
            try:
                if daemon.connected_vifs() == {"1.0"}:
                    break
            except Exception:
                pass
            demand(time.monotonic() < deadline, daemon.tail())
            time.sleep(0.1)


@test("a script of the administrator's runs outside of the daemon's sandbox")
def outside_the_sandbox():
    # Below /run, which belongs to root alone, and which the sandbox makes read-only.
    scripts = os.path.join(product.scratch(), "outside")
    os.mkdir(scripts, 0o755)
    log = os.path.join(scripts, "log")
    with open(os.path.join(scripts, "mine"), "w") as file:
        file.write(f"#!/bin/sh\n{{ echo $*; grep -E 'CapBnd|NoNewPrivs' /proc/self/status; }} >> {log}\n")
    os.chmod(os.path.join(scripts, "mine"), 0o755)
    own = {line.split()[0]: line.split()[1] for line in open("/proc/self/status")
           if line.startswith(("CapBnd", "NoNewPrivs"))}
    with managed(configuration="(network-script 'mine colour=red')\n", scripts=scripts) as (topology, manager):
        demand(os.path.exists(log), f"it did not run, or could not write: {manager.daemon.tail()}")
        with open(log) as file:
            words = file.read().split()
        demand(words[:2] == ["start", "colour=red"], words)
        demand(words[words.index("CapBnd:") + 1] == own["CapBnd:"], words)
        demand(words[words.index("NoNewPrivs:") + 1] == own["NoNewPrivs:"], words)


def handed_over(client):
    """With a DHCP client on the uplink: the one on the bridge goes on over a restart, outside of the daemon's unit;
    the host's own goes on after the stop, and not in the daemon's sandbox."""
    topology = Topology()
    manager = lease = None
    try:
        manager = Manager(topology)
        within = [*manager.inside, f"--net={topology.host.path}"]
        lease = Lease(topology, client, within=within)
        before = steady(product.dump(topology.host))

        def look(*command):
            return run([*within, *command], check=False).stdout

        manager.systemctl("start", "drawbridged.service")
        demand("eth0" in ports(topology.host), f"not raised: {manager.daemon.tail()}")
        running = manager.daemon.network()["dhcpHandover"]["running"]
        lease.await_confirmations(2)
        groups = look("cat", f"/proc/{running}/cgroup")
        demand("drawbridge-dhcp-bridge" in groups and "drawbridged.service" not in groups,
               groups + manager.daemon.tail(40))
        manager.systemctl("restart", "drawbridged.service")
        demand(manager.daemon.network()["dhcpHandover"]["running"] == running, manager.daemon.tail())
        lease.await_confirmations(1)
        demand(lease.addresses("xenbr0") == [lease.address], lease.addresses("xenbr0"))
        manager.systemctl("stop", "drawbridged.service")
        lease.await_confirmations(2)
        groups = look("cat", f"/proc/{lease.process}/cgroup")
        demand(groups and "drawbridged.service" not in groups, f"'{groups}': {manager.daemon.tail()}")
        status = look("grep", "NoNewPrivs", f"/proc/{lease.process}/status")
        demand(status.split()[1:] == ["0"], status)
        product.assert_equal(before, steady(product.dump(topology.host)))
        lease.demand_unbroken(IDENTITIES[client])
    finally:
        if lease is not None:
            lease.end()
        if manager is not None and hasattr(manager, "process"):
            manager.end()
        topology.remove()


@test("under systemd udhcpc is handed over, outlives a restart of the daemon, and is handed back")
def udhcpc_under_systemd():
    handed_over("udhcpc")


@test("under systemd dhclient is handed over, outlives a restart of the daemon, and is handed back")
def dhclient_under_systemd():
    handed_over("dhclient")
