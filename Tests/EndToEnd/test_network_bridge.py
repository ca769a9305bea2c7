"""`network-bridge`: behaviours 73 to 91."""

import concurrent.futures
import re
import signal
import subprocess
import time

from rig.cases import demand, demand_error, host, link, ports, test, unchanged
from rig.topology import HOST_IPV4, HOST_IPV6, ROUTER_IPV4, ROUTER_IPV6
from rig.traffic import CheckedStream, EchoWitness

NO_NETWORK = "(network-script)\n(vif-script vif-bridge)\n"
COMPAT = "version: 1\nvif-script: vif-bridge\ncompat:\n  {}: yes\n"


def addresses(namespace, device):
    entries = namespace.json("address", "show", "dev", device)
    return [f"{address['local']}/{address['prefixlen']}" for address in entries[0]["addr_info"]]


@test("§7-73: an unknown command, and none, list the valid ones")
def unknown_command():
    with host(configuration=NO_NETWORK) as (topology, daemon):
        with unchanged(topology.host):
            for arguments in (["frobnicate"], ["netdev=eth0"], []):
                result = daemon.script("network-bridge", *arguments, check=False)
                demand(result.returncode == 1, f"{arguments}: exit {result.returncode}")
                demand("Valid commands are: start, stop, status" in result.stderr, result.stderr)


@test("§7-74: bridge=null does nothing and succeeds")
def null_bridge():
    with host(configuration=NO_NETWORK) as (topology, daemon):
        with unchanged(topology.host):
            daemon.script("network-bridge", "start", "bridge=null")
            daemon.script("network-bridge", "stop", "bridge=null")


@test("§7-75: without arguments the default route's interface and its number decide")
def defaults():
    with host("eth1", NO_NETWORK) as (topology, daemon):
        daemon.script("network-bridge", "start")
        demand("eth1" in ports(topology.host, "xenbr1"), f"{link(topology.host, 'eth1')}")
        daemon.script("network-bridge", "stop")
        demand(link(topology.host, "xenbr1") is None, "xenbr1 is still there")


@test("§7-75: without a default route it is eth0 and xenbr0")
def defaults_without_route():
    def prepare(topology):
        topology.host.ip("route", "delete", "default")
        topology.host.ip("-6", "route", "delete", "default")

    with host(configuration=NO_NETWORK, prepare=prepare) as (topology, daemon):
        daemon.script("network-bridge", "start")
        demand("eth0" in ports(topology.host, "xenbr0"), f"{link(topology.host, 'eth0')}")
        daemon.script("network-bridge", "stop")


@test("§7-76: under compat the bridge is named after the interface that it takes")
def named_after_uplink():
    # The interface keeps its name, so a bridge of the same name cannot be: it has to be said, and early.
    with host(configuration=COMPAT.format("bridge-named-after-uplink"), suffix="yaml") as (topology, daemon):
        with unchanged(topology.host):
            demand_error(daemon.script("network-bridge", "start", check=False), "eth0")


@test("§7-77: the bridge has STP off, no forward delay, the interface as its port, and is up")
def bridge_settings():
    with host() as (topology, daemon):
        bridge = link(topology.host, "xenbr0")
        data = bridge["linkinfo"]["info_data"]
        demand(data["stp_state"] == 0 and data["forward_delay"] == 0, f"{data}")
        demand(data["mcast_snooping"] == 0, "multicast snooping is on")
        demand(data["nf_call_iptables"] == data["nf_call_ip6tables"] == data["nf_call_arptables"] == 0,
               "bridge netfilter is on")
        demand("UP" in bridge["flags"], bridge["flags"])
        demand("eth0" in ports(topology.host), ports(topology.host))


@test("§7-78: the host answers on the same address and MAC, its default route is kept")
def same_host():
    with host(start=False) as (topology, daemon):
        mac = link(topology.host, "eth0")["address"]
        daemon.start()
        demand(link(topology.host, "xenbr0")["address"] == mac, link(topology.host, "xenbr0")["address"])
        topology.router.run("ping", "-c", "1", "-W", "2", HOST_IPV4)
        neighbour, = topology.router.json("neighbour", "show", HOST_IPV4)
        demand(neighbour["lladdr"] == mac, neighbour)
        route, = topology.host.json("route", "show", "default")
        demand(route["dev"] == "xenbr0" and route["gateway"] == ROUTER_IPV4, route)


@test("§7-79: addresses with labels, IPv6, routes of all tables, rules and MTU move along")
def everything_moves():
    def prepare(topology):
        topology.host.batch([
            "link set eth0 mtu 1450",
            "address add 203.0.113.5/32 peer 203.0.113.6 dev eth0 scope link label eth0:p",
            "address add 198.51.100.3/24 dev eth0 valid_lft 900 preferred_lft 600 noprefixroute",
            f"route add 10.99.0.0/16 via {ROUTER_IPV4} dev eth0 table 77 metric 4",
            f"route add 10.98.0.0/16 nexthop via {ROUTER_IPV4} dev eth0 weight 3 "
            "nexthop via 192.0.2.2 dev eth0 weight 1",
            f"nexthop add id 12 via {ROUTER_IPV4} dev eth0",
            "nexthop add id 13 group 12",
            "route add 10.97.0.0/16 nhid 13",
            "rule add priority 90 from 198.51.100.3 lookup 77",
            f"route add 2001:db8:aa::/48 via {ROUTER_IPV6} dev eth0 metric 9 expires 700 pref high",
        ])

    with host(prepare=prepare) as (topology, daemon):
        bridge = link(topology.host, "xenbr0")
        demand(bridge["mtu"] == 1450, bridge["mtu"])
        entries = {address["local"]: address for address in
                   topology.host.json("address", "show", "dev", "xenbr0")[0]["addr_info"]}
        demand(entries["192.0.2.11"]["secondary"], entries)
        demand(entries["203.0.113.5"]["address"] == "203.0.113.6", entries)
        demand(entries["203.0.113.5"]["scope"] == "link", entries)
        demand(entries["198.51.100.3"]["noprefixroute"], entries)
        demand(895 <= entries["198.51.100.3"]["valid_life_time"] <= 900, entries)
        demand(HOST_IPV6 in entries, entries)
        demand(addresses(topology.host, "eth0") == [], f"eth0 kept {addresses(topology.host, 'eth0')}")
        for family, table, destination in (("-4", "77", "10.99.0.0/16"), ("-4", "main", "10.98.0.0/16"),
                                           ("-4", "main", "10.97.0.0/16"), ("-4", "main", "10.30.0.0/16"),
                                           ("-6", "main", "2001:db8:aa::/48")):
            text = topology.host.ip(family, "-d", "route", "show", "table", table, destination).stdout
            demand("xenbr0" in text and "eth0" not in text, f"{destination}: {text}")
        nexthops = topology.host.json("nexthop", "show")
        demand(all(entry.get("dev") in ("xenbr0", None) for entry in nexthops), nexthops)
        neighbours = topology.host.json("neighbour", "show", "nud", "permanent")
        demand(any(entry["dev"] == "xenbr0" and entry["dst"] == "192.0.2.77" for entry in neighbours), neighbours)


@test("§7-79: an open connection and a 1 ms ping live through 20 starts and stops under load", alone=True)
def connections_live():
    with host(configuration=NO_NETWORK) as (topology, daemon):
        witness = EchoWitness(topology.router, [HOST_IPV4, HOST_IPV6])
        streams = [CheckedStream(topology.router, topology.host, HOST_IPV4, 7000),
                   CheckedStream(topology.router, topology.host, HOST_IPV6, 7001)]
        # A guest that is attached at every start loads the bridge for as long as it is there.
        guest = topology.add_guest("1.0")
        daemon.script("network-bridge", "start", "netdev=eth0", "bridge=xenbr0")
        daemon.add_pair("1.0", guest)
        topology.address_guest("1.0")
        load = guest.start("ping", "-f", "-q", "-s", "1000", "-w", "60", ROUTER_IPV4,
                           stdout=subprocess.PIPE, text=True)
        time.sleep(0.3)
        daemon.script("network-bridge", "stop", "netdev=eth0", "bridge=xenbr0")
        for _ in range(19):
            daemon.script("network-bridge", "start", "netdev=eth0", "bridge=xenbr0")
            demand({"eth0", "vif1.0"} <= ports(topology.host), ports(topology.host))
            time.sleep(0.05)
            daemon.script("network-bridge", "stop", "netdev=eth0", "bridge=xenbr0")
        load.send_signal(signal.SIGINT)
        answered = re.search(r"(\d+) received", load.communicate(timeout=10)[0])
        demand(answered and int(answered[1]) > 500, f"the guest loaded nothing: {answered}")
        for stream in streams:
            client, server = stream.result()
            demand(not client["problem"] and not server["problem"], f"{client} {server}")
            demand(client["sent"] == server["received"] > 0, f"{client} {server}")
            demand(server["sent"] == client["received"] > 0, f"{client} {server}")
        # All of them are told: whether both families lose says where.
        figures = witness.result()["total"]
        demand(all(figure["lost"] == 0 for figure in figures.values()), figures)


@test("§7-80: start twice succeeds and changes nothing the second time")
def start_twice():
    with host() as (topology, daemon):
        with unchanged(topology.host):
            daemon.script("network-bridge", "start", "netdev=eth0", "bridge=xenbr0")


@test("§7-81: under compat start does nothing once any bridge exists; without, only its own counts")
def other_bridges():
    def prepare(topology):
        topology.host.ip("link", "add", "virbr0", "type", "bridge")

    with host(configuration=COMPAT.format("start-only-without-bridges"), suffix="yaml",
              prepare=prepare) as (topology, daemon):
        with unchanged(topology.host):
            daemon.script("network-bridge", "start", "netdev=eth0", "bridge=xenbr0")
    with host(prepare=prepare) as (topology, daemon):
        demand("eth0" in ports(topology.host), ports(topology.host))


@test("§7-82: stop gives everything back, and guests are off the bridge with their devices kept")
def stop():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.1")
        daemon.add_pair("1.0", topology.add_guest("1.0"))
        daemon.vif_bridge("online", "3.1", bridge="xenbr0")
        daemon.script("network-bridge", "stop", "netdev=eth0", "bridge=xenbr0")
        demand(link(topology.host, "xenbr0") is None, "xenbr0 is still there")
        for name in ("vif1.0", "vif3.1"):
            device = link(topology.host, name)
            demand(device is not None and "master" not in device, f"{name}: {device}")


@test("§7-83: stop without a bridge, and without the uplink on it, changes nothing and succeeds")
def stop_nothing():
    with host(configuration=NO_NETWORK) as (topology, daemon):
        with unchanged(topology.host):
            daemon.script("network-bridge", "stop", "netdev=eth0", "bridge=xenbr0")
        topology.host.ip("link", "add", "xenbr0", "type", "bridge")
        with unchanged(topology.host):
            daemon.script("network-bridge", "stop", "netdev=eth0", "bridge=xenbr0")
        topology.host.ip("link", "delete", "xenbr0")


@test("§7-84: an interface without addresses, and one without a gateway, start and stop")
def bare_interface():
    for lines in (["address flush dev eth0"], ["route flush dev eth0 scope global"]):
        def prepare(topology):
            topology.host.batch(lines)
            # The kernel keeps an IPv6 route whose gateway no address reaches any more, and takes it nowhere else.
            topology.host.ip("-6", "route", "delete", "default", check=False)

        with host(prepare=prepare) as (topology, daemon):
            demand("eth0" in ports(topology.host), ports(topology.host))
            demand("UP" in link(topology.host, "xenbr0")["flags"], "the bridge is down")


@test("§7-86: interfaces of any name, and several default routes")
def names():
    def prepare(topology):
        topology.host.batch([
            f"route add default via {ROUTER_IPV4} dev {topology.uplink} metric 100",
            f"route add default via 192.0.2.2 dev {topology.uplink} metric 200",
        ])

    for uplink in ("enp3s0", "br-lan", "lan.100"):
        with host(uplink, f"(network-script 'network-bridge netdev={uplink} bridge=xenbr0')\n",
                  prepare=prepare) as (topology, daemon):
            demand(uplink in ports(topology.host), ports(topology.host))
            routes = topology.host.json("route", "show", "default")
            demand([route["dev"] for route in routes] == ["xenbr0"] * 3, routes)


@test("§7-86: an interface is found by its alternative name")
def altname():
    def prepare(topology):
        topology.host.ip("link", "property", "add", "dev", "eth0", "altname", "enp0s31f6")

    with host(configuration="(network-script 'network-bridge netdev=enp0s31f6 bridge=xenbr0')\n",
              prepare=prepare) as (topology, daemon):
        demand("eth0" in ports(topology.host), ports(topology.host))


@test("§7-87: an interface without carrier is waited for, and taken all the same")
def no_carrier():
    def prepare(topology):
        topology.router.ip("link", "set", "lan0", "down")

    with host(prepare=prepare, compare=False) as (topology, daemon):
        demand("eth0" in ports(topology.host), ports(topology.host))
        demand(HOST_IPV4 + "/24" in addresses(topology.host, "xenbr0"), addresses(topology.host, "xenbr0"))


@test("§7-90: two starts at once for different interfaces both succeed")
def two_at_once():
    def prepare(topology):
        topology.host.ip("link", "add", "eth1", "type", "veth", "peer", "name", "lan1", "netns",
                         topology.router.name)
        topology.router.ip("link", "set", "lan1", "up")
        topology.host.batch(["link set eth1 up", "address add 203.0.113.9/24 dev eth1"])
        topology.host.settled("eth1")

    with host(configuration=NO_NETWORK, prepare=prepare) as (topology, daemon):
        def start(number):
            return daemon.script("network-bridge", "start", f"netdev=eth{number}", f"bridge=xenbr{number}",
                                 check=False)

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = list(pool.map(start, (0, 1)))
        demand([result.returncode for result in results] == [0, 0], [result.stderr for result in results])
        demand("eth0" in ports(topology.host, "xenbr0") and "eth1" in ports(topology.host, "xenbr1"), "not both")


@test("§7-91: status prints addresses, ports and routes")
def status():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.1")
        daemon.vif_bridge("online", "3.1", bridge="xenbr0")
        result = daemon.script("network-bridge", "status", "netdev=eth0", "bridge=xenbr0")
        for word in (HOST_IPV4, "xenbr0", "eth0", "vif3.1", ROUTER_IPV4):
            demand(word in result.stdout, f"{word} is not in: {result.stdout}")


@test("a bridge that exists is adopted, and its other ports are left alone")
def adopted_bridge():
    def prepare(topology):
        topology.host.batch([
            "link add xenbr0 type bridge forward_delay 0", "link set xenbr0 up",
            "link add other0 type veth peer name other1", "link set other0 master xenbr0", "link set other0 up",
            "link set other1 up",
        ])
        topology.host.settled()

    # The bridge has a link-local address of its own, and so a route to fe80::/64 beside the uplink's.
    with host(prepare=prepare) as (topology, daemon):
        demand({"eth0", "other0"} <= ports(topology.host), ports(topology.host))
        daemon.stop()
        demand(ports(topology.host) == {"other0"}, ports(topology.host))
        demand(HOST_IPV4 + "/24" in addresses(topology.host, "eth0"), addresses(topology.host, "eth0"))
        routes = [route["dev"] for route in topology.host.json("-6", "route", "show", "fe80::/64")]
        demand({"eth0", "xenbr0"} <= set(routes), routes)


@test("with and without promote_secondaries the secondaries and their order survive")
def secondaries():
    for value in (0, 1):
        def prepare(topology):
            topology.host.sysctl("ipv4/conf/eth0/promote_secondaries", value)
            topology.host.ip("address", "add", "192.0.2.12/24", "dev", "eth0", "label", "eth0:2")

        with host(prepare=prepare) as (topology, daemon):
            found = [address for address in addresses(topology.host, "xenbr0") if "." in address]
            demand(found == ["192.0.2.10/24", "192.0.2.11/24", "192.0.2.12/24"], found)


@test("a plan says the settings of a link in one line, and each of them when asked to")
def folded_plan():
    with host(configuration=NO_NETWORK, start=False) as (topology, daemon):
        daemon.start()
        with unchanged(topology.host):
            brief = daemon.plan().splitlines()
            every = daemon.drawbridge("network", "start", "xenbr0", "--uplink", "eth0", "--dry-run",
                                      "--verbose").stdout.splitlines()
        demand(every == daemon.pending_plan(), f"{every}")
        folded = [line for line in brief if re.fullmatch(r"set \d+ settings of xenbr0", line)]
        demand(len(folded) == 1 and len(brief) < 40 < len(every), brief)
        hidden = int(folded[0].split()[1])
        demand(len(every) - hidden + 1 == len(brief) and set(brief) - set(folded) <= set(every), brief)


@test("an address put on the uplink while it is a port is moved to the bridge")
def late_address():
    with host(compare=False) as (topology, daemon):
        topology.host.ip("address", "add", "192.0.2.60/24", "dev", "eth0")
        deadline = time.monotonic() + 5
        while "192.0.2.60/24" not in addresses(topology.host, "xenbr0"):
            demand(time.monotonic() < deadline, "it stayed on eth0")
            time.sleep(0.05)
        daemon.stop()
        demand("192.0.2.60/24" in addresses(topology.host, "eth0"), "it was lost at the stop")


@test("what others change on the host's part while it is up is kept at the stop")
def changes_are_kept():
    with host(compare=False) as (topology, daemon):
        topology.host.batch([f"route add 10.55.0.0/16 via {ROUTER_IPV4} dev xenbr0",
                             "address delete 192.0.2.11/24 dev xenbr0"])
        time.sleep(0.3)
        daemon.stop()
        found = addresses(topology.host, "eth0")
        demand("192.0.2.11/24" not in found and "192.0.2.10/24" in found, found)
        demand("10.55.0.0/16" in topology.host.ip("route", "show", "dev", "eth0").stdout, "the route was lost")


@test("a firewall set or a rule that names the uplink stops the start before anything moves")
def references():
    def with_rule(topology):
        topology.host.ip("rule", "add", "priority", "50", "iif", "eth0", "lookup", "main")

    def with_ruleset(topology):
        topology.host.nft('table inet admin {\n chain input {\n type filter hook input priority 0;\n'
                          ' iifname "eth0" accept\n }\n}\n')

    for prepare in (with_rule, with_ruleset):
        with host(configuration=NO_NETWORK, prepare=prepare) as (topology, daemon):
            with unchanged(topology.host):
                demand_error(daemon.script("network-bridge", "start", "netdev=eth0", check=False), "eth0")


@test("interfaces that cannot be a port are refused in planning")
def impossible_uplinks():
    def prepare(topology):
        topology.host.batch([
            "link add br-other type bridge", "link add taken0 type veth peer name taken1",
            "link set taken0 master br-other", "link add parent0 type veth peer name parent1",
            "link add link parent0 name child0 type macvlan mode bridge",
            "tuntap add dev tun0 mode tun",
        ])

    with host(configuration=NO_NETWORK, prepare=prepare) as (topology, daemon):
        for name, word in (("nosuch0", "nosuch0"), ("lo", "lo"), ("taken0", "br-other"), ("parent0", "child0"),
                           ("tun0", "tun0"), ("br-other", "br-other")):
            with unchanged(topology.host):
                demand_error(daemon.script("network-bridge", "start", f"netdev={name}", "bridge=xenbr7",
                                           check=False), word)


@test("two networks on one uplink are refused")
def two_on_one():
    with host() as (topology, daemon):
        with unchanged(topology.host):
            demand_error(daemon.script("network-bridge", "start", "netdev=eth0", "bridge=xenbr9", check=False),
                         "eth0", "xenbr0")


@test("names that are too long or malformed are refused")
def bad_names():
    with host(configuration=NO_NETWORK) as (topology, daemon):
        with unchanged(topology.host):
            for argument in ("bridge=a2345678901234567", "bridge=a/b", "netdev=..", "netdev=a2345678901234567"):
                demand_error(daemon.script("network-bridge", "start", argument, check=False))
