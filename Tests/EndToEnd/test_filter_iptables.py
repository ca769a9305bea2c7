"""The rules that `compat: iptables-accept` puts into the administrator's chain FORWARD, as iptables-nft shows them."""

from rig.cases import demand, host, test
from rig.filtering import OWN
from rig.topology import ROUTER_IPV4

CONFIGURATION = "version: 1\nnetworks:\n  xenbr0: {uplink: eth0}\ncompat: {iptables-accept: yes}\n"


def chain(namespace):
    """The rules of FORWARD, a line each."""
    listed = namespace.run("iptables-nft", "-S", "FORWARD").stdout.splitlines()
    return [line for line in listed if line.startswith("-A ")]


def rules(vif, *sources):
    """What the scripts of Xen 4.0 and later added for a vif, each rule once."""
    start = "-A FORWARD"
    comes = f"-m physdev --physdev-in vif{vif} --physdev-is-bridged"
    lines = [f"{start} -s {source} {comes} -j ACCEPT" for source in sources] or [f"{start} {comes} -j ACCEPT"]
    if sources:
        lines.append(f"{start} -p udp {comes} -m udp --sport 68 --dport 67 -j ACCEPT")
    return lines + [f"{start} -m physdev --physdev-out vif{vif} --physdev-is-bridged -j ACCEPT"]


def administrated(topology):
    """The administrator drops what is forwarded, but for what he accepts."""
    topology.host.run("iptables-nft", "-P", "FORWARD", "DROP")
    topology.host.run("iptables-nft", "-A", "FORWARD", "-i", "lo", "-j", "ACCEPT")
    # Whatever these rules hold of bridged packets is asked for by the test that wants it.
    for name in ("iptables", "ip6tables", "arptables"):
        topology.host.run("sysctl", "-qw", f"net.bridge.bridge-nf-call-{name}=0", check=False)


def compatible(**more):
    return host(configuration=CONFIGURATION, suffix="yaml", prepare=administrated, **more)


@test("§7-41, §7-42, §7-43: the pair of rules, or one for each address and DHCP; offline takes exactly these away")
def kept():
    with compatible() as (topology, daemon):
        for vif in ("3.0", "4.0"):
            topology.add_guest_with_device(vif)
        before = chain(topology.host)
        for _ in range(2):
            daemon.vif_bridge("online", "3.0", bridge="xenbr0")
            demand(chain(topology.host) == rules("3.0") + before, chain(topology.host))
        addresses = "10.0.0.5 10.0.0.16/28 10.1.0.0/16 2001:db8::5"
        daemon.vif_bridge("online", "4.0", bridge="xenbr0", ip=addresses)
        expected = rules("4.0", "10.0.0.5/32", "10.0.0.16/28", "10.1.0.0/16")
        demand(chain(topology.host) == expected + rules("3.0") + before, chain(topology.host))
        # Its addresses change: what is there already stays, what it has no more goes.
        daemon.vif_bridge("online", "4.0", bridge="xenbr0", ip="10.0.0.5 10.0.0.6")
        now = chain(topology.host)
        demand(sorted(now) == sorted(rules("4.0", "10.0.0.5/32", "10.0.0.6/32") + rules("3.0") + before), now)
        # Somebody has taken one away: it is tolerated, and comes again with the next online.
        gone = rules("4.0")[-1].replace("-A", "-D", 1).split()
        topology.host.run("iptables-nft", *gone)
        daemon.vif_bridge("online", "4.0", bridge="xenbr0", ip="10.0.0.5 10.0.0.6")
        demand(sorted(chain(topology.host)) == sorted(now), chain(topology.host))
        topology.host.run("iptables-nft", *gone)
        # What the administrator has put there himself is his.
        own = rules("5.0")[0]
        topology.host.run("iptables-nft", *own.split())
        topology.add_guest_with_device("5.0")
        daemon.vif_bridge("online", "5.0", bridge="xenbr0")
        demand(chain(topology.host).count(own) == 1, chain(topology.host))
        daemon.vif_bridge("offline", "5.0")
        demand(own in chain(topology.host), "a rule of the administrator's went with the vif")
        topology.host.run("iptables-nft", *own.replace("-A", "-D", 1).split())
        daemon.vif_bridge("offline", "4.0")
        demand(chain(topology.host) == rules("3.0") + before, chain(topology.host))
        # Another daemon takes away what the killed one added; so does the stop of the network.
        daemon.kill()
        daemon.start()
        demand(chain(topology.host) == rules("3.0") + before, chain(topology.host))
        daemon.drawbridge("network", "stop", "xenbr0")
        demand(chain(topology.host) == before, chain(topology.host))
        daemon.drawbridge("network", "start", "xenbr0")
        demand(chain(topology.host) == rules("3.0") + before, chain(topology.host))
        daemon.kill()
        daemon.restore()
        demand(chain(topology.host) == before, chain(topology.host))
        policy = topology.host.run("iptables-nft", "-S", "FORWARD").stdout.splitlines()[0]
        demand(policy == "-P FORWARD DROP", policy)
        daemon.start()


@test("§7-41: without being asked for there are no such rules, and with them a bridged guest passes a chain that drops")
def accepted():
    def prepare(topology):
        administrated(topology)
        topology.host.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")

    with host(configuration=CONFIGURATION.replace("yes", "no"), suffix="yaml", prepare=prepare) as (topology, daemon):
        guest = topology.add_guest("1.0")
        before = chain(topology.host)
        daemon.add_pair("1.0", guest, "--mac", OWN.mac, "--ip", OWN.ipv4)
        topology.address_guest("1.0")

        def passes():
            return guest.run("ping", "-c", "1", "-W", "2", ROUTER_IPV4, check=False).returncode == 0
        demand(chain(topology.host) == before, "rules were made unasked")
        demand(not passes(), "the administrator's chain drops nothing: that shows nothing")
        daemon.configure(CONFIGURATION)
        daemon.drawbridge("daemon", "reload")
        demand(chain(topology.host) == rules("1.0", f"{OWN.ipv4}/32") + before, chain(topology.host))
        demand(passes(), "its packets are not accepted")
        daemon.configure(CONFIGURATION.replace("yes", "no"))
        daemon.drawbridge("daemon", "reload")
        demand(chain(topology.host) == before, chain(topology.host))
        daemon.remove_vif("1.0")


@test("§7-44: without a chain FORWARD there are no rules and a warning; the vif is connected, and no table is made")
def absent():
    with host(configuration=CONFIGURATION, suffix="yaml") as (topology, daemon):
        topology.add_guest_with_device("3.0")
        result = daemon.drawbridge("vif", "add", "3.0", "--device", "vif3.0", "--bridge", "xenbr0")
        demand("iptables" in result.stderr and "FORWARD" in result.stderr, result.stderr)
        demand("3.0" in daemon.connected_vifs(), daemon.connected_vifs())
        tables = topology.host.run("nft", "list", "tables").stdout
        demand("ip filter" not in tables, tables)
        daemon.vif_bridge("offline", "3.0")
