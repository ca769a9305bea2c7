"""The daemon's life, its configuration and custom scripts: behaviours 96 to 103."""

import os
import tempfile
import signal
import socket
import stat
import subprocess
import time

from rig import product
from rig.cases import demand, demand_error, host, link, ports, test, unchanged
from rig.namespaces import run
from rig.topology import HOST_IPV4, ROUTER_IPV4

NO_NETWORK = "(network-script)\n(vif-script vif-bridge)\n"

# A program of the administrator's that writes down how it was called.
RECORDER = """#!/bin/sh
for word in "$0" "$@"; do printf '%s\\n' "$word"; done >> {log}
printf 'end\\n' >> {log}
env | sort > {log}.environment
exit {code}
"""


class Scripts:
    """A script directory with the built-ins and programs of the administrator's."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="scripts", dir=product.scratch())
        os.chmod(self.directory, 0o755)
        installed = product.installation().scripts
        for name in os.listdir(installed):
            os.symlink(os.path.realpath(os.path.join(installed, name)), os.path.join(self.directory, name))

    def write(self, name, text, mode=0o755):
        path = os.path.join(self.directory, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def recorder(self, name, code=0):
        log = os.path.join(self.directory, f"{name}.log")
        self.write(name, RECORDER.format(log=log, code=code))
        return log


def calls(log):
    """How the recorder was called: a list of argument lists."""
    if not os.path.exists(log):
        return []
    with open(log) as file:
        return [call.splitlines() for call in file.read().split("end\n") if call]


@test("§7-96: a custom network script is called with start and its arguments, and with stop at the end")
def script_arguments():
    scripts = Scripts()
    log = scripts.recorder("record")
    with host(configuration="(network-script 'record netdev=eth1 bridge=xenbr1')\n",
              scripts=scripts.directory) as (topology, daemon):
        demand([call[1:] for call in calls(log)] == [["start", "netdev=eth1", "bridge=xenbr1"]], calls(log))
        demand(calls(log)[0][0].endswith("record"), calls(log)[0])
        daemon.stop()
        demand([call[1:] for call in calls(log)][1:] == [["stop", "netdev=eth1", "bridge=xenbr1"]], calls(log))


@test("§7-97: an absolute path is run; without a network script nothing is")
def script_path():
    for configuration in ("(network-script /bin/true)\n", "(network-script)\n", "\n"):
        with host(configuration=configuration) as (topology, daemon):
            demand(not daemon.json("network", "list")["networks"]
                   or all(network["state"] == "down" for network in daemon.json("network", "list")["networks"]),
                   daemon.json("network", "list"))
            demand(link(topology.host, "xenbr0") is None, "a bridge was made")


def config_check(text, suffix="sxp"):
    """`drawbridge config check` on a text."""
    path = os.path.join(product.scratch(), f"check{time.monotonic_ns()}.{suffix}")
    with open(path, "w") as file:
        file.write(text)
    return run([product.installation().command, "config", "check", path], check=False)


@test("§7-99: comments, quotes, escapes and nested lists are read; a stray ) and an open end are errors")
def grammar():
    good = config_check("# a comment\n(network-script 'network-bridge netdev=eth0') # more\n"
                        "(vif-script \"vif-bridge\")\n(xend-relocation-hosts-allow '^a\\\\.b$ \\x41\\101')\n"
                        "(nested (a (b c)))\n")
    demand(good.returncode == 0, good.stderr)
    for text, where in (("(vif-script vif-bridge)\n)\n", ":2:1"), ("(vif-script vif-bridge\n", ":2:1"),
                        ("(vif-script 'vif-bridge)\n", ":1:")):
        bad = config_check(text)
        demand(bad.returncode != 0 and where in bad.stderr, f"{text!r}: {bad.stderr}")


@test("§7-100: of equal keys the first wins; XEND_CONFIG names the file; a missing file is said")
def duplicates():
    with host(configuration="(network-script 'network-bridge netdev=eth0 bridge=xenbr0')\n"
              "(network-script 'network-bridge netdev=eth0 bridge=second')\n") as (topology, daemon):
        demand("eth0" in ports(topology.host), "the second one won")


@test("§7-101: all the words for yes and no are read, others are refused with key and word")
def booleans():
    for word in ("yes", "No", "1", "0", "ON", "off", "true", "FALSE", "t", "f", "y", "n"):
        good = config_check(f"(drawbridge-stop-on-exit {word})\n(xend-relocation-server {word})\n")
        demand(good.returncode == 0 and "expected bool" not in good.stdout + good.stderr, f"{word}: {good.stderr}")
    bad = config_check("(drawbridge-stop-on-exit perhaps)\n")
    demand(bad.returncode != 0, "perhaps was taken for a boolean")
    demand("invalid xend config drawbridge-stop-on-exit: expected bool: perhaps" in bad.stderr, bad.stderr)
    # A key of xend that has no meaning here is only warned of.
    passed = config_check("(xend-unix-server perhaps)\n")
    demand(passed.returncode == 0 and "expected bool: perhaps" in passed.stdout + passed.stderr, passed.stderr)


@test("§7-102: a network script that fails does not keep the daemon from starting")
def failing_script():
    scripts = Scripts()
    log = scripts.recorder("record", code=3)
    with host(configuration="(network-script record)\n", scripts=scripts.directory) as (topology, daemon):
        demand(len(calls(log)) == 1, calls(log))
        demand("3" in daemon.tail() and "record" in daemon.tail(), daemon.tail())
        daemon.json("daemon", "status")


@test("§7-102: a start after a crash runs the script again, and finds its work done")
def start_after_crash():
    with host() as (topology, daemon):
        daemon.add_pair("1.0", topology.add_guest("1.0"))
        daemon.kill()
        demand("vif1.0" in ports(topology.host), "the guest was dropped by the crash")
        with unchanged(topology.host):
            daemon.start()
        demand(daemon.connected_vifs() == {"1.0"}, daemon.connected_vifs())


@test("§7-103: with stop-on-exit off the network stays, with it on it is given back")
def stop_on_exit():
    text = ("version: 1\nnetwork-script: network-bridge netdev=eth0 bridge=xenbr0\n"
            "vif-script: vif-bridge\nstop-on-exit: {}\n")
    with host(configuration=text.format("no"), suffix="yaml", compare=False) as (topology, daemon):
        with unchanged(topology.host):
            daemon.stop()
        demand("eth0" in ports(topology.host), "the network was taken down")
        daemon.configure(text.format("yes"))
        daemon.start()
        daemon.stop()
        demand(link(topology.host, "xenbr0") is None, "xenbr0 is still there")


@test("the wrapper with two uplinks: network-bridge called twice by a script of the administrator's")
def two_uplinks():
    scripts = Scripts()
    scripts.write("two", "#!/bin/sh\nset -e\ndir=$(dirname \"$0\")\n"
                  f"\"{scripts.directory}/network-bridge\" \"$1\" vifnum=0 netdev=eth0 bridge=xenbr0\n"
                  f"\"{scripts.directory}/network-bridge\" \"$1\" vifnum=1 netdev=eth1 bridge=xenbr1\n")

    def prepare(topology):
        topology.host.ip("link", "add", "eth1", "type", "veth", "peer", "name", "lan1", "netns",
                         topology.router.name)
        topology.router.ip("link", "set", "lan1", "up")
        topology.host.batch(["link set eth1 up", "address add 203.0.113.9/24 dev eth1"])
        topology.host.settled("eth1")

    with host(configuration="(network-script two)\n", scripts=scripts.directory,
              prepare=prepare) as (topology, daemon):
        demand("eth0" in ports(topology.host, "xenbr0"), daemon.tail())
        demand("eth1" in ports(topology.host, "xenbr1"), daemon.tail())


VIF_MINE = "(network-script 'network-bridge netdev=eth0 bridge=xenbr0')\n(vif-script 'vif-mine colour=blue')\n"


@test("a wrapper around vif-bridge connects what is added through the API, inside the event that it was called for")
def wrapped_vif_script():
    scripts = Scripts()
    log = os.path.join(scripts.directory, "wrapped")
    scripts.write("vif-mine", f"#!/bin/sh\nset -e\necho \"$@ $vif $ip $mac\" >> {log}\n"
                  f"\"{scripts.directory}/vif-bridge\" \"$@\"\n"
                  f"ip -o link show master xenbr0 | grep -c vif >> {log} || true\n")
    with host(configuration=VIF_MINE, scripts=scripts.directory) as (topology, daemon):
        daemon.add_pair("1.0", topology.add_guest("1.0"), "--ip", "192.0.2.21", "--mac", "00:16:3e:00:00:01")
        demand("vif1.0" in ports(topology.host), ports(topology.host))
        topology.address_guest("1.0")
        topology.guests["1.0"].run("ping", "-c", "1", "-W", "2", "192.0.2.1")
        with open(log, encoding="ascii") as file:
            text = file.read()
        demand(text == "online type_if=vif colour=blue vif1.0 192.0.2.21 00:16:3e:00:00:01\n1\n", repr(text))
        demand(daemon.connected_vifs() == {"1.0"}, daemon.connected_vifs())
        daemon.remove_vif("1.0")
        demand(link(topology.host, "vif1.0") is None, "the pair is still there")
        with open(log, encoding="ascii") as file:
            demand("offline type_if=vif colour=blue vif1.0" in file.read(), "not called with offline")
        # What a hypervisor made is given to the program as well, and stays.
        topology.add_guest_with_device("3.1")
        daemon.drawbridge("vif", "add", "--id", "3.1", "--device", "vif3.1", "--bridge", "xenbr0")
        demand("vif3.1" in ports(topology.host), ports(topology.host))
        daemon.remove_vif("3.1")
        demand(link(topology.host, "vif3.1") is not None and not ports(topology.host) - {"eth0"}, "not released")


@test("what a vif script of the administrator's connects by itself is listed, and taken off by the same script")
def own_vif_script():
    scripts = Scripts()
    scripts.write("vif-mine", "#!/bin/sh\nset -e\ncase $1 in\nonline) ip link set \"$vif\" master other0 up;;\n"
                  "offline) ip link set \"$vif\" nomaster;;\nesac\n")

    def prepare(topology):
        topology.host.ip("link", "add", "other0", "type", "bridge")

    # A bridge that has had a port is not quite what it was: the kernel takes its address from its ports.
    with host(configuration=VIF_MINE, scripts=scripts.directory, prepare=prepare,
              compare=False) as (topology, daemon):
        daemon.add_pair("1.0", topology.add_guest("1.0"))
        demand(ports(topology.host, "other0") == {"vif1.0"}, ports(topology.host, "other0"))
        demand([vif["id"] for vif in daemon.json("vif", "list")["vifs"]] == ["vif1.0"], daemon.json("vif", "list"))
        daemon.remove_vif("1.0")
        demand(link(topology.host, "vif1.0") is None, "the pair is still there")


@test("a vif script of the administrator's that fails leaves nothing behind, and says why")
def failing_vif_script():
    scripts = Scripts()
    scripts.write("vif-mine", "#!/bin/sh\necho the switch is on fire >&2\nexit 3\n")
    with host(configuration=VIF_MINE, scripts=scripts.directory) as (topology, daemon):
        guest = topology.add_guest("1.0")
        with unchanged(topology.host):
            result = daemon.add_pair("1.0", guest, check=False)
        demand_error(result, "vif-mine", "exited with status 3", "the switch is on fire")
        demand(daemon.json("vif", "list")["vifs"] == [], daemon.json("vif", "list"))


@test("a script that others may write, or that stands below such a directory, is refused")
def unsafe_script():
    scripts = Scripts()
    log = scripts.recorder("record")
    os.chmod(os.path.join(scripts.directory, "record"), 0o777)
    with host(configuration="(network-script record)\n", scripts=scripts.directory) as (topology, daemon):
        demand(not calls(log), "it was run")
        demand("record" in daemon.tail(), daemon.tail())


@test("a script that does not end is killed with all that it started, and its failure is told")
def endless_script():
    scripts = Scripts()
    marker = f"61{os.getpid()}"
    scripts.write("endless", f"#!/bin/sh\nsleep {marker} &\nsleep {marker}\n")
    with host(configuration="version: 1\nnetwork-script: endless\nscript-timeout: 1\n", suffix="yaml",
              scripts=scripts.directory) as (topology, daemon):
        demand("endless" in daemon.tail(), daemon.tail())
        commands = [open(f"/proc/{pid}/cmdline").read() for pid in topology.host.processes()]
        demand(not any(marker in command for command in commands), commands)


@test("a second daemon in the same namespace is refused, whatever its state directory")
def second_daemon():
    with host() as (topology, daemon):
        second = product.Daemon(topology.host)
        with unchanged(topology.host):
            try:
                second.start()
            except AssertionError as error:
                demand("ended with" in str(error), error)
            else:
                second.kill()
                raise AssertionError("it was let in")


@test("daemon stop --keep-network leaves everything, and the next daemon adopts it")
def hand_over():
    with host() as (topology, daemon):
        daemon.add_pair("1.0", topology.add_guest("1.0"))
        with unchanged(topology.host):
            daemon.drawbridge("daemon", "stop", "--keep-network")
            demand(daemon.wait() == 0, daemon.tail())
            daemon.start()
        demand(daemon.connected_vifs() == {"1.0"}, daemon.connected_vifs())


@test("vifs attached at a stop are attached again by the next start")
def remembered():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.1")
        daemon.vif_bridge("online", "3.1", bridge="xenbr0")
        daemon.add_pair("1.0", topology.add_guest("1.0"))
        daemon.stop()
        demand(link(topology.host, "xenbr0") is None, "xenbr0 is still there")
        daemon.start()
        demand({"vif3.1", "vif1.0"} <= ports(topology.host), ports(topology.host))


@test("SIGHUP reads the configuration again; a bad one is refused and changes nothing")
def reload():
    with host() as (topology, daemon):
        daemon.configure("(network-script 'network-bridge netdev=eth0 bridge=xenbr0'\n")
        with unchanged(topology.host):
            daemon.signal(signal.SIGHUP)
            time.sleep(0.5)
            demand(daemon.process.poll() is None, "the daemon ended")
            demand(daemon.json("network", "list")["networks"][0]["state"] == "up", "the network is not up")


@test("a bad configuration keeps the daemon from starting, in one line with file, line and column")
def bad_configuration():
    with host(configuration="(network-script 'network-bridge netdev=eth0\n", start=False) as (topology, daemon):
        with unchanged(topology.host):
            try:
                daemon.start()
            except AssertionError:
                pass
            else:
                raise AssertionError("it started")
            demand("xend-config.sxp:" in daemon.tail(), daemon.tail())


@test("a state directory that cannot be used is refused, and nothing changes")
def bad_state_directory():
    with host(start=False) as (topology, daemon):
        for make in (lambda path: open(path, "w").close(), lambda path: os.symlink("/tmp", path)):
            make(daemon.state)
            with unchanged(topology.host):
                try:
                    daemon.start()
                except AssertionError:
                    pass
                else:
                    daemon.kill()
                    raise AssertionError("it started")
            os.unlink(daemon.state)


@test("the state directory is closed to others")
def state_directory_mode():
    with host() as (topology, daemon):
        for folder, _, files in os.walk(daemon.state):
            for name in files:
                demand(os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0
                       or os.stat(folder).st_mode & 0o077 == 0, f"{folder}/{name} can be read by others")


@test("a script without a daemon gives up in a bounded time with a message")
def no_daemon():
    with host(start=False) as (topology, daemon):
        topology.add_guest_with_device("3.1")
        begin = time.monotonic()
        demand_error(daemon.vif_bridge("online", "3.1", check=False, bridge="xenbr0"))
        demand(time.monotonic() - begin < 30, "it took too long")


@test("the scripts for routes refuse an uplink that is a port of a bridge, each by its name, and nothing changes")
def other_scripts():
    with host() as (topology, daemon):
        with unchanged(topology.host):
            for name in ("network-route", "network-nat", "vif-route", "vif-nat"):
                command = "start" if name.startswith("network") else "online"
                result = daemon.script(name, command, check=False, vif="vif3.1", XENBUS_PATH="backend/vif/3/1")
                demand(result.returncode != 0 and name in result.stderr, f"{name}: {result.stderr}")


@test("garbage, too much, and silence on the socket: the daemon goes on")
def hostile_clients():
    with host() as (topology, daemon):
        def send(data):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(daemon.socket)
                try:
                    client.sendall(data)
                    client.recv(4096)
                except (BrokenPipeError, ConnectionResetError, TimeoutError):
                    pass

        with unchanged(topology.host):
            send(b"not json at all\0")
            send(b"{" * 2_000_000)
            send(b'{"method":"io.drawbridge.NoSuchMethod"}\0')
            send(b'{"method":"io.drawbridge.AddVif","parameters":{"vif":7}}\0')
            silent = socket.socket(socket.AF_UNIX)
            silent.connect(daemon.socket)
            demand(daemon.json("daemon", "status") is not None, "no answer")
            silent.close()


@test("--dry-run prints the plan and changes nothing")
def dry_run():
    with host(configuration=NO_NETWORK) as (topology, daemon):
        with unchanged(topology.host):
            result = daemon.drawbridge("network", "start", "xenbr0", "--uplink", "eth0", "--dry-run")
            demand("xenbr0" in result.stdout and "eth0" in result.stdout, result.stdout)
        daemon.drawbridge("network", "start", "xenbr0", "--uplink", "eth0")
        guest = topology.add_guest("1.0")
        with unchanged(topology.host):
            result = daemon.add_pair("1.0", guest, "--dry-run")
            demand("vif1.0" in result.stdout, result.stdout)
            result = daemon.drawbridge("network", "stop", "xenbr0", "--dry-run")
            demand("xenbr0" in result.stdout, result.stdout)


@test("unknown commands and options end with an error and an exit code")
def unknown_commands():
    with host() as (topology, daemon):
        with unchanged(topology.host):
            for arguments in (["frobnicate"], ["network", "frobnicate"], ["vif", "add", "--colour", "red"],
                              ["network", "start", "nosuch"], ["vif", "remove", "vif99.9"]):
                result = daemon.drawbridge(*arguments, check=False)
                demand(result.returncode != 0 and result.stderr.strip(), f"{arguments}: {result.stdout}")


@test("a path that is no network namespace is refused, and nothing changes")
def no_namespace():
    with host() as (topology, daemon):
        for path in ("/etc/passwd", "/nonexistent", "/proc/self/ns/mnt"):
            with unchanged(topology.host):
                result = daemon.drawbridge("vif", "add", "--id", "1.0", "--bridge", "xenbr0", "--netns",
                                           path, check=False)
                demand(result.returncode != 0, f"{path} was taken")


@test("what is installed is static and needs no Swift")
def static_programs():
    for program in (product.installation().command, product.installation().daemon,
                    os.path.realpath(os.path.join(product.installation().scripts, "vif-bridge"))):
        demand(os.stat(program).st_mode & stat.S_IXUSR, program)
        result = subprocess.run(["ldd", program], capture_output=True, text=True)
        demand("not a dynamic executable" in result.stdout + result.stderr
               or "statically linked" in result.stdout + result.stderr, f"{program}: {result.stdout}")


@test("restore without a daemon gives the host back after a crash, and keeps guests' devices")
def restore():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.1")
        daemon.vif_bridge("online", "3.1", bridge="xenbr0")
        daemon.kill()
        daemon.restore()
        demand(link(topology.host, "xenbr0") is None, "xenbr0 is still there")
        demand("master" not in link(topology.host, "vif3.1"), "the guest is still on a bridge")
        topology.router.run("ping", "-c", "1", "-W", "2", HOST_IPV4)


@test("restore while a daemon runs is refused")
def restore_beside_daemon():
    with host() as (topology, daemon):
        with unchanged(topology.host):
            demand_error(daemon.restore(check=False))


@test("guests reach each other, the router and the host")
def reachability():
    with host() as (topology, daemon):
        daemon.add_pair("1.0", topology.add_guest("1.0"))
        topology.add_guest_with_device("3.1")
        daemon.vif_bridge("online", "3.1", bridge="xenbr0")
        for vif in ("1.0", "3.1"):
            topology.address_guest(vif)
        one = topology.guests["1.0"]
        for address in (ROUTER_IPV4, HOST_IPV4, "192.0.2.31", "10.20.0.1"):
            one.run("ping", "-c", "1", "-W", "2", address)
