"""What a vif must not be given: refused before any change, with the key and the value named."""

from rig.cases import demand, demand_error, host, test, unchanged

MAC = "00:16:3e:00:00:01"


@test("an address or a hardware address that another vif of the network has is refused before any change")
def taken():
    with host() as (topology, daemon):
        guest = topology.add_guest("1.0")
        daemon.add_pair("1.0", guest, "--mac", MAC, "--ip", "192.0.2.21", "--ip", "2001:db8:7::/64")
        other = topology.add_guest("3.1")
        topology.add_guest_with_device("4.0")
        with unchanged(topology.host):
            for key, value, holder in (("mac", MAC, MAC), ("ip", "192.0.2.21", "192.0.2.21"),
                                       ("ip", "192.0.2.0/24", "192.0.2.21"),
                                       ("ip", "2001:db8:7::9", "2001:db8:7::/64")):
                demand_error(daemon.add_pair("3.1", other, f"--{key}", value, check=False),
                             "vif3.1", key, value, holder, "vif1.0", "xenbr0")
                demand_error(daemon.vif_bridge("online", "4.0", check=False, bridge="xenbr0", **{key: value}),
                             "vif4.0", key, value, holder, "vif1.0", "xenbr0", code=1)
        demand(daemon.connected_vifs() == {"1.0"}, daemon.connected_vifs())
        # The same vif may be told of again, and what it had is free once it is gone.
        daemon.remove_vif("1.0")
        daemon.add_pair("3.1", other, "--mac", MAC, "--ip", "192.0.2.21")


@test("§7-110: a hardware address that another vif of the domain has is refused")
def taken_in_domain():
    with host() as (topology, daemon):
        for vif in ("3.0", "3.1"):
            topology.add_guest_with_device(vif)
        daemon.vif_bridge("online", "3.0", bridge="xenbr0", mac=MAC)
        with unchanged(topology.host):
            demand_error(daemon.vif_bridge("online", "3.1", check=False, bridge="xenbr0", mac=MAC),
                         f'The mac "{MAC}" is already defined', "vif3.0", code=1)


@test("a vif whose device is gone keeps its addresses from nobody")
def gone():
    with host() as (topology, daemon):
        for vif in ("3.0", "4.0"):
            topology.add_guest_with_device(vif)
        daemon.vif_bridge("online", "3.0", bridge="xenbr0", mac=MAC, ip="192.0.2.21")
        topology.host.ip("link", "delete", "vif3.0")
        daemon.vif_bridge("online", "4.0", bridge="xenbr0", mac=MAC, ip="192.0.2.21")
        demand("4.0" in daemon.connected_vifs(), daemon.connected_vifs())
        daemon.vif_bridge("offline", "3.0", bridge="xenbr0")


@test("what is no address, or a prefix where a host is needed, is refused with the key and the value")
def malformed():
    with host() as (topology, daemon):
        guest = topology.add_guest("1.0")
        topology.add_guest_with_device("3.0")
        with unchanged(topology.host):
            for key, value in (("ip", "192.0.2.256"), ("ip", "guest"), ("ip", "192.0.2.7/24"), ("ip", "127.0.0.1"),
                               ("ip", "192.0.2.7/33"), ("ip", "2001:db8::7/64"), ("ip", "ff02::1"),
                               ("mac", "00:16:3e"), ("mac", "01:00:5e:00:00:01"), ("mac", "00:00:00:00:00:00")):
                demand_error(daemon.add_pair("1.0", guest, f"--{key}", value, check=False), key, f"'{value}'")
                demand_error(daemon.vif_bridge("online", "3.0", check=False, bridge="xenbr0", **{key: value}),
                             key, f"'{value}'", code=1)
        demand(not daemon.connected_vifs(), daemon.connected_vifs())


@test("§7-104: an empty entry of a domain's file is one vif with a random address of Xen's, and the device number 0")
def empty_entry():
    with host() as (topology, daemon):
        guest = topology.add_guest("1.0")
        daemon.drawbridge("vif", "add", "--netns", guest.path, "--domain", "web", "--spec", "")
        vifs = daemon.json("vif", "list")["vifs"]
        demand(len(vifs) == 1, vifs)
        mac = vifs[0]["mac"].split(":")
        demand(mac[:3] == ["00", "16", "3e"] and int(mac[3], 16) <= 0x7f, vifs)
        demand(vifs[0]["id"].endswith(".0") and vifs[0]["domain"] == "web", vifs)
        daemon.drawbridge("vif", "remove", vifs[0]["id"])


@test("§7-105: a vif as a domain's file describes it; an unknown key and an item without '=' are errors")
def entry():
    with host() as (topology, daemon):
        guest = topology.add_guest("1.0")
        with unchanged(topology.host):
            for text, words in (("mac=00:16:3e:00:00:01,colour=red", "Invalid vif option: colour"),
                                ("bridge", "bridge should be a pair, separated by an equals sign."),
                                ("rate=0Mb/s", "zero"), ("ip=192.0.2.256", "192.0.2.256"), ("mtu=big", "'big'")):
                demand_error(daemon.drawbridge("vif", "add", "1.0", "--netns", guest.path, "--spec", text, check=False),
                             words)
        result = daemon.drawbridge("vif", "add", "1.0", "--netns", guest.path, "--mtu", "1300", "--spec",
                                   " mac=%s , bridge=xenbr0,ip=192.0.2.21 2001:db8:1::21,rate=10Mb/s@20ms,mtu=1400,model=e1000"
                                   % MAC)
        demand("model=e1000" in result.stderr, result.stderr)
        vif = daemon.json("vif", "show", "1.0")["vif"]
        demand((vif["mac"], vif["rate"], vif["mtu"]) == (MAC, "10Mb/s@20ms", 1300), vif)
        demand(sorted(vif["addresses"]) == ["192.0.2.21/32", "2001:db8:1::21/128"], vif)
        daemon.remove_vif("1.0")
