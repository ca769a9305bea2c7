"""Networks that no configuration names, raised by the command."""

from rig.cases import demand, demand_error, host, link, test
from rig.topology import HOST_IPV4, ROUTER_IPV4
from test_routed import eventually, reaches
from test_subnets import add, address, ask, seen, serving

NOTHING = "version: 1\nvif-script: vif-bridge\n"
NAT = ("network", "start", "inner", "--kind", "nat", "--uplink", "eth0",
       "--address", "10.77.0.1/24", "--address", "fd00:77::1/64")


@test("a subnet behind NAT is raised by the command alone, outlives its daemon, and gives the host back")
def subnet():
    with host(configuration=NOTHING, suffix="yaml") as (topology, daemon):
        plan = daemon.json(*NAT, "--dry-run")["outcome"]["plan"]
        demand(any("10.77.0.1/24" in line for line in plan) and link(topology.host, "inner") is None, plan)
        daemon.drawbridge(*NAT, "--domain", "guests.example")
        guest = add(topology, daemon, "1.0", "--domain", "web")
        ask(guest)
        demand(address(guest) == "10.77.0.2", address(guest))
        with serving(topology.router, 8000):
            demand(seen(guest, ROUTER_IPV4, 8000) == HOST_IPV4, "the router does not see the host's address")
        daemon.kill()
        daemon.start()
        eventually("the router", lambda: reaches(guest, ROUTER_IPV4))
        daemon.drawbridge("network", "stop", "inner")
        demand(link(topology.host, "inner") is None, "the bridge is there")
        # A routed network without a subnet, the same way.
        daemon.drawbridge("network", "start", "lan", "--kind", "routed", "--uplink", "eth0", "--connect-guests")
        demand(daemon.network("lan")["state"] == "up", daemon.network("lan"))


@test("what contradicts itself in a network that the command is to raise is refused in one line, and nothing is changed")
def refused():
    with host(configuration=NOTHING, suffix="yaml") as (topology, daemon):
        for words, said in (
            (("--kind", "nat", "--isolated"), ["leads nowhere"]),
            (("--uplink", "eth0", "--address", "10.77.0.1/24"), ["has the addresses of its uplink"]),
            (("--kind", "nat", "--uplink", "eth0", "--address", "10.77.0.0/24"), ["10.77.0.0/24", "of the network itself"]),
            (("--kind", "nat", "--uplink", "eth0", "--address", "10.77.0.1/24", "--address", "10.78.0.1/24"),
             ["second of its family"]),
            (("--kind", "routed", "--uplink", "eth0", "--address", "10.77.0.1/24", "--nat-source", HOST_IPV4),
             [HOST_IPV4, "nothing is rewritten"]),
            (("--uplink", "eth0", "--domain", "guests.example"), ["no subnet"]),
            (("--kind", "best", "--uplink", "eth0"), ["kind 'best'"]),
        ):
            demand_error(daemon.drawbridge("network", "start", "inner", *words, check=False), *said, code=2)
        demand(link(topology.host, "inner") is None, "there is a bridge")


@test("a subnet that overlaps another one's is refused, and so is one where dnsmasq is missing, in one line each")
def refused_subnets():
    # To a daemon from which dnsmasq is hidden it looks as where it is not installed.
    hidden = ("unshare", "--mount", "sh", "-c",
              'mount --bind /dev/null "$(command -v dnsmasq || echo /usr/sbin/dnsmasq)"; exec "$@"', "sh")
    with host(configuration=NOTHING, suffix="yaml", start=False) as (topology, daemon):
        daemon.start(prefix=hidden)
        demand_error(daemon.drawbridge(*NAT, check=False), "inner: dnsmasq", "is not installed", "hand-out: no", code=9)
        demand(link(topology.host, "inner") is None, "there is a bridge")
        daemon.drawbridge(*NAT, "--no-hand-out")
        other = ("network", "start", "other", "--kind", "nat", "--uplink", "eth0", "--no-hand-out")
        demand_error(daemon.drawbridge(*other, "--address", "10.77.0.129/25", check=False), "other: 10.77.0.129/25",
                     "overlaps 10.77.0.1/24 of network inner", code=6)
        demand(link(topology.host, "other") is None, "there is a bridge")
        daemon.drawbridge(*other, "--address", "10.78.0.1/24")
        demand(daemon.network("other")["state"] == "up", daemon.tail())
