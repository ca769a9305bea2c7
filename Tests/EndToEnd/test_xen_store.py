"""What goes wrong with Xen's store (behaviours 14, 117), and the daemon that watches it (115), against a real xenstored."""

import concurrent.futures
import os

from rig.cases import demand, host, ports, test, unchanged
from rig.product import BRIDGED
from rig.xen import Store, Vif, eventually
from test_xen import failed, scripts_with_hooks


@test("§7-14: without a xenstored a vif that comes fails with one line, and nothing changes; the next one comes")
def no_store():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        vif = Vif(store, 3)
        store.stop()
        with unchanged(topology.host):
            result = vif.run(daemon, "online", check=False)
        demand(result.returncode != 0, "it succeeded")
        lines = result.stderr.strip().splitlines()
        demand(len(lines) == 1 and "vif3.0" in lines[0] and "xenstore" in lines[0], result.stderr)
        store.start()
        vif = Vif(store, 3)
        vif.run(daemon, "online")
        demand(vif.status == "connected", f"{vif.status!r}")
        vif.run(daemon, "offline")


@test("§7-13: a xenstored that is started anew is waited for")
def store_restarts():
    with Store() as old, Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        vif = Vif(store, 3)
        environment = {"XENSTORED_PATH": old.socket}
        old.stop()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            run = pool.submit(vif.run, daemon, "online", **environment)
            # All at once, so that whoever finds the new store finds the vif in it.
            os.rename(store.socket, old.socket)
            store.socket = old.socket
            run.result()
        demand(vif.status == "connected", f"{vif.status!r}")
        vif.run(daemon, "offline")


@test("§7-14, §7-118: a domain that disappears half way: the script fails, and neither its vif nor its entry is there again")
def domain_disappears():
    with Store() as store, host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        topology.add_guest_with_device("4.0")
        vif = Vif(store, 3)
        scripts_with_hooks(daemon, {
            "10-a.hook": f'#!/bin/sh\n[ "$command $dev" != "online vif3.0" ] || xenstore-rm {vif.backend}\n',
        })
        result = vif.run(daemon, "online", check=False)
        demand(result.returncode != 0 and "gone meanwhile" in result.stderr, f"{result}")
        demand(len(result.stderr.strip().splitlines()) == 1, result.stderr)
        demand(store.read(vif.backend) is None, "the entry is there again")
        demand("vif3.0" not in ports(topology.host), ports(topology.host))
        demand(daemon.connected_vifs() == set(), daemon.connected_vifs())
        other = Vif(store, 4)
        other.run(daemon, "online")
        demand(other.status == "connected", f"{other.status!r}")
        other.run(daemon, "offline")


@test("§7-115: without scripts the daemon connects what waits and what comes, and withdraws what is closed")
def without_scripts():
    configuration = BRIDGED + "(drawbridge-xen-vifs daemon)\n"
    with Store() as store, host(configuration=configuration, start=False) as (topology, daemon):
        topology.add_guest_with_device("3.0")
        first = Vif(store, 3, mtu="1400", vifname="web0")
        daemon.start(environment={"XENSTORED_PATH": store.socket})
        eventually(lambda: first.status == "connected", lambda: f"{first.status!r} {first.error!r}")
        demand("web0" in ports(topology.host), ports(topology.host))
        demand(first.frontend_mtu == "1400", f"{first.frontend_mtu!r}")
        # The kernel makes the device at about the time when the store asks for it.
        second = Vif(store, 4)
        topology.add_guest_with_device("4.0")
        eventually(lambda: second.status == "connected", lambda: f"{second.status!r} {second.error!r}")
        third = Vif(store, 5, bridge="nobr")
        topology.add_guest_with_device("5.0")
        eventually(lambda: third.status == "error", lambda: f"{third.status!r}", timeout=40)
        demand("Could not find bridge device nobr" in third.error and "vif5.0" in third.error, f"{third.error!r}")
        store.write({f"{first.backend}/online": "0", f"{first.backend}/state": "6"})
        eventually(lambda: store.read(first.backend) is None, "the entry is there still")
        demand("web0" not in ports(topology.host), ports(topology.host))
        store.remove(second.backend)
        eventually(lambda: "vif4.0" not in ports(topology.host), lambda: f"{ports(topology.host)}")
        eventually(lambda: daemon.connected_vifs() == set(), lambda: f"{daemon.connected_vifs()}")
