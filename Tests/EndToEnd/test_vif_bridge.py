"""`vif-bridge`: behaviours 20 to 38, for devices that exist and from arguments and environment alone."""

from rig.cases import demand, demand_error, host, link, ports, test, unchanged
from rig.topology import GUESTS_IPV4, ROUTER_IPV4

NO_NETWORK = "(network-script)\n(vif-script vif-bridge)\n"
PORT_MAC = "fe:ff:ff:ff:ff:ff"


@test("§7-20: a vif joins the bridge that is named, and is up")
def joins():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        daemon.vif_bridge("online", "3.0", bridge="xenbr0")
        device = link(topology.host, "vif3.0")
        demand(device.get("master") == "xenbr0", f"no port of xenbr0: {device}")
        demand("UP" in device["flags"], f"not up: {device['flags']}")


@test("§7-21: a vif's MAC is fe:ff:ff:ff:ff:ff, it has no address, and its MTU is the bridge's")
def port_settings():
    def prepare(topology):
        topology.host.ip("link", "set", "eth0", "mtu", "1400")

    with host(prepare=prepare) as (topology, daemon):
        topology.add_guest_with_device("3.0")
        topology.host.batch(["link set vif3.0 up", "address add 198.51.100.9/24 dev vif3.0"])
        daemon.vif_bridge("online", "3.0", bridge="xenbr0")
        device = link(topology.host, "vif3.0")
        demand(device["address"] == PORT_MAC, device["address"])
        demand(device["mtu"] == 1400, f"MTU {device['mtu']}")
        addresses, = topology.host.json("address", "show", "dev", "vif3.0")
        demand(not addresses["addr_info"], f"addresses: {addresses['addr_info']}")
        demand(topology.host.sysctl("ipv6/conf/vif3.0/disable_ipv6") == "1", "IPv6 is on at the port")


@test("§7-22: a vif answers no ARP and takes no multicast for the host")
def port_flags():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        daemon.vif_bridge("online", "3.0", bridge="xenbr0")
        flags = link(topology.host, "vif3.0")["flags"]
        demand("NOARP" in flags and "MULTICAST" not in flags, flags)


@test("§7-23: a vif whose MAC cannot be set is connected all the same")
def stubborn_mac():
    def prepare(topology):
        # The kernel refuses a second device of this kind the same address.
        topology.host.batch([
            "link add lower type veth peer name upper", "link set lower up", "link set upper up",
            f"link add link lower name first address {PORT_MAC} type macvlan mode bridge", "link set first up",
        ])
        topology.host.settled()

    with host(prepare=prepare) as (topology, daemon):
        topology.host.ip("link", "add", "link", "lower", "name", "vif3.0", "type", "macvlan", "mode", "bridge")
        topology.host.ip("link", "set", "vif3.0", "up")
        mac = link(topology.host, "vif3.0")["address"]
        refused = topology.host.ip("link", "set", "vif3.0", "address", PORT_MAC, check=False)
        demand(refused.returncode != 0, "the kernel was expected to refuse this MAC")
        daemon.vif_bridge("online", "3.0", bridge="xenbr0")
        device = link(topology.host, "vif3.0")
        demand(device.get("master") == "xenbr0" and device["address"] == mac, f"{device}")
        daemon.vif_bridge("offline", "3.0", bridge="xenbr0")
        topology.host.ip("link", "delete", "vif3.0")


@test("§7-26: without a bridge named, the only bridge is taken")
def only_bridge():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        daemon.vif_bridge("online", "3.0")
        demand("vif3.0" in ports(topology.host), ports(topology.host))


@test("§7-26: without a bridge named and with several, the error lists them")
def several_bridges():
    def prepare(topology):
        topology.host.ip("link", "add", "br-other", "type", "bridge")

    with host(prepare=prepare) as (topology, daemon):
        topology.add_guest_with_device("3.0")
        with unchanged(topology.host):
            demand_error(daemon.vif_bridge("online", "3.0", check=False), "br-other", "xenbr0")


@test("§7-27: without a bridge named and without any, the error says so")
def no_bridge():
    with host(configuration=NO_NETWORK) as (topology, daemon):
        topology.add_guest_with_device("3.0")
        with unchanged(topology.host):
            demand_error(daemon.vif_bridge("online", "3.0", check=False),
                         "Could not find bridge, and none was specified", code=1)


@test("§7-28: a bridge that is missing is named in the error, and the vif is untouched")
def missing_bridge():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        with unchanged(topology.host):
            demand_error(daemon.vif_bridge("online", "3.0", check=False, bridge="nobr"),
                         "Could not find bridge device nobr", code=1)


@test("§7-29: where xenbr0 is missing and eth0 is a bridge, the vif joins eth0")
def old_name():
    def prepare(topology):
        topology.host.batch(["link add eth0 type bridge forward_delay 0", "link set eth0 up"])
        topology.host.settled()

    # A bridge that has had a port is not again what one is that never had any: carrier and number tell.
    with host("enp3s0", NO_NETWORK, prepare=prepare, compare=False) as (topology, daemon):
        topology.add_guest_with_device("3.0")
        daemon.vif_bridge("online", "3.0", bridge="xenbr0")
        demand("vif3.0" in ports(topology.host, "eth0"), link(topology.host, "vif3.0"))
        daemon.vif_bridge("offline", "3.0", bridge="xenbr0")


@test("§7-30: online twice succeeds and changes nothing the second time")
def twice():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        daemon.vif_bridge("online", "3.0", bridge="xenbr0")
        with unchanged(topology.host):
            daemon.vif_bridge("online", "3.0", bridge="xenbr0")
        demand(daemon.connected_vifs() == {"3.0"}, daemon.connected_vifs())


@test("§7-31: offline takes the vif off its bridge and down, and forgets it")
def offline():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        daemon.vif_bridge("online", "3.0", bridge="xenbr0")
        daemon.vif_bridge("offline", "3.0", bridge="xenbr0")
        device = link(topology.host, "vif3.0")
        demand("master" not in device and "UP" not in device["flags"], f"{device}")
        demand(not daemon.connected_vifs(), daemon.connected_vifs())
        tables = topology.host.run("nft", "list", "ruleset").stdout
        demand("vif3.0" not in tables, tables)


@test("§7-31: offline twice, and of a vif that never was, succeeds")
def offline_twice():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        daemon.vif_bridge("online", "3.0", bridge="xenbr0")
        for _ in range(2):
            daemon.vif_bridge("offline", "3.0", bridge="xenbr0")
        daemon.vif_bridge("offline", "9.9", bridge="xenbr0")


@test("§7-32: offline after the bridge was deleted succeeds")
def bridge_gone():
    def prepare(topology):
        topology.host.batch(["link add br-other type bridge forward_delay 0", "link set br-other up"])
        topology.host.settled()

    with host(configuration=NO_NETWORK, prepare=prepare, compare=False) as (topology, daemon):
        topology.add_guest_with_device("3.0")
        daemon.vif_bridge("online", "3.0", bridge="br-other")
        topology.host.ip("link", "delete", "br-other")
        daemon.vif_bridge("offline", "3.0", bridge="br-other")
        demand(not daemon.connected_vifs(), daemon.connected_vifs())


@test("§7-32: offline after the device vanished succeeds")
def device_gone():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        daemon.vif_bridge("online", "3.0", bridge="xenbr0")
        topology.host.ip("link", "delete", "vif3.0")
        daemon.vif_bridge("offline", "3.0", bridge="xenbr0")
        demand(not daemon.connected_vifs(), daemon.connected_vifs())


@test("§7-35: vifname renames the vif, and everything else is done under the new name")
def renamed():
    with host() as (topology, daemon):
        guest = topology.add_guest_with_device("3.1")
        daemon.vif_bridge("online", "3.1", bridge="xenbr0", vifname="web0")
        demand(link(topology.host, "vif3.1") is None, "vif3.1 is still there")
        demand("web0" in ports(topology.host), ports(topology.host))
        topology.address_guest("3.1")
        guest.run("ping", "-c", "1", "-W", "2", ROUTER_IPV4)
        daemon.vif_bridge("offline", "3.1", bridge="xenbr0", vifname="web0")
        demand("master" not in link(topology.host, "web0"), "web0 is still a port")


@test("§7-36: a foreign device of the wanted name is left alone, and the error names both")
def name_taken():
    def prepare(topology):
        topology.host.ip("link", "add", "taken0", "type", "bridge")

    with host(prepare=prepare) as (topology, daemon):
        topology.add_guest_with_device("3.0")
        with unchanged(topology.host):
            demand_error(
                daemon.vif_bridge("online", "3.0", check=False, bridge="xenbr0", vifname="taken0"),
                "Cannot rename interface vif3.0. An interface with name taken0 already exists.", code=1)


@test("§7-37: online again after a rename succeeds")
def renamed_twice():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        for _ in range(2):
            daemon.vif_bridge("online", "3.0", bridge="xenbr0", vifname="web0")
        demand("web0" in ports(topology.host), ports(topology.host))


@test("§7-38: a vifname that is too long or malformed is refused before any change")
def bad_names():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        for name in ("a234567890123456", "with/slash", "..", "a b"):
            with unchanged(topology.host):
                demand_error(
                    daemon.vif_bridge("online", "3.0", check=False, bridge="xenbr0", vifname=name), code=1)


@test("§7-4: arguments are never evaluated by a shell, and unknown keys are accepted")
def no_evaluation():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        trap = f"{daemon.directory}/evaluated"
        daemon.vif_bridge("online", "3.0", bridge="xenbr0", colour=f"$(touch {trap})", other=f"`touch {trap}`")
        demand("vif3.0" in ports(topology.host), ports(topology.host))
        demand(topology.host.run("test", "-e", trap, check=False).returncode != 0, "a shell ran it")


@test("§7-1, §7-2: the command stands anywhere, and of equal keys the last one wins")
def argument_order():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        daemon.script("vif-bridge", "bridge=nobr", "bridge=xenbr0", "online", vif="vif3.0",
                      XENBUS_PATH="backend/vif/3/0")
        demand("vif3.0" in ports(topology.host), ports(topology.host))


@test("§7-8: each run is logged with the script's name, its arguments and its path in the store")
def logged():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        daemon.vif_bridge("online", "3.0", bridge="xenbr0")
        line = next((line for line in daemon.tail(50).splitlines() if "vif-bridge" in line and "online" in line), "")
        demand("bridge=xenbr0" in line and "backend/vif/3/0" in line, daemon.tail())


@test("§7-5, §7-6, §7-7: unknown commands and missing context are refused, nothing changes")
def bad_calls():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        with unchanged(topology.host):
            for command in ("move", "up"):
                demand_error(daemon.vif_bridge(command, "3.0", check=False, bridge="xenbr0"),
                             f"Invalid command: {command}", code=1)
            result = daemon.script("vif-bridge", "online", "bridge=xenbr0", check=False,
                                   XENBUS_PATH="backend/vif/3/0")
            demand(result.returncode != 0, "it succeeded without a device")


@test("a pair: one command makes the device, connects it and puts the other end into the namespace")
def pair():
    with host() as (topology, daemon):
        guest = topology.add_guest("1.0")
        daemon.add_pair("1.0", guest)
        demand("vif1.0" in ports(topology.host), ports(topology.host))
        topology.address_guest("1.0")
        guest.run("ping", "-c", "1", "-W", "2", ROUTER_IPV4)
        topology.router.run("ping", "-c", "1", "-W", "2", GUESTS_IPV4["1.0"])
        daemon.remove_vif("1.0")
        demand(link(topology.host, "vif1.0") is None, "its device is still there")
        demand(guest.json("link", "show", "type", "veth") == [], "the guest's end is still there")


@test("a bridge without a host address shows no link-local address to its guests")
def no_link_local():
    def prepare(topology):
        topology.host.batch(["address flush dev eth0", "link set eth0 addrgenmode none"])
        topology.host.ip("-6", "route", "delete", "default", check=False)

    with host(prepare=prepare) as (topology, daemon):
        guest = topology.add_guest("1.0")
        daemon.add_pair("1.0", guest)
        guest.ip("link", "set", "eth0", "up")
        guest.settled("eth0")
        answers = guest.run("ping", "-6", "-c", "2", "-i", "0.3", "-W", "1", "ff02::1%eth0", check=False).stdout
        own = guest.json("address", "show", "dev", "eth0")[0]["addr_info"][0]["local"]
        router = topology.router.json("address", "show", "dev", "lan0")[0]["addr_info"][-1]["local"]
        others = {line.split("from ")[1].split("%")[0].rstrip(":") for line in answers.splitlines() if "from " in line}
        demand(others <= {own, router}, f"somebody else answers: {others - {own, router}}")
