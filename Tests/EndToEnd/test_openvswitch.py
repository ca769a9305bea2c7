"""`vif-openvswitch` (behaviours 69 to 72), against Debian's Open vSwitch and, where it says so, a real xenstored."""

import contextlib
import os
import subprocess

from rig.cases import demand, demand_error, link, test, unchanged
from rig.openvswitch import OpenVSwitch, elements, texts
from rig import killpoint, product
from rig.topology import Topology
from rig.xen import Store, Vif, eventually

CONFIGURATION = "(network-script)\n(vif-script vif-bridge)\n"
PORT_MAC = "fe:ff:ff:ff:ff:ff"


@contextlib.contextmanager
def switch(*bridges, configuration=CONFIGURATION, datapath="netdev", **environment):
    """A host with Open vSwitch and a daemon that finds it; at the end no port may be left that a vif was."""
    topology = Topology()
    daemon = None
    try:
        ovs = OpenVSwitch(topology.host, *(bridges or ["ovs0"]), datapath=datapath)
        daemon = product.Daemon(topology.host, configuration)
        daemon.start(environment={**ovs.environment, **environment})
        yield topology, daemon, ovs
        if daemon.process.poll() is None:
            daemon.stop()
    finally:
        if daemon is not None and daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()
        topology.remove()


def vif_openvswitch(daemon, command, vif, check=True, **keys):
    """The script for a device that is there, from arguments alone."""
    arguments = [f"{key}={value}" for key, value in keys.items()]
    return daemon.script("vif-openvswitch", command, *arguments, check=check, vif=f"vif{vif}",
                         XENBUS_PATH="backend/vif/" + vif.replace(".", "/"))


def guest(topology, vif, address, mac=None):
    """A guest with its device and an address that only it and other guests have."""
    namespace = topology.add_guest_with_device(vif, mac)
    namespace.batch(["link set eth0 up", f"address add {address}/24 dev eth0"])
    return namespace


def pings(namespace, address):
    """Whether an address answers."""
    return namespace.run("ping", "-c", "1", "-W", "1", address, check=False).returncode == 0


@test("§7-69: a vif joins the bridge of Open vSwitch that the store names, in one transaction, with the guest's identity")
def online():
    with Store() as store, switch() as (topology, daemon, ovs):
        topology.add_guest_with_device("5.0")
        uuid = "3f2a8ee2-0b5c-4b9e-8a3f-5b1f6f1d9a01"
        store.write({"/local/domain/5/vm": f"/vm/{uuid}", f"/vm/{uuid}/uuid": uuid, f"/vm/{uuid}/name": "guest-5"})
        vif = Vif(store, 5, bridge="ovs0")
        vif.run(daemon, "online", script="vif-openvswitch")
        demand(vif.status == "connected", f"hotplug-status is {vif.status!r}, {vif.error!r}")
        demand(ovs.ports("ovs0") == {"vif5.0"}, f"{ovs.ports('ovs0')}")
        demand(ovs.transactions("vif5.0") == 1, f"{ovs.transactions('vif5.0')} transactions")
        interface = ovs.row("Interface", "vif5.0")
        demand(texts(interface["external_ids"]) == {
            "xen-vm-name": "guest-5", "xen-vm-uuid": uuid, "attached-mac": "00:16:3e:00:05:00"}, f"{interface}")
        demand(interface["ofport"] > 0, f"ovs-vswitchd has not taken it: {interface}")
        device = link(topology.host, "vif5.0")
        demand("UP" in device["flags"] and "NOARP" in device["flags"] and device["address"] == PORT_MAC, f"{device}")
        vif.run(daemon, "online", script="vif-openvswitch")
        demand(ovs.transactions("vif5.0") == 1, "a second online changed the database")
        vif.run(daemon, "offline", script="vif-openvswitch")
        demand(ovs.ports("ovs0") == set(), f"{ovs.ports('ovs0')}")


@test("§7-69: two guests at a bridge of Open vSwitch reach each other, until one of them goes")
def pinging():
    with switch() as (topology, daemon, _):
        one = guest(topology, "5.0", "10.7.0.1")
        guest(topology, "6.0", "10.7.0.2")
        for vif in ("5.0", "6.0"):
            vif_openvswitch(daemon, "online", vif, bridge="ovs0")
        eventually(lambda: pings(one, "10.7.0.2"), "no answer")
        vif_openvswitch(daemon, "offline", "6.0", bridge="ovs0")
        demand(not pings(one, "10.7.0.2"), "it answers still")


@test("§7-70: name.tag:trunk:trunk is a tag, trunks or both; anything else is refused before any change")
def tags():
    with switch() as (topology, daemon, ovs):
        topology.add_guest_with_device("5.0")
        for text, tag, trunks in (("ovs0", [], []), ("ovs0.5", [5], []), ("ovs0:6:7", [], [6, 7]),
                                  ("ovs0.5:6:7", [5], [6, 7]), ("ovs0.0", [0], [])):
            vif_openvswitch(daemon, "online", "5.0", bridge=text)
            port = ovs.row("Port", "vif5.0")
            found = elements(port["tag"]), elements(port["trunks"])
            demand(found == (tag, trunks), f"{text}: {found}")
        vif_openvswitch(daemon, "offline", "5.0")
        with unchanged(topology.host):
            for text in ("ovs0:x", "ovs0.", "ovs0.5.6", ".5", "ovs0:", "ovs0.4096", "ovs0:-1", ""):
                demand_error(vif_openvswitch(daemon, "online", "5.0", check=False, bridge=text),
                             "vif-openvswitch", "No valid bridge was specified", code=1)
        demand(ovs.row("Port", "vif5.0") is None, "a port is left")


@test("§7-70: guests in different VLANs of a bridge do not reach each other, and in the same one they do")
def isolation():
    with switch() as (topology, daemon, _):
        one = guest(topology, "5.0", "10.7.0.1")
        for vif, address in (("6.0", "10.7.0.2"), ("7.0", "10.7.0.3")):
            guest(topology, vif, address)
        for vif, bridge in (("5.0", "ovs0.5"), ("6.0", "ovs0.5"), ("7.0", "ovs0.6")):
            vif_openvswitch(daemon, "online", vif, bridge=bridge)
        eventually(lambda: pings(one, "10.7.0.2"), "no answer in the same VLAN")
        demand(not pings(one, "10.7.0.3"), "an answer out of another VLAN")
        # The witness that it is the tag: with the same one it answers.
        vif_openvswitch(daemon, "online", "7.0", bridge="ovs0.5")
        eventually(lambda: pings(one, "10.7.0.3"), "no answer after the change of its tag")


@test("§7-71: offline takes the port away and the link down, also twice and without the device")
def offline():
    with switch() as (topology, daemon, ovs):
        topology.add_guest_with_device("5.0")
        vif_openvswitch(daemon, "online", "5.0", bridge="ovs0")
        for _ in range(2):
            vif_openvswitch(daemon, "offline", "5.0", bridge="ovs0")
            demand(ovs.row("Port", "vif5.0") is None and ovs.row("Interface", "vif5.0") is None, "a row is left")
            demand("UP" not in link(topology.host, "vif5.0")["flags"], "the link is up")
        vif_openvswitch(daemon, "online", "5.0", bridge="ovs0")
        topology.host.ip("link", "delete", "vif5.0")
        vif_openvswitch(daemon, "offline", "5.0")
        demand(ovs.row("Port", "vif5.0") is None, "a row is left")


@test("§7-72: a guest's name with blanks and quotes stands in Open vSwitch as it is")
def names():
    with Store() as store, switch() as (topology, daemon, ovs):
        topology.add_guest_with_device("5.0")
        vif = Vif(store, 5, bridge="ovs0")
        name = """it's "my" guest, né: [1] {2} $(id) \\ end"""
        # xenstore-write takes a backslash for the beginning of an escape.
        store.write({"/local/domain/5/name": name.replace("\\", "\\\\")})
        vif.run(daemon, "online", script="vif-openvswitch")
        ids = texts(ovs.row("Interface", "vif5.0")["external_ids"])
        demand(ids.get("xen-vm-name") == name, f"{ids}")
        vif.run(daemon, "offline", script="vif-openvswitch")


@test("vif-openvswitch: no Open vSwitch, no such bridge, and a port of an administrator's are told in one line, and nothing changes")
def refusals():
    with switch() as (topology, daemon, ovs):
        topology.add_guest_with_device("5.0")
        ovs.vsctl("add-port", "ovs0", "vif5.0")
        with unchanged(topology.host):
            demand_error(vif_openvswitch(daemon, "online", "5.0", check=False, bridge="nobr"),
                         "Could not find bridge nobr in Open vSwitch", code=1)
            demand_error(vif_openvswitch(daemon, "online", "5.0", check=False, bridge="ovs0"),
                         "has a port vif5.0 that is no vif's", code=1)
            vif_openvswitch(daemon, "offline", "5.0")
            demand(ovs.ports("ovs0") == {"vif5.0"}, "an administrator's port was taken away")
        ovs.vsctl("del-port", "vif5.0")
        ovs.stop("ovsdb-server")
        with unchanged(topology.host):
            demand_error(vif_openvswitch(daemon, "online", "5.0", check=False, bridge="ovs0"),
                         "vif5.0", "Open vSwitch does not answer", code=1)


@test("vif-openvswitch: where ovs-vswitchd is not there the vif is refused in one line, and no row is left")
def without_switch():
    with switch() as (topology, daemon, ovs):
        topology.add_guest_with_device("5.0")
        ovs.stop("ovs-vswitchd")
        # A link that was up once has its queueing discipline, also when it is down again.
        topology.host.batch(["link set vif5.0 up", "link set vif5.0 down"])
        with unchanged(topology.host):
            demand_error(vif_openvswitch(daemon, "online", "5.0", check=False, bridge="ovs0"),
                         "vif5.0", "ovs-vswitchd does not take the port up", code=1)
        demand(ovs.row("Port", "vif5.0") is None, "a row is left")
        # The next event works.
        ovs.start_switch()
        vif_openvswitch(daemon, "online", "5.0", bridge="ovs0")
        demand(ovs.row("Interface", "vif5.0")["ofport"] > 0, "ovs-vswitchd has not taken it")


@test("vif-openvswitch: name, MTU, limits and filter are as for any vif, and go with it")
def attributes():
    with switch(configuration="(network-script)\n(vif-script vif-bridge)\n") as (topology, daemon, ovs):
        topology.add_guest_with_device("5.0")
        vif_openvswitch(daemon, "online", "5.0", bridge="ovs0", vifname="web5", mtu="1400", rate="1MB/s",
                        mac="00:16:3e:00:05:00", ip="10.7.0.1")
        device = link(topology.host, "web5")
        demand(device["mtu"] == 1400 and "UP" in device["flags"], f"{device}")
        demand(ovs.ports("ovs0") == {"web5"}, f"{ovs.ports('ovs0')}")
        shown = daemon.json("vif", "show", "vif5.0")["vif"]
        demand(shown["state"] == "connected" and shown["network"] == "ovs0", f"{shown}")
        demand(link(topology.host, "ifb5.0") is not None or "1" in shown.get("rate", ""), f"{shown}")
        vif_openvswitch(daemon, "online", "5.0", bridge="ovs0.9", vifname="web5", mac="00:16:3e:00:05:00")
        demand(elements(ovs.row("Port", "web5")["tag"]) == [9], "the tag is not the new one")
        vif_openvswitch(daemon, "offline", "5.0", vifname="web5")
        demand(ovs.ports("ovs0") == set(), f"{ovs.ports('ovs0')}")
        rules = topology.host.run("nft", "list", "ruleset").stdout
        demand("web5" not in rules, rules)


@test("vif-openvswitch: a bridge outside of the kernel cannot be filtered: it is told, and with fail-closed refused")
def unfiltered():
    keys = {"bridge": "ovs0", "mac": "00:16:3e:00:05:00", "ip": "10.7.0.1"}
    with switch() as (topology, daemon, _):
        topology.add_guest_with_device("5.0")
        result = vif_openvswitch(daemon, "online", "5.0", **keys)
        demand("forwards outside of the kernel" in result.stderr, f"{result}")
        shown = daemon.json("vif", "show", "vif5.0")["vif"]
        demand(shown.get("filter") is None, f"{shown}")
    with switch(configuration=CONFIGURATION + "(drawbridge-fail-closed yes)\n") as (topology, daemon, ovs):
        topology.add_guest_with_device("5.0")
        with unchanged(topology.host):
            demand_error(vif_openvswitch(daemon, "online", "5.0", check=False, **keys),
                         "forwards outside of the kernel", code=1)
        demand(ovs.ports("ovs0") == set(), f"{ovs.ports('ovs0')}")


@test("vif-openvswitch: with the kernel's datapath a vif is filtered, and its port survives a killed daemon")
def in_kernel():
    with switch(datapath="system") as (topology, daemon, ovs):
        one = guest(topology, "5.0", "10.7.0.1")
        guest(topology, "6.0", "10.7.0.2")
        for vif, address in (("5.0", "10.7.0.1"), ("6.0", "10.7.0.2")):
            result = vif_openvswitch(daemon, "online", vif, bridge="ovs0.5", ip=address,
                                     mac=f"00:16:3e:00:0{vif[0]}:00", vifname=f"web{vif[0]}")
            demand(result.stderr == "", f"{result}")
        device = link(topology.host, "web5")
        demand(device.get("master") == "ovs-system", f"{device}")
        demand(daemon.json("vif", "show", "vif5.0")["vif"].get("filter"), "no filter is told")
        daemon.kill()
        daemon.start(environment=ovs.environment)
        demand(daemon.connected_vifs() == {"5.0", "6.0"}, f"{daemon.connected_vifs()}")
        # Its own address first and last, so that a spoofed one is not silent for another reason.
        eventually(lambda: pings(one, "10.7.0.2"), "no answer")
        one.batch(["address add 10.7.0.9/24 dev eth0"])
        spoofed = one.run("ping", "-c", "2", "-W", "1", "-I", "10.7.0.9", "10.7.0.2", check=False)
        demand(spoofed.returncode != 0, "a spoofed address was answered")
        eventually(lambda: pings(one, "10.7.0.2"), "no answer any more")
        vif_openvswitch(daemon, "offline", "5.0", vifname="web5")
        device = link(topology.host, "web5")
        demand("master" not in device and "UP" not in device["flags"], f"{device}")
        demand(ovs.ports("ovs0") == {"web6"}, f"{ovs.ports('ovs0')}")
        vif_openvswitch(daemon, "offline", "6.0", vifname="web6")


@test("vif-openvswitch: with the kernel's datapath a device that ovs-vswitchd refuses is told in its words, and no row is left")
def refused():
    with switch(datapath="system") as (topology, daemon, ovs):
        topology.add_guest_with_device("5.0")
        # The one who takes a device's frames is another one already.
        topology.host.ip("link", "add", "link", "vif5.0", "name", "taker", "type", "macvlan")
        topology.host.batch(["link set vif5.0 up", "link set taker up", "link set taker down", "link set vif5.0 down"])
        with unchanged(topology.host):
            demand_error(vif_openvswitch(daemon, "online", "5.0", check=False, bridge="ovs0"),
                         "vif5.0", "Open vSwitch does not take the device", code=1)
        demand(ovs.row("Port", "vif5.0") is None, "a row is left")


@test("vif-openvswitch: a daemon that is killed or ends leaves the port, and the next one knows it")
def restarts():
    with switch() as (topology, daemon, ovs):
        one = guest(topology, "5.0", "10.7.0.1")
        guest(topology, "6.0", "10.7.0.2")
        for vif in ("5.0", "6.0"):
            vif_openvswitch(daemon, "online", vif, bridge="ovs0.5")
        eventually(lambda: pings(one, "10.7.0.2"), "no answer")
        before = ovs.transactions("drawbridge")
        for end in (daemon.kill, daemon.stop):
            end()
            eventually(lambda: pings(one, "10.7.0.2"), "no answer without a daemon")
            daemon.start(environment=ovs.environment)
            demand(daemon.connected_vifs() == {"5.0", "6.0"}, f"{daemon.connected_vifs()}")
            demand(ovs.transactions("drawbridge") == before, "a daemon that starts changed what was right")
        # What went while no daemon ran comes again.
        daemon.kill()
        ovs.vsctl("del-port", "vif6.0")
        daemon.start(environment=ovs.environment)
        demand(ovs.ports("ovs0") == {"vif5.0", "vif6.0"}, f"{ovs.ports('ovs0')}")
        eventually(lambda: pings(one, "10.7.0.2"), "no answer")
        for vif in ("5.0", "6.0"):
            vif_openvswitch(daemon, "offline", vif)
        demand(ovs.ports("ovs0") == set(), f"{ovs.ports('ovs0')}")


@test("vif-openvswitch: a port that Xen's own script made is taken over at online, and taken away at offline")
def takeover():
    with switch() as (topology, daemon, ovs):
        for vif in ("5.0", "6.0"):
            topology.add_guest_with_device(vif)
            ovs.vsctl("add-port", "ovs0", f"vif{vif}", "tag=3", "--", "set", "interface", f"vif{vif}",
                      f"external-ids:attached-mac=00:16:3e:00:0{vif[0]}:00")
        vif_openvswitch(daemon, "online", "5.0", bridge="ovs0.4")
        demand(elements(ovs.row("Port", "vif5.0")["tag"]) == [4], f"{ovs.row('Port', 'vif5.0')}")
        vif_openvswitch(daemon, "offline", "6.0", bridge="ovs0")
        demand(ovs.ports("ovs0") == {"vif5.0"}, f"{ovs.ports('ovs0')}")


@test("vif-script vif-openvswitch: a pair that the daemon makes joins the bridge, and goes with its port")
def pair():
    with switch(configuration="(network-script)\n(vif-script vif-openvswitch)\n") as (topology, daemon, ovs):
        namespace = topology.add_guest("5.0")
        daemon.add_pair("5.0", namespace, network="ovs0.5")
        port = ovs.row("Port", "vif5.0")
        demand(port is not None and elements(port["tag"]) == [5], f"{port}")
        daemon.remove_vif("5.0")
        demand(ovs.row("Port", "vif5.0") is None and link(topology.host, "vif5.0") is None, "something is left")


@test("§7-115: without scripts the daemon connects a vif to Open vSwitch as the store says, and withdraws it")
def without_scripts():
    configuration = CONFIGURATION + "(drawbridge-xen-vifs daemon)\n"
    with Store() as store, switch(configuration=configuration, XENSTORED_PATH=store.socket) as (topology, _, ovs):
        topology.add_guest_with_device("5.0")
        uuid = "3f2a8ee2-0b5c-4b9e-8a3f-5b1f6f1d9a01"
        store.write({"/local/domain/5/vm": f"/vm/{uuid}", f"/vm/{uuid}/uuid": uuid})
        vif = Vif(store, 5, bridge="ovs0.5", script="/etc/xen/scripts/vif-openvswitch")
        eventually(lambda: vif.status == "connected", lambda: f"{vif.status!r} {vif.error!r}")
        demand(elements(ovs.row("Port", "vif5.0")["tag"]) == [5], f"{ovs.row('Port', 'vif5.0')}")
        demand(texts(ovs.row("Interface", "vif5.0")["external_ids"]) == {
            "xen-vm-name": "guest-5", "xen-vm-uuid": uuid, "attached-mac": "00:16:3e:00:05:00"},
            f"{ovs.row('Interface', 'vif5.0')}")
        topology.add_guest_with_device("6.0")
        bad = Vif(store, 6, bridge="ovs0:x", script="/etc/xen/scripts/vif-openvswitch")
        eventually(lambda: bad.status == "error", lambda: f"{bad.status!r}")
        demand("vif6.0" in bad.error and "No valid bridge was specified" in bad.error, bad.error)
        store.remove(vif.backend)
        eventually(lambda: ovs.row("Port", "vif5.0") is None, "the port is there still")


@test("vif-openvswitch: twenty vifs at once are all connected, each in a transaction of its own")
def many():
    vifs = [f"{number}.0" for number in range(10, 30)]
    with switch() as (topology, daemon, ovs):
        topology.host.batch([f"link add vif{vif} type veth peer name peer{vif}" for vif in vifs])
        processes = [topology.host.start(
            f"{daemon.scripts}/vif-openvswitch", "online", "bridge=ovs0",
            env=daemon.environment(vif=f"vif{vif}", XENBUS_PATH="backend/vif/" + vif.replace(".", "/")),
            stderr=subprocess.DEVNULL)
            for vif in vifs]
        codes = [process.wait(60) for process in processes]
        demand(codes == [0] * len(vifs), f"{codes}")
        demand(ovs.ports("ovs0") == {f"vif{vif}" for vif in vifs}, f"{ovs.ports('ovs0')}")
        for vif in vifs:
            demand(ovs.transactions(f"vif{vif} joins") == 1, f"{vif}: {ovs.transactions(f'vif{vif} joins')}")


@test("vif-openvswitch: a daemon killed before any change of online or offline leaves nothing that the next one does not know")
def kills():
    with switch() as (topology, first, ovs):
        first.stop()

        def life(point):
            """A daemon that sees a vif come and go, killed before that change; and what it had changed by each end."""
            topology.add_guest_with_device("5.0") if "5.0" not in topology.guests else topology.host.ip(
                "link", "add", "vif5.0", "type", "veth", "peer", "name", "eth0", "netns", topology.guests["5.0"].name)
            daemon = product.Daemon(topology.host, CONFIGURATION)
            log = os.path.join(daemon.directory, "changes")
            daemon.start(prefix=killpoint.command(log, daemon.state, point), environment=ovs.environment)
            counts = [len(killpoint.changes(log, daemon.state)[0])]
            for command in ("online", "offline"):
                script = topology.host.start(
                    os.path.join(daemon.scripts, "vif-openvswitch"), command, "bridge=ovs0.5", "vifname=web5",
                    "mac=00:16:3e:00:05:00", "ip=10.7.0.1", stderr=subprocess.DEVNULL,
                    env=daemon.environment(vif="vif5.0", XENBUS_PATH="backend/vif/5/0"))
                # Without a daemon the script would wait for the next one.
                eventually(lambda: script.poll() is not None or daemon.process.poll() is not None,
                           "neither script nor daemon ends")
                if script.poll() is None:
                    script.kill()
                script.wait()
                counts.append(len(killpoint.changes(log, daemon.state)[0]))
            return daemon, log, counts

        daemon, log, counts = life(0)
        daemon.stop()
        killpoint.await_end(log)
        demand(counts[1] - counts[0] >= 5 and counts[2] - counts[1] >= 2, f"{counts}")
        topology.host.ip("link", "delete", "web5")
        for point in range(counts[0] + 1, counts[2] + 1):
            daemon, log, _ = life(point)
            killpoint.await_end(log)
            daemon.process.wait(20)
            demand(killpoint.changes(log, daemon.state)[1], f"not killed at {point}")
            daemon.start(environment=ovs.environment)
            known = daemon.connected_vifs()
            demand(ovs.ports("ovs0") == ({"web5"} if known else set()),
                   f"killed at {point} of {counts}: {known}, {ovs.ports('ovs0')}")
            demand("error" not in daemon.tail(), f"killed at {point}: {daemon.tail()}")
            name = next(name for name in ("web5", "vif5.0") if link(topology.host, name))
            daemon.script("vif-openvswitch", "online", "bridge=ovs0.5", "vifname=web5", vif=name,
                          XENBUS_PATH="backend/vif/5/0")
            demand(ovs.ports("ovs0") == {"web5"}, f"killed at {point}: {ovs.ports('ovs0')}")
            vif_openvswitch(daemon, "offline", "5.0", vifname="web5")
            demand(ovs.ports("ovs0") == set(), f"killed at {point}: {ovs.ports('ovs0')}")
            demand("UP" not in link(topology.host, "web5")["flags"], f"killed at {point}: the link is up")
            daemon.stop()
            topology.host.ip("link", "delete", "web5")
