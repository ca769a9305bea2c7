"""`qemu-ifup` and `qemu-ifdown`, called as QEMU calls them, with a program in QEMU's place at the tap."""

import json
import subprocess

from rig import product
from rig.cases import demand, demand_error, host, link, ports, test, unchanged
from rig.topology import ROUTER_IPV4

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
    with host(configuration=product.FILTERED) as (topology, daemon), Guest(topology.host, "tap0") as guest:
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
