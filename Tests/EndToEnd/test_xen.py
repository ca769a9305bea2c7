"""The contract with libxl (behaviours 3, 6, 7, 9 to 19, 24, 25, 33 to 39, 98, 112 to 118), against a real xenstored."""

import concurrent.futures
import os

from rig.cases import demand, demand_error, host, link, ports, test, unchanged
from rig.topology import ROUTER_IPV4
from rig.xen import Store, Vif

ROUTER_MAC = "02:00:00:00:01:01"
SPOOFED = "192.0.2.99"


def failed(vif, result, *words):
    """The run failed, and what xl shows is one line with the device and the cause: the store's. What the script
    itself prints xl would show besides."""
    demand(result.returncode != 0, "it succeeded")
    demand(result.stderr == "", f"printed as well: {result.stderr}")
    demand(vif.status == "error", f"hotplug-status is {vif.status!r}")
    text = vif.error or ""
    demand(f"vif{vif.domain}.{vif.device}" in text and "\n" not in text, f"hotplug-error is {text!r}")
    for word in words:
        demand(word in text, f"{word!r} is not in hotplug-error {text!r}")


@test("§7-3, §7-13: a vif is connected by what the store says, before arguments and environment, and the status is last")
def online():
    with Store() as store, host() as (topology, daemon):
        guest = topology.add_guest_with_device("3.1")
        vif = Vif(store, 3, 1)
        vif.run(daemon, "online", "bridge=nobr", bridge="other")
        demand("vif3.1" in ports(topology.host), ports(topology.host))
        demand(vif.status == "connected", f"hotplug-status is {vif.status!r}")
        demand(vif.error is None, f"hotplug-error is {vif.error!r}")
        topology.address_guest("3.1")
        guest.run("ping", "-c", "1", "-W", "5", ROUTER_IPV4)
        vif.run(daemon, "offline")
        demand("vif3.1" not in ports(topology.host), ports(topology.host))


@test("§7-3: without a bridge in the store the argument's is taken, without that the environment's")
def precedence():
    with Store() as store, host() as (topology, daemon):
        for number, words, environment in ((3, ["bridge=xenbr0"], {"bridge": "nobr"}), (4, [], {"bridge": "xenbr0"})):
            topology.add_guest_with_device(f"{number}.0")
            vif = Vif(store, number, bridge=None)
            vif.run(daemon, "online", *words, **environment)
            demand(f"vif{number}.0" in ports(topology.host), ports(topology.host))
            vif.run(daemon, "offline")


@test("§7-14, §7-17, §7-116, §7-117: each failure is one line in hotplug-error with the device and the cause, and nothing changes")
def failures():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        cases = [
            ({"bridge": "nobr"}, "Could not find bridge device nobr"), ({"mac": "00:16:3e"}, "mac"),
            ({"ip": "300.1.1.1"}, "300.1.1.1"), ({"rate": "fast"}, "fast"), ({"mtu": "9"}, "mtu"),
            ({"vifname": "a2345678901234567"}, "vifname"), ({"bridge": "a b"}, "bridge: a device's name"),
        ]
        for keys, cause in cases:
            vif = Vif(store, 3, **keys)
            with unchanged(topology.host):
                failed(vif, vif.run(daemon, "online", check=False), cause)
            store.remove(vif.backend)
        vif = Vif(store, 3)
        vif.run(daemon, "online")
        demand(vif.status == "connected", f"the next event failed: {vif.status!r}")


@test("what the front end is told of trust is shown, and changes nothing; what a guest writes there is no harm")
def trust():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        shown = {}
        for value in ("0", "1", "x\ny", None):
            vif = Vif(store, 3)
            if value is not None:
                store.write({f"{vif.frontend}/trusted": value})
            vif.run(daemon, "online")
            demand(vif.status == "connected", f"{value!r}: {vif.status!r} {vif.error!r}")
            shown[value] = daemon.json("vif", "show", "vif3.0")["vif"].get("trusted")
            vif.run(daemon, "offline")
            store.remove(vif.backend)
            store.remove(vif.frontend)
        demand(shown == {"0": False, "1": True, "x\ny": None, None: None}, f"{shown}")


@test("§7-36, §7-117: a vifname that is taken is told in the store, and the other device is left alone")
def name_taken():
    def prepare(topology):
        topology.host.ip("link", "add", "taken0", "type", "bridge")

    with Store() as store, host(prepare=prepare) as (topology, daemon):
        topology.add_guest_with_device("3.0")
        vif = Vif(store, 3, vifname="taken0")
        with unchanged(topology.host):
            failed(vif, vif.run(daemon, "online", check=False), "An interface with name taken0 already exists.")


@test("§7-14: without a daemon the store says so")
def no_daemon():
    with Store() as store, host(start=False) as (topology, daemon):
        vif = Vif(store, 3)
        result = vif.run(daemon, "online", check=False)
        demand(result.returncode == 3, f"exit {result.returncode}")
        failed(vif, result, "no daemon answers")


@test("§7-6, §7-7: where there is a store, a vif without its place there or its device is refused, the latter in the store")
def missing_context():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        vif = Vif(store, 3)
        with unchanged(topology.host):
            demand_error(vif.run(daemon, "online", check=False, XENBUS_PATH=None), "XENBUS_PATH")
            demand(vif.status == "", f"hotplug-status is {vif.status!r}")
            result = vif.run(daemon, "online", check=False, vif=None)
            demand(result.returncode != 0 and vif.status == "error" and "vif" in vif.error, f"{result} {vif.error}")


@test("§7-5, §7-10: an unknown command or type of interface fails, and the store is left as it is")
def unknown_command():
    with Store() as store, host() as (topology, daemon):
        vif = Vif(store, 3)
        with unchanged(topology.host):
            demand_error(vif.run(daemon, "move", check=False), "Invalid command: move", code=1)
            result = daemon.script("vif-bridge", "online", "type_if=foo", check=False, **vif.environment())
            demand_error(result, "unknown interface type foo", code=1)
        demand((vif.status, vif.error) == ("", None), f"{vif.status!r} {vif.error!r}")


@test("§7-10: without type_if the vif itself is meant")
def no_type():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        vif = Vif(store, 3)
        daemon.script("vif-bridge", "online", **vif.environment())
        demand("vif3.0" in ports(topology.host) and vif.status == "connected", f"{vif.status!r}")


@test("§7-11: add and remove of a vif, online and offline of a tap have no effect and succeed")
def other_device():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        vif = Vif(store, 3, ioemu=True)
        with unchanged(topology.host):
            for command, kind in (("add", "vif"), ("remove", "vif"), ("online", "tap"), ("offline", "tap")):
                daemon.script("vif-bridge", command, f"type_if={kind}", **vif.environment())
        demand(vif.status == "", f"hotplug-status is {vif.status!r}")


@test("§7-9: a udev rule's call has no effect where the store says that udev is disabled")
def udev():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        vif = Vif(store, 3)
        store.write({"/local/domain/0/libxl/disable_udev": "1"})
        with unchanged(topology.host):
            vif.run(daemon, "online", UDEV_CALL="1")
        demand(vif.status == "", f"hotplug-status is {vif.status!r}")
        store.remove("/local/domain/0/libxl/disable_udev")
        vif.run(daemon, "online", UDEV_CALL="1")
        demand(vif.status == "connected", f"hotplug-status is {vif.status!r}")


@test("§7-15, §7-118: offline writes no status, and succeeds when device, bridge port or the whole entry have gone")
def offline():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        vif = Vif(store, 3)
        vif.run(daemon, "online")
        store.remove(f"{vif.backend}/hotplug-status")
        vif.run(daemon, "offline")
        demand(vif.status is None, f"hotplug-status is {vif.status!r}")
        vif.run(daemon, "online")
        topology.host.ip("link", "delete", "vif3.0")
        store.remove(vif.backend)
        for _ in range(2):
            vif.run(daemon, "offline")
        demand(daemon.connected_vifs() == set(), daemon.connected_vifs())
        demand(store.read(vif.backend) is None, "the entry is there again")
        demand(daemon.script("vif-bridge", "offline", "type_if=vif", **vif.environment(), check=False,
                             ).returncode == 0, "offline failed")


@test("§7-118: offline succeeds without a store, too")
def offline_without_store():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        vif = Vif(store, 3)
        vif.run(daemon, "online")
        store.stop()
        vif.run(daemon, "offline")
        demand("vif3.0" not in ports(topology.host), ports(topology.host))


@test("§7-24: the store's mtu holds before the bridge's, and the other end is told")
def mtu():
    with Store() as store, host() as (topology, daemon):
        for number, keys, expected in ((3, {"mtu": 1400}, 1400), (4, {}, 1500)):
            topology.add_guest_with_device(f"{number}.0")
            vif = Vif(store, number, **keys)
            store.write({f"{vif.frontend}/mtu": "0"})
            vif.run(daemon, "online")
            demand(link(topology.host, f"vif{number}.0")["mtu"] == expected, "the device's MTU")
            demand(vif.frontend_mtu == str(expected), f"the frontend's mtu is {vif.frontend_mtu!r}")


@test("§7-25, §7-35: a renamed vif's other end is told the MTU at its own path")
def mtu_of_renamed():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        vif = Vif(store, 3, mtu=1400, vifname="web0")
        vif.run(daemon, "online")
        demand("web0" in ports(topology.host), ports(topology.host))
        demand(vif.frontend_mtu == "1400", f"the frontend's mtu is {vif.frontend_mtu!r}")
        demand(store.read("/local/domain/web0/device/vif/web0/mtu") is None, "written where nobody reads it")
        vif.run(daemon, "online")
        demand(vif.status == "connected", f"{vif.status!r}")
        vif.run(daemon, "offline")


@test("§7-16, §7-33, §7-34, §7-113: the emulated card's tap joins by a run of its own, and goes before or after the vif")
def emulated():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        topology.host.ip("tuntap", "add", "dev", "vif3.0-emu", "mode", "tap")
        vif = Vif(store, 3, ioemu=True, mtu=1400)
        vif.run(daemon, "online")
        store.write({f"{vif.backend}/hotplug-status": "seen"})
        vif.run(daemon, "add")
        demand(vif.status == "seen", f"hotplug-status is {vif.status!r}")
        tap = link(topology.host, "vif3.0-emu")
        demand(tap.get("master") == "xenbr0" and tap["mtu"] == 1400, tap)
        demand(tap["address"] == "fe:ff:ff:ff:ff:ff" and "UP" in tap["flags"], tap)
        demand({"vif3.0", "vif3.0-emu"} <= ports(topology.host), ports(topology.host))
        # In either order, and one leaves the other alone.
        vif.run(daemon, "remove")
        demand(ports(topology.host) >= {"vif3.0"} and "vif3.0-emu" not in ports(topology.host), ports(topology.host))
        # udev tells nothing but the tap's name.
        store.write({f"{vif.backend}/mtu": "1300"})
        vif.run(daemon, "add", XENBUS_PATH=None, vif=None)
        demand(link(topology.host, "vif3.0-emu")["mtu"] == 1300, "its entry in the store was not read")
        vif.run(daemon, "offline")
        demand(ports(topology.host) >= {"vif3.0-emu"} and "vif3.0" not in ports(topology.host), ports(topology.host))
        vif.run(daemon, "remove")
        demand("vif3.0-emu" not in ports(topology.host), ports(topology.host))
        topology.host.ip("link", "delete", "vif3.0-emu")
        vif.run(daemon, "remove")


@test("§7-35, §7-38: an emulated card's tap is renamed as well, and refused where its name would be too long")
def emulated_name():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        topology.host.ip("tuntap", "add", "dev", "vif3.0-emu", "mode", "tap")
        vif = Vif(store, 3, ioemu=True, vifname="a23456789012")
        with unchanged(topology.host):
            failed(vif, vif.run(daemon, "add", check=False), "at most 11")
        vif = Vif(store, 3, ioemu=True, vifname="web0")
        vif.run(daemon, "online")
        vif.run(daemon, "add")
        demand({"web0", "web0-emu"} <= ports(topology.host), ports(topology.host))
        vif.run(daemon, "remove")
        vif.run(daemon, "offline")
        topology.host.ip("link", "delete", "web0-emu")


@test("§7-33, §7-46: the emulated card's tap is filtered as the vif is, and each goes by itself")
def emulated_filter():
    with Store() as store, host() as (topology, daemon):
        mac = "00:16:3e:00:03:00"
        guest = topology.add_guest_with_device("3.0", mac)
        topology.host.ip("link", "add", "vif3.0-emu", "type", "veth", "peer", "name", "eth1", "netns", guest.name)
        guest.batch([f"link set eth1 address {mac} up", "link set eth0 up"])
        vif = Vif(store, 3, ioemu=True, mac=mac, ip="192.0.2.31")
        vif.run(daemon, "online")
        vif.run(daemon, "add")

        def reaches(device, address):
            guest.batch([f"address flush dev {device}", f"address add {address}/24 dev {device}",
                         f"neighbour replace {ROUTER_IPV4} lladdr {ROUTER_MAC} dev {device} nud permanent"])
            topology.router.ip("neighbour", "replace", address, "lladdr", mac, "dev", "lan0", "nud", "permanent")
            answers = any(
                guest.run("ping", "-c", "1", "-W", "1", "-I", device, ROUTER_IPV4, check=False).returncode == 0
                for _ in range(1 if address == SPOOFED else 20))
            guest.ip("address", "flush", "dev", device)
            return answers

        for device in ("eth0", "eth1"):
            demand(reaches(device, "192.0.2.31"), f"{device}: its own address does not pass")
            demand(not reaches(device, SPOOFED), f"{device}: another's address passes")
        vif.run(daemon, "remove")
        demand(not reaches("eth0", SPOOFED), "another's address passes once the tap is gone")
        demand(reaches("eth0", "192.0.2.31"), "its own address does not pass once the tap is gone")
        vif.run(daemon, "offline")


@test("§7-33: the emulated card works while nobody is at the vif's other end yet, as when a guest begins")
def emulated_first():
    with Store() as store, host() as (topology, daemon):
        mac = "00:16:3e:00:03:00"
        guest = topology.add_guest_with_device("3.0", mac)
        topology.host.ip("link", "add", "vif3.0-emu", "type", "veth", "peer", "name", "eth1", "netns", guest.name)
        guest.batch([f"link set eth1 address {mac} up", "link set eth0 down"])
        vif = Vif(store, 3, ioemu=True, mac=mac, ip="192.0.2.31")
        vif.run(daemon, "online")
        vif.run(daemon, "add")
        held = [line for line in topology.host.run("bridge", "fdb", "show", "br", "xenbr0").stdout.splitlines()
                if line.startswith(f"{mac} dev vif3.0 ") and ("sticky" in line or "static" in line)]
        demand(held == [], f"its frames go to the vif: {held}")
        guest.batch(["address add 192.0.2.31/24 dev eth1",
                     f"neighbour replace {ROUTER_IPV4} lladdr {ROUTER_MAC} dev eth1 nud permanent"])
        topology.router.ip("neighbour", "replace", "192.0.2.31", "lladdr", mac, "dev", "lan0", "nud", "permanent")
        demand(any(guest.run("ping", "-c", "1", "-W", "1", ROUTER_IPV4, check=False).returncode == 0
                   for _ in range(20)), "the emulated card does not reach the router")
        vif.run(daemon, "remove")
        vif.run(daemon, "offline")


def scripts_with_hooks(daemon, hooks):
    """A script directory of the test's own, with hooks."""
    directory = os.path.join(daemon.directory, "scripts")
    os.makedirs(os.path.join(directory, "vif-post.d"))
    for name in ("vif-bridge", "vif-setup"):
        os.symlink(os.path.realpath(os.path.join(daemon.scripts, name)), os.path.join(directory, name))
    for name, text in hooks.items():
        path = os.path.join(directory, "vif-post.d", name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o644 if "plain" in name else 0o755)
    daemon.scripts = directory


@test("§7-39: executable hooks run after the work and before the status, and know the event")
def hooks():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        vif = Vif(store, 3, ip="192.0.2.55", vifname="web0")
        told = f"{daemon.directory}/told"
        scripts_with_hooks(daemon, {
            "10-a.hook": f'#!/bin/sh\necho "$command $dev $ip $XENBUS_PATH" >> {told}\n'
                         f'xenstore-read {vif.backend}/hotplug-status >> {told}\nip -o link show $dev >> {told}\n',
            "20-plain.hook": f"#!/bin/sh\necho plain >> {told}\n", "30-b.txt": f"#!/bin/sh\necho txt >> {told}\n",
        })
        vif.run(daemon, "online")
        with open(told) as file:
            lines = file.read().splitlines()
        demand(lines[:2] == ["online web0 192.0.2.55 backend/vif/3/0", ""], lines)
        demand(len(lines) == 3 and "master xenbr0" in lines[2], lines)
        demand(vif.status == "connected", f"{vif.status!r}")
        vif.run(daemon, "offline")


@test("§7-14, §7-39: a hook that fails makes the vif fail, and what was done is taken back")
def failing_hook():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        scripts_with_hooks(daemon, {"10-a.hook": "#!/bin/sh\nexit 7\n"})
        vif = Vif(store, 3)
        failed(vif, vif.run(daemon, "online", check=False), "10-a.hook", "exit status 7")
        demand("vif3.0" not in ports(topology.host), ports(topology.host))
        demand(daemon.connected_vifs() == set(), daemon.connected_vifs())


@test("§7-98: vif-setup goes over into the script that the store names, with the words behind its name")
def setup():
    with Store() as store, host() as (topology, daemon):
        scripts_with_hooks(daemon, {})
        for number, script in ((3, f"{daemon.scripts}/vif-bridge bridge=xenbr0"), (4, ""), (5, "vif-bridge")):
            topology.add_guest_with_device(f"{number}.0")
            vif = Vif(store, number, bridge=None)
            daemon.script("vif-setup", "online", "type_if=vif", **vif.environment(script=script))
            demand(f"vif{number}.0" in ports(topology.host) and vif.status == "connected", f"{script!r}")
        result = daemon.script("vif-setup", "online", check=False,
                               **Vif(store, 6).environment(script="/nowhere/script"))
        demand_error(result, "/nowhere/script", code=1)


@test("the domain's entry goes half way: the vif is not connected, and nothing of it comes back")
def vanishing():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        vif = Vif(store, 3)
        scripts_with_hooks(daemon, {"10-a.hook": f"#!/bin/sh\nxenstore-rm {vif.backend}\n"})
        demand_error(vif.run(daemon, "online", check=False), "vif3.0", "has gone meanwhile")
        demand(store.read(f"{vif.backend}/hotplug-status") is None, "the entry is there again")
        demand(daemon.connected_vifs() == set(), daemon.connected_vifs())
        with unchanged(topology.host):
            demand_error(vif.run(daemon, "online", check=False), "no such vif in the store")


@test("a store that is started anew is waited for")
def restarted_store():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        vif = Vif(store, 3)
        store.stop()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            job = pool.submit(vif.run, daemon, "online")
            store.start()
            # It begins empty, unlike one that Xen starts: the vif is either there in time or told to be missing.
            Vif(store, 3)
            try:
                job.result()
            except AssertionError as error:
                demand("no such vif" in str(error), str(error))
        vif.run(daemon, "online")
        demand(vif.status == "connected", f"{vif.status!r}")


def accepting(topology):
    topology.host.run("iptables-nft", "-P", "FORWARD", "ACCEPT")


@test("§7-45, §7-112, §7-114: a hundred vifs at once are all connected, with rules in iptables, and all gone again")
def many():
    count = 100
    configuration = "version: 1\nnetworks:\n  xenbr0: {uplink: eth0}\ncompat: {iptables-accept: yes}\n"
    with Store() as store, host(configuration=configuration, suffix="yaml", prepare=accepting) as (topology, daemon):
        def rules():
            return topology.host.run("iptables-nft", "-S", "FORWARD").stdout.splitlines()
        before = rules()
        topology.host.batch([f"link add vif{n}.0 type veth peer name eth{n}x" for n in range(1, count + 1)])
        vifs = [Vif(store, n) for n in range(1, count + 1)]
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            list(pool.map(lambda vif: vif.run(daemon, "online"), vifs))
        demand(all(vif.status == "connected" for vif in vifs), [vif.status for vif in vifs])
        demand({f"vif{n}.0" for n in range(1, count + 1)} <= ports(topology.host), ports(topology.host))
        demand(len(set(rules())) == len(rules()) == len(before) + 2 * count, f"{len(rules())} rules")
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            list(pool.map(lambda vif: vif.run(daemon, "offline"), vifs))
        demand(ports(topology.host) == {"eth0"}, ports(topology.host))
        demand(rules() == before, rules())
        for n in range(1, count + 1):
            topology.host.ip("link", "delete", f"vif{n}.0")


@test("§7-109: the store's rate of a vif is netback's: the host holds none besides, but for a tap, and for what is set")
def stored_rate():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        vif = Vif(store, 3, rate="62500,50000")
        vif.run(daemon, "online")
        shown = daemon.json("vif", "show", "3.0")["vif"]
        demand(shown.get("netbackRate") == "10Mb/s" and "rate" not in shown, shown)
        demand("10Mb/s by netback" in daemon.drawbridge("vif", "show", "3.0").stdout, "it is not told")
        demand(link(topology.host, "ifb3.0") is None, "the host limits it as well")
        daemon.drawbridge("vif", "set", "3.0", "--rate", "5Mb/s", "--rate-in", "20Mb/s")
        demand(link(topology.host, "ifb3.0"), "what was set is not held")
        shown = daemon.json("vif", "show", "3.0")["vif"]
        demand((shown["rate"], shown["rateIn"], shown["netbackRate"]) == ("5Mb/s", "20Mb/s", "10Mb/s"), shown)
        daemon.drawbridge("vif", "set", "3.0", "--rate", "unlimited")
        demand(link(topology.host, "ifb3.0") is None, "it is still limited")
        # The emulated card's tap has no netback.
        topology.host.ip("tuntap", "add", "vif3.0-emu", "mode", "tap")
        vif.run(daemon, "add", vif=None, INTERFACE="vif3.0-emu")
        shown = daemon.json("vif", "show", "vif3.0-emu")["vif"]
        demand(shown.get("rate") == "10Mb/s" and "netbackRate" not in shown, shown)
        vif.run(daemon, "remove", vif=None, INTERFACE="vif3.0-emu")
        vif.run(daemon, "offline")
        topology.host.ip("link", "delete", "vif3.0-emu")
