"""`drawbridge tap`: taps that Drawbridge makes, opened as Firecracker and QEMU open them, by a user without rights."""

import functools
import os
import signal
import subprocess

from rig import killpoint, product
from rig.cases import demand, demand_error, host, link, ports, test, unchanged
from rig.topology import ROUTER_IPV4

MAC = "06:00:ac:10:00:02"
OWNER, OTHER = 65534, 65533
# What Firecracker does with `host_dev_name` (src/vmm/src/devices/virtio/net/tap.rs): TUNSETIFF with
# IFF_TAP | IFF_NO_PI | IFF_VNET_HDR and, as QEMU, IFF_MULTI_QUEUE where a second argument tells it, then
# TUNSETOFFLOAD and TUNSETVNETHDRSZ; each frame has a header of 12 octets. Answers who the router is, as each line of
# standard input asks with an address of the guest's.
OPENER = f"""
import fcntl, os, select, socket, struct, sys, time
tap = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
try:
    fcntl.ioctl(tap, 0x400454ca, struct.pack('16sH22x', sys.argv[1].encode(), int(sys.argv[2], 16)))
except OSError as error:
    sys.exit(error.strerror)
fcntl.ioctl(tap, 0x400454d0, 0x01 | 0x02 | 0x04 | 0x10)
fcntl.ioctl(tap, 0x400454d8, struct.pack('i', 12))
mac = bytes.fromhex('{MAC}'.replace(':', ''))
print('open', flush=True)
for line in sys.stdin:
    own, tries = line.split()
    request = (bytes(12) + b'\\xff' * 6 + mac + struct.pack('!HHHBBH', 0x806, 1, 0x800, 6, 4, 1) + mac
               + socket.inet_aton(own) + bytes(6) + socket.inet_aton('{ROUTER_IPV4}') + bytes(18))
    answer = 'nobody'
    for _ in range(int(tries)):
        try:
            os.write(tap, request)
        except OSError as error:
            answer = error.strerror
            break
        end = time.monotonic() + 1
        while answer == 'nobody' and select.select([tap], [], [], max(0, end - time.monotonic()))[0]:
            frame = os.read(tap, 4096)[12:]
            if frame[12:14] == b'\\x08\\x06' and frame[20:22] == b'\\0\\2' and frame[:6] == mac:
                answer = 'router'
        if answer != 'nobody':
            break
    print(answer, flush=True)
"""


class Opener:
    """A program of a user's, as a hypervisor without rights is one."""

    def __init__(self, namespace, tap, user=OWNER, flags=0x5002, groups=()):
        ids = ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
        self.process = namespace.start(
            "setpriv", "--reuid", str(user), "--regid", str(user), *ids, "--inh-caps=-all", "/usr/bin/python3", "-c", OPENER,
            tap, f"{flags:x}", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.is_open = self.process.stdout.readline() == "open\n"
        self.error = "" if self.is_open else self.process.stderr.read().strip()

    def asks(self, own="192.0.2.41", tries=20):
        """Who answers: `router`, `nobody`, or why it cannot ask."""
        self.process.stdin.write(f"{own} {tries}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()
        self.process.wait(20)


def add(daemon, name, *options, check=True):
    return daemon.drawbridge("tap", "add", name, "--bridge", "xenbr0", "--mac", MAC, "--ip", "192.0.2.41", *options,
                             check=check)


def taps(daemon):
    return {vif["device"]: vif for vif in daemon.json("tap", "list")["vifs"]}


def is_there(namespace, name):
    return link(namespace, name) is not None


@test("tap add makes a tap that its owner alone opens as Firecracker does, filtered and limited; it outlives opener and daemon")
def for_firecracker():
    with host() as (topology, daemon):
        plan = add(daemon, "tap0", "--owner", str(OWNER), "--vnet-header", "--rate", "10Mb/s", "--dry-run").stdout
        demand("create tun tap0" in plan and not is_there(topology.host, "tap0"), plan)
        add(daemon, "tap0", "--owner", str(OWNER), "--vnet-header", "--rate", "10Mb/s")
        shown = link(topology.host, "tap0")
        data = shown["linkinfo"]["info_data"]
        demand((data["type"], data["pi"], data["vnet_hdr"], data["persist"], data["multi_queue"])
               == ("tap", False, True, True, False), data)
        demand(str(data["user"]) in (str(OWNER), "nobody") and "group" not in data, data)
        demand("tap0" in ports(topology.host) and "UP" in shown["flags"], shown)
        vif = taps(daemon)["tap0"]
        demand(vif["tap"] == {"owner": OWNER, "virtioHeader": True} and vif["rate"] and vif["filter"] == "addresses",
               vif)
        with Opener(topology.host, "tap0", user=OTHER) as other:
            demand(other.error == "Operation not permitted", f"somebody else: {other.error!r}")
        with Opener(topology.host, "tap0") as guest:
            demand(guest.is_open, guest.error)
            demand(guest.asks() == "router", "the guest does not reach the router")
            demand(guest.asks("192.0.2.42", tries=2) == "nobody", "another's address passes")
            daemon.kill()
            demand(guest.asks() == "router", "the guest is cut off without a daemon")
            daemon.start()
            demand(guest.asks() == "router" and guest.asks("192.0.2.42", tries=2) == "nobody", "after the restart")
            demand(not daemon.pending_plan(), daemon.pending_plan())
        demand("tap0" in ports(topology.host), "it goes with its opener")
        # To ask again for what is there changes nothing; to ask for another owner is refused.
        demand("nothing to do" in add(daemon, "tap0", "--id", vif["id"], "--owner", str(OWNER), "--vnet-header",
                                      "--rate", "10Mb/s").stdout, "it was made again")
        demand_error(add(daemon, "tap0", "--id", vif["id"], "--owner", str(OTHER), check=False), "another owner", code=6)
        with Opener(topology.host, "tap0") as guest:
            demand(guest.asks() == "router", "the guest does not reach the router")
            daemon.drawbridge("tap", "remove", "tap0")
            demand(not is_there(topology.host, "tap0") and taps(daemon) == {}, "it is still there")
            demand(guest.asks() == "File descriptor in bad state", "the opener has it still")


@test("tap add: several queues, a group, a chosen name and number; vif remove deletes it as well; the network's stop keeps it")
def kinds():
    with host() as (topology, daemon):
        daemon.drawbridge("tap", "add", "tap1", "--multi-queue", "--owner", "nobody", "--bridge", "xenbr0")
        with Opener(topology.host, "tap1", flags=0x5102) as one, Opener(topology.host, "tap1", flags=0x5102) as two:
            demand(one.is_open and two.is_open, one.error + two.error)
            demand(len(os.listdir(f"/proc/{one.process.pid}/fd")) > 2, "an opener has ended")
        daemon.drawbridge("tap", "add", "tap2", "--group", "4711", "--bridge", "xenbr0")
        with Opener(topology.host, "tap2", user=OTHER) as other, Opener(topology.host, "tap2", groups=[4711]) as member:
            demand(not other.is_open and member.is_open, f"{other.error!r}, {member.error!r}")
        # Without an owner it is its maker's; without a name it has its vif's.
        made = daemon.json("tap", "add", "--bridge", "xenbr0")["id"]
        with Opener(topology.host, made) as guest:
            demand(guest.error == "Operation not permitted", f"anybody opens it: {guest.error!r}")
        demand(daemon.json("tap", "add", "vif9.1", "--bridge", "xenbr0")["id"] == "vif9.1", taps(daemon))
        daemon.drawbridge("vif", "remove", "tap2")
        daemon.drawbridge("vif", "remove", "vif9.1")
        demand(not is_there(topology.host, "tap2") and not is_there(topology.host, "vif9.1"), "they are still there")
        kept = {"tap1", made}
        demand(set(taps(daemon)) == kept and kept <= ports(topology.host), taps(daemon))
        daemon.drawbridge("network", "stop", "xenbr0")
        demand(all(is_there(topology.host, name) for name in kept) and set(taps(daemon)) == kept, taps(daemon))
        daemon.drawbridge("network", "start", "xenbr0", "--uplink", "eth0")
        demand(kept <= ports(topology.host), ports(topology.host))
        for name in kept:
            daemon.drawbridge("tap", "remove", name)


@test("what is wrong with a call of tap add is told in one line, and nothing changes")
def refusals():
    def prepare(topology):
        topology.host.ip("link", "add", "other", "type", "bridge")
        topology.host.ip("tuntap", "add", "dev", "vif7.0", "mode", "tap")

    with host(prepare=prepare) as (topology, daemon):
        with unchanged(topology.host):
            for words, code, cause in (
                    (["other"], 6, "other"), (["vif7.0"], 6, "exists already"),
                    (["tap0", "--owner", "nosuchuser"], 5, "nosuchuser"), (["tap0", "--group", "nosuchgroup"], 5, "nosuchgroup"),
                    (["tap0", "--owner", "4294967295"], 2, "nobody's number"), (["a-name-too-long-for-it"], 2, "vifName"),
                    (["tap0", "--bridge", "nobr"], 5, "nobr"), (["tap0", "--mac", "x"], 2, "mac"),
                    (["tap0", "--ip", "192.0.2.300"], 2, "192.0.2.300"), (["tap0", "--rate", "fast"], 2, "fast"),
                    (["tap0", "--mtu", "65535"], 1, "tap0")):
                options = words if "--bridge" in words else [*words, "--bridge", "xenbr0"]
                demand_error(daemon.drawbridge("tap", "add", *options, check=False), cause, code=code)
            demand(taps(daemon) == {}, taps(daemon))
            demand_error(daemon.drawbridge("tap", "remove", "tap0", check=False), "tap0", code=2)
        daemon.drawbridge("vif", "add", "7.0", "--device", "vif7.0", "--bridge", "xenbr0")
        demand_error(daemon.drawbridge("tap", "remove", "vif7.0", check=False), "no tap that", code=6)
        daemon.drawbridge("vif", "remove", "7.0")


@test("a daemon killed before any change of tap add or tap remove leaves nothing that the next one does not know")
def kills():
    configuration = "version: 1\nnetworks:\n  xenbr0: {uplink: none}\n"

    with host(configuration=configuration, suffix="yaml", start=False) as (topology, first):
        def life(point):
            """A daemon that makes and removes a tap, killed before that change; what it had changed by each end."""
            daemon = product.Daemon(topology.host, configuration, "yaml")
            log = os.path.join(daemon.directory, "changes")
            daemon.start(prefix=killpoint.command(log, daemon.state, point))
            counts = [len(killpoint.changes(log, daemon.state)[0])]
            for words in (["add", "tap5", "--bridge", "xenbr0", "--mac", MAC, "--ip", "10.7.0.1", "--owner", "7"],
                          ["remove", "tap5"]):
                daemon.drawbridge("tap", *words, check=False)
                counts.append(len(killpoint.changes(log, daemon.state)[0]))
            return daemon, log, counts

        daemon, log, counts = life(0)
        daemon.stop()
        killpoint.await_end(log)
        changes = killpoint.changes(log, daemon.state)[0]
        points = [number for number, change in enumerate(changes, 1)
                  if counts[0] < number <= counts[2] and change.kind != "journal"]
        kinds = [changes[number - 1].kind for number in points]
        demand(kinds.count("ioctl") == 3 and kinds.count("netlink") >= 4, f"{[tuple(one) for one in changes]}")
        for point in points:
            daemon, log, _ = life(point)
            killpoint.await_end(log)
            demand(daemon.wait() == -signal.SIGKILL and killpoint.changes(log, daemon.state)[1], f"not killed at {point}")
            daemon.start()
            known = {name for name, vif in taps(daemon).items() if vif["state"] == "connected"}
            demand({"tap5"} & ports(topology.host) == known, f"killed at {point}: {known}, {ports(topology.host)}")
            demand(is_there(topology.host, "tap5") == bool(known), f"killed at {point}: tap5 is there, unknown")
            # One whose deletion was the last that the killed daemon did is remembered, and can be removed.
            for name in taps(daemon):
                daemon.drawbridge("tap", "remove", name)
            demand("error" not in daemon.tail(), f"killed at {point}: {daemon.tail()}")
            daemon.stop()
            demand(not is_there(topology.host, "tap5"), f"killed at {point}: tap5 is still there")


def start_for_members(daemon):
    """Starts the daemon on a host that has the group whose members may connect vifs."""
    groups = os.path.join(daemon.directory, "group")
    with open(groups, "w") as file:
        file.write("root:x:0:\ndrawbridge:x:4711:\n")
    daemon.start(prefix=["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/group && exec "$@"', groups])


def as_member(topology, daemon, *words, user=OWNER, check=True):
    """The command, run by somebody of that group."""
    return topology.host.run(
        "setpriv", "--reuid", str(user), "--regid", str(user), "--groups", "4711", "--inh-caps=-all",
        daemon.product.command, *words, "--socket", daemon.socket, check=check)


@test("a user other than root has as many vifs as vifs-per-user says: the next is refused in one line, until one goes")
def quota():
    configuration = product.BRIDGED + "(drawbridge-vifs-per-user 2)\n"
    with host(configuration=configuration, start=False) as (topology, daemon):
        start_for_members(daemon)
        member = functools.partial(as_member, topology, daemon)
        member("tap", "add", "tap1", "--bridge", "xenbr0")
        demand(taps(daemon)["tap1"]["tap"] == {"owner": OWNER}, taps(daemon))
        with Opener(topology.host, "tap1") as guest:
            demand(guest.is_open, guest.error)
        demand_error(member("tap", "add", "tap2", "--bridge", "xenbr0", "--owner", "0", check=False), "others open", code=4)
        member("tap", "add", "tap2", "--bridge", "xenbr0")
        # The bridge helper's taps count as well.
        helper = os.path.join(daemon.product.root, "usr/lib/drawbridge/qemu-bridge-helper")
        for result in (member("tap", "add", "tap3", "--bridge", "xenbr0", check=False),
                       topology.host.run("setpriv", "--reuid", str(OWNER), "--regid", str(OWNER), "--groups", "4711",
                                         helper, "--br=xenbr0", "--fd=0", check=False,
                                         environment=daemon.environment())):
            demand_error(result, "vifs-per-user allows 2", code=4)
        demand(set(taps(daemon)) == {"tap1", "tap2"} and len(daemon.json("vif", "list")["vifs"]) == 2, taps(daemon))
        # Others have theirs, and root has no limit.
        member("tap", "add", "tap3", "--bridge", "xenbr0", user=OTHER)
        demand_error(member("tap", "remove", "tap3", check=False), "another user", code=4)
        daemon.drawbridge("tap", "add", "tap4", "--bridge", "xenbr0")
        member("tap", "remove", "tap2")
        member("tap", "add", "tap5", "--bridge", "xenbr0")
        for name in taps(daemon):
            daemon.drawbridge("tap", "remove", name)
