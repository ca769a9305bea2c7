"""VLANs of a bridge that filters by them: access ports, trunk ports, and what a kernel without them is told.

This kernel may have none; Integration/debian-kernel/run shows them on one that has.
"""

import contextlib
import json

from rig import frames as f
from rig.cases import NotHere, demand, demand_error, host, link, ports, test
from rig.filtering import calm
from rig.topology import HOST_IPV4, ROUTER_IPV4
from rig.wire import Wire
from rig.xen import Store, Vif
from test_routed import eventually, reaches

CONFIGURATION = """\
version: 1
vif-script: vif-bridge
networks:
  xenbr0: {uplink: eth0, vlan-filtering: yes}
vifs:
  vif1.0: {vlan: 10}
  vif3.1: {vlan: ":10:20"}
  vif5.0: {vlan: 20}
"""
PLAIN = CONFIGURATION[:CONFIGURATION.index("vifs:")].replace(", vlan-filtering: yes", "")
MAC = {vif: f"00:16:3e:00:0{vif[0]}:00" for vif in ("1.0", "3.1", "4.0", "5.0", "6.0")}
ROUTER = {10: "10.10.0.1", 20: "10.20.20.1"}


def knows_vlans(namespace):
    """Whether the kernel's bridge filters by VLANs."""
    made = namespace.run("ip", "link", "add", "probe0", "type", "bridge", "vlan_filtering", "1", check=False)
    namespace.run("ip", "link", "delete", "probe0", check=False)
    return made.returncode == 0


def furnish(topology):
    """The router is in VLAN 10 and 20 as well as in none."""
    calm(topology)
    if not knows_vlans(topology.host):
        raise NotHere("the kernel's bridge does not filter by VLANs")
    for vlan, address in ROUTER.items():
        topology.router.batch([f"link add link lan0 name lan0.{vlan} type vlan id {vlan}", f"link set lan0.{vlan} up",
                               f"address add {address}/24 dev lan0.{vlan}"])


@contextlib.contextmanager
def vlans(configuration=CONFIGURATION):
    with host(configuration=configuration, suffix="yaml", prepare=furnish) as (topology, daemon):
        yield topology, daemon


def add(topology, daemon, vif, *options):
    guest = topology.add_guest(vif)
    daemon.add_pair(vif, guest, "--mac", MAC[vif], *options)
    guest.ip("link", "set", "eth0", "up")
    return guest


def known(topology, port):
    """The VLANs of a port as `bridge` tells them: that of what has no tag, and the others."""
    for entry in json.loads(topology.host.run("bridge", "-j", "vlan", "show", "dev", port).stdout):
        if entry["ifname"] == port:
            flags = {vlan["vlan"]: set(vlan.get("flags", [])) for vlan in entry["vlans"]}
            untagged = {vlan for vlan, has in flags.items() if "PVID" in has and "Egress Untagged" in has}
            return untagged, set(flags) - untagged
    return None


def datagram(source, mac, payload=b"x"):
    return f.ethernet(mac, f.BROADCAST, f.IPV4, f.ipv4(
        source, "255.255.255.255", f.UDP, f.udp(source, "255.255.255.255", 5000, 5000, payload)))


@test("VLANs: an access port and a trunk port reach their own VLANs, by the uplink's tags, and nothing else")
def reach():
    with vlans() as (topology, daemon):
        access = add(topology, daemon, "1.0", "--ip", "10.10.0.2")
        access.ip("address", "add", "10.10.0.2/24", "dev", "eth0")
        trunk = add(topology, daemon, "3.1", "--ip", "10.10.0.3", "--ip", "10.20.20.3")
        for vlan, own in ((10, "10.10.0.3"), (20, "10.20.20.3")):
            trunk.batch([f"link add link eth0 name eth0.{vlan} type vlan id {vlan}", f"link set eth0.{vlan} up",
                         f"address add {own}/24 dev eth0.{vlan}"])
        plain = add(topology, daemon, "4.0", "--ip", "192.0.2.41")
        plain.ip("address", "add", "192.0.2.41/24", "dev", "eth0")
        for guest, places in ((access, ["10.10.0.1", "10.10.0.3"]), (trunk, ["10.10.0.1", "10.20.20.1", "10.10.0.2"]),
                              (plain, [ROUTER_IPV4, HOST_IPV4]), (topology.host, [ROUTER_IPV4])):
            for place in places:
                eventually(place, lambda: reaches(guest, place))
        demand(known(topology, "eth0") == ({1}, {10, 20}), known(topology, "eth0"))
        demand(known(topology, "vif1.0") == ({10}, set()), known(topology, "vif1.0"))
        demand(known(topology, "vif3.1") == (set(), {10, 20}), known(topology, "vif3.1"))
        demand(known(topology, "vif4.0") == ({1}, set()), known(topology, "vif4.0"))
        demand(daemon.json("vif", "show", "vif3.1")["vif"]["vlan"] == ":10:20", "it is not told")
        # What is behind a tag is looked at as without, and no other tag passes.
        wire = Wire(access=(access, "eth0"), plain=(plain, "eth0"), router=(topology.router, "lan0"),
                    host=(topology.host, "xenbr0"))
        with contextlib.closing(wire):
            own, foreign = datagram("10.10.0.3", MAC["3.1"]), datagram("10.10.0.2", MAC["3.1"])
            frames = [f.tagged(own, 10), f.tagged(own, 20), f.tagged(own, 30), f.tagged(foreign, 10), own,
                      f.tagged(f.tagged(own, 20), 10), f.tagged(datagram("10.10.0.3", MAC["1.0"]), 10)]
            places = wire.send(trunk, frames, fence=[0])
            demand(places == [{"access", "router"}, {"router"}, set(), set(), set(), set(), set()], places)
            own = datagram("10.10.0.2", MAC["1.0"])
            places = wire.send(access, [own, f.tagged(own, 10), f.tagged(own, 20), f.tagged(own, 1)], fence=[0])
            demand(places == [{"router"}, set(), set(), set()], places)
        # Nothing is sent twice for what is there, and the next daemon takes it over.
        before = daemon.json("daemon", "status")["daemon"]["kernelChanges"]
        daemon.add_pair("1.0", access, "--mac", MAC["1.0"], "--ip", "10.10.0.2")
        after = daemon.json("daemon", "status")["daemon"]["kernelChanges"]
        demand(before == after, f"{after - before} requests for what was there")
        daemon.kill()
        daemon.start()
        demand(known(topology, "vif3.1") == (set(), {10, 20}), known(topology, "vif3.1"))
        demand(known(topology, "eth0") == ({1}, {10, 20}), known(topology, "eth0"))
        eventually("the router in VLAN 10", lambda: reaches(access, "10.10.0.1"))
        # The uplink carries what is needed, and no more.
        daemon.remove_vif("3.1")
        demand(known(topology, "eth0") == ({1}, {10}), known(topology, "eth0"))


@test("VLANs: of the configuration, of Xen's store, and after a reload")
def told():
    with Store() as store, vlans() as (topology, daemon):
        add(topology, daemon, "5.0")
        demand(known(topology, "vif5.0") == ({20}, set()), known(topology, "vif5.0"))
        daemon.configure(CONFIGURATION.replace("vlan: 20", 'vlan: "20:30"'))
        daemon.drawbridge("daemon", "reload")
        demand(known(topology, "vif5.0") == ({20}, {30}), known(topology, "vif5.0"))
        demand(known(topology, "eth0") == ({1}, {20, 30}), known(topology, "eth0"))
        topology.add_guest_with_device("6.0")
        vif = Vif(store, 6, vlan="10p/20/40+10x2")
        vif.run(daemon, "online")
        demand(vif.status == "connected", vif.error)
        demand(known(topology, "vif6.0") == ({10}, {20, 40, 50}), known(topology, "vif6.0"))
        vif.run(daemon, "offline")
        demand(known(topology, "eth0") == ({1}, {20, 30}), known(topology, "eth0"))
        # What is asked for comes before what the configuration says.
        add(topology, daemon, "1.0", "--vlan", "20")
        demand(known(topology, "vif1.0") == ({20}, set()), known(topology, "vif1.0"))
        daemon.drawbridge("vif", "set", "vif1.0", "--vlan", "10:30")
        demand(known(topology, "vif1.0") == ({10}, {30}), known(topology, "vif1.0"))
        demand(known(topology, "eth0") == ({1}, {10, 20, 30}), known(topology, "eth0"))
        # To a network that tells no VLANs apart it does not go.
        daemon.drawbridge("network", "start", "inside", "--isolated")
        demand_error(daemon.drawbridge("vif", "move", "vif5.0", "--to", "inside", check=False), "vif5.0: vlan", "inside")
        demand("vif5.0" in ports(topology.host), "it left its bridge")


@test("VLANs: a bridge that does not filter by them refuses a vif that is to be in one, and Xen's key for it is read")
def without_filtering():
    with Store() as store, host(configuration=PLAIN, suffix="yaml") as (topology, daemon):
        guest = topology.add_guest("1.0")
        demand_error(daemon.add_pair("1.0", guest, "--vlan", "10", check=False), "vif1.0: vlan", "'10'", "xenbr0",
                     "vlan-filtering: yes", code=9)
        demand(link(topology.host, "vif1.0") is None, "there is a device")
        for text in ("0", "4095", "10:10", "a", "10-20", ":", "10:20-10"):
            demand_error(daemon.add_pair("1.0", guest, "--vlan", text, check=False), "vlan", code=2)
        topology.add_guest_with_device("6.0")
        for text, said in (("10p", "filters by VLANs"), ("10p/11p", "'10p/11p'"), ("10u", "'10u'")):
            vif = Vif(store, 6, vlan=text)
            demand(vif.run(daemon, "online", check=False).returncode != 0, f"{text} is taken")
            demand(said in (vif.error or ""), f"{text}: {vif.error}")
        demand("vif6.0" not in ports(topology.host), "it is a port")


@test("VLANs: where the kernel's bridge does not filter by them the network is refused in one line before anything changes, and doctor says so")
def kernel_without():
    with host(configuration=PLAIN.replace("networks:\n  xenbr0: {uplink: eth0}\n", ""), suffix="yaml") as (topology, daemon):
        if knows_vlans(topology.host):
            raise NotHere("a kernel whose bridge does not filter by VLANs")
        demand_error(daemon.drawbridge("network", "start", "xenbr0", "--uplink", "eth0", "--vlan-filtering", check=False),
                     "xenbr0: vlan-filtering", "does not filter by VLANs", "CONFIG_BRIDGE_VLAN_FILTERING", code=9)
        demand(link(topology.host, "xenbr0") is None, "there is a bridge")
        said = daemon.drawbridge("doctor", check=False).stdout
        demand("VLAN filtering" in said, said)
