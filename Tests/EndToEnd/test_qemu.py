"""`qemu-ifup`, `qemu-ifdown` and the bridge helper, called as QEMU calls them, with a program in QEMU's place."""

import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import time

from rig.cases import demand, demand_error, host, link, ports, test, unchanged
from rig.topology import ROUTER_IPV4
from rig.xen import eventually

MAC = "52:54:00:00:00:01"
# Opens the tap, asks by ARP who the router is, with the address that each line of standard input names, and tells
# whether an answer came.
GUEST = f"""
import fcntl, os, select, socket, struct, sys, time
tap = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(tap, 0x400454ca, struct.pack('16sH22x', sys.argv[1].encode(), 0x1002))
mac = bytes.fromhex('{MAC}'.replace(':', ''))
print('ready', flush=True)
for line in sys.stdin:
    own, tries = line.split()
    request = (b'\\xff' * 6 + mac + struct.pack('!HHHBBH', 0x806, 1, 0x800, 6, 4, 1) + mac + socket.inet_aton(own)
               + bytes(6) + socket.inet_aton('{ROUTER_IPV4}'))
    answer = 'nobody'
    for _ in range(int(tries)):
        os.write(tap, request)
        end = time.monotonic() + 1
        while answer == 'nobody' and select.select([tap], [], [], max(0, end - time.monotonic()))[0]:
            frame = os.read(tap, 4096)
            if frame[12:14] == b'\\x08\\x06' and frame[20:22] == b'\\0\\2' and frame[:6] == mac:
                answer = frame[22:28].hex()
        if answer != 'nobody':
            break
    print(answer, flush=True)
"""


class Guest:
    """What QEMU is to the host: a program that has made a tap and holds it open."""

    def __init__(self, namespace, tap):
        self.process = namespace.start("python3", "-c", GUEST, tap, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True)
        demand(self.process.stdout.readline() == "ready\n", "the tap cannot be made")

    def reaches(self, own, tries=20):
        self.process.stdin.write(f"{own} {tries}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip() != "nobody"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def devices(daemon):
    return {vif["device"]: vif["id"] for vif in daemon.json("vif", "list")["vifs"]}


@test("qemu-ifup connects QEMU's tap by its name alone, qemu-ifdown disconnects it; both may be repeated")
def up_and_down():
    with host() as (topology, daemon), Guest(topology.host, "tap0") as guest:
        for _ in range(2):
            daemon.script("qemu-ifup", "tap0")
        demand("tap0" in ports(topology.host) and "UP" in link(topology.host, "tap0")["flags"], "no port, or down")
        demand(list(devices(daemon)) == ["tap0"], devices(daemon))
        demand(guest.reaches("192.0.2.41"), "the guest does not reach the router")
        for _ in range(2):
            daemon.script("qemu-ifdown", "tap0")
        demand("tap0" not in ports(topology.host) and devices(daemon) == {}, devices(daemon))


@test("several taps have numbers of their own; the bridge may be the second argument")
def several():
    def prepare(topology):
        topology.host.ip("link", "add", "other", "type", "bridge")

    with host(prepare=prepare) as (topology, daemon):
        with Guest(topology.host, "tap0"), Guest(topology.host, "tap1"):
            daemon.script("qemu-ifup", "tap0", "xenbr0")
            daemon.script("qemu-ifup", "tap1", bridge="xenbr0")
            demand({"tap0", "tap1"} <= ports(topology.host), ports(topology.host))
            demand(len(set(devices(daemon).values())) == 2, devices(daemon))
            daemon.script("qemu-ifdown", "tap0")
            daemon.script("qemu-ifdown", "tap1")


@test("a tap is filtered as any vif is, where its addresses are told")
def filtered():
    with host() as (topology, daemon), Guest(topology.host, "tap0") as guest:
        daemon.script("qemu-ifup", "tap0", mac=MAC, ip="192.0.2.41")
        demand(guest.reaches("192.0.2.41"), "its own address does not pass")
        demand(not guest.reaches("192.0.2.42", tries=2), "another's address passes")
        daemon.script("qemu-ifdown", "tap0")


@test("a tap that went without qemu-ifdown is forgotten, and the next one of its name is connected")
def vanished():
    with host() as (topology, daemon):
        for _ in range(2):
            with Guest(topology.host, "tap0") as guest:
                daemon.script("qemu-ifup", "tap0", mac=MAC)
                demand(guest.reaches("192.0.2.41"), "the guest does not reach the router")
        daemon.script("qemu-ifdown", "tap0")
        demand(devices(daemon) == {}, json.dumps(devices(daemon)))


@test("what is wrong with a call of qemu-ifup is told in one line, and nothing changes")
def refusals():
    with host() as (topology, daemon), Guest(topology.host, "tap0"):
        with unchanged(topology.host, guests=("tap*",)):
            for words, keys, cause in (([], {}, "name of a tap"), (["tap0", "nobr"], {}, "nobr"),
                                       (["tap9"], {}, "tap9"), (["tap0"], {"mac": "x"}, "mac"),
                                       (["tap0"], {"mtu": "big"}, "mtu"), (["tap0"], {"rate": "fast"}, "fast")):
                demand_error(daemon.script("qemu-ifup", *words, check=False, **keys), cause)
        demand(devices(daemon) == {}, devices(daemon))


def helper(daemon, *words, prefix=(), **variables):
    """Calls the bridge helper as QEMU does; returns its result and the tap's descriptor, or None."""
    path = os.path.join(daemon.product.root, "usr/lib/drawbridge/qemu-bridge-helper")
    parent, child = socket.socketpair()
    with parent, child:
        result = subprocess.run([*prefix, path, f"--fd={child.fileno()}", *words], pass_fds=[child.fileno()],
                                env=daemon.environment(**variables), capture_output=True, text=True, timeout=60)
        child.close()
        data, descriptors, _, _ = socket.recv_fds(parent, 1, 1)
        demand(bool(descriptors) == (result.returncode == 0) and len(data) == len(descriptors), f"{result} {data}")
        return result, descriptors[0] if descriptors else None


def tap_of(descriptor):
    """The name and the flags of the tap behind a descriptor (TUNGETIFF)."""
    name, flags = struct.unpack("16sH22x", fcntl.ioctl(descriptor, 0x800454d2, bytes(40)))
    return name.rstrip(b"\0").decode(), flags


@test("the bridge helper passes QEMU a tap that is connected; it goes with its descriptor")
def bridge_helper():
    with host() as (topology, daemon):
        result, tap = helper(daemon, "--br=xenbr0", "--use-vnet")
        demand(result.returncode == 0, result.stderr)
        name, flags = tap_of(tap)
        demand(flags & 0x4002 == 0x4002, f"no tap, or no virtio header: {flags:#x}")
        demand(name in ports(topology.host) and "UP" in link(topology.host, name)["flags"], "no port, or down")
        result, second = helper(daemon, "--br", "xenbr0")
        demand(result.returncode == 0 and tap_of(second)[1] & 0x4000 == 0, f"{result} {tap_of(second)}")
        demand(len({name, tap_of(second)[0]} & ports(topology.host)) == 2, ports(topology.host))
        for descriptor in (tap, second):
            os.close(descriptor)
        eventually(lambda: ports(topology.host) == {"eth0"}, "the taps are still there")
        # Nothing of them is in the way of the next one.
        result, tap = helper(daemon, "--br=xenbr0")
        demand(result.returncode == 0, result.stderr)
        daemon.drawbridge("vif", "remove", tap_of(tap)[0])
        demand(ports(topology.host) == {"eth0"}, ports(topology.host))
        os.close(tap)


@test("frames pass by the bridge helper's tap, and only the guest's own where its addresses are told")
def bridge_helper_frames():
    with host() as (topology, daemon):
        _, tap = helper(daemon, "--br=xenbr0", mac=MAC, ip="192.0.2.41")
        mac = bytes.fromhex(MAC.replace(":", ""))

        def reaches(own, tries):
            request = (b"\xff" * 6 + mac + struct.pack("!HHHBBH", 0x806, 1, 0x800, 6, 4, 1) + mac
                       + socket.inet_aton(own) + bytes(6) + socket.inet_aton(ROUTER_IPV4))
            for _ in range(tries):
                os.write(tap, request)
                end = time.monotonic() + 1
                while select.select([tap], [], [], max(0, end - time.monotonic()))[0]:
                    frame = os.read(tap, 4096)
                    if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2" and frame[:6] == mac:
                        return True
            return False

        demand(reaches("192.0.2.41", 20), "its own address does not pass")
        demand(not reaches("192.0.2.42", 2), "another's address passes")
        os.close(tap)
        eventually(lambda: ports(topology.host) == {"eth0"}, "the tap is still there")


@test("the bridge helper refuses in one line, with nothing made: strangers, bad words, no bridge, no daemon")
def bridge_helper_refusals():
    with host() as (topology, daemon):
        with unchanged(topology.host):
            stranger = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
            for words, prefix, code, cause in (
                    (["--br=xenbr0"], stranger, 4, "root"),
                    (["--br=nobr"], (), None, "nobr"), ([], (), 2, "--br"), (["--br=xenbr0", "--x"], (), 2, "--x")):
                result, tap = helper(daemon, *words, prefix=prefix)
                demand(tap is None, "a tap was passed")
                demand_error(result, cause, code=code)
        demand(devices(daemon) == {}, devices(daemon))
        daemon.stop()
        result, tap = helper(daemon, "--br=xenbr0")
        demand(tap is None, "a tap was passed")
        demand_error(result, "no daemon answers", code=3)
