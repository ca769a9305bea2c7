"""`dhcp=yes` of `network-nat` and `vif-nat`: behaviours 64 to 68, 93 and 95. Guests ask with a real client; dnsmasq
answers, or, as Xen's scripts had it, ISC's server, whose configuration is edited."""

import contextlib
import os
import stat
import subprocess

from rig.cases import demand, demand_error, host, test
from rig.topology import ROUTER_IPV4
from rig.xen import Store, Vif, eventually
from test_nat import ruleset
from test_routed import MAC, offline, online, reaches
from test_subnets import dnsmasq, query, scratch, script

NAT = "(network-script 'network-nat netdev=eth0')\n(vif-script vif-nat)\n"
DHCP = "(network-script 'network-nat netdev=eth0 dhcp=yes')\n(vif-script vif-nat)\n"
COMPATIBLE = DHCP + "(drawbridge-compat-dhcpd-conf yes)\n"
# As DHCP clients of a point-to-point link do: the router is reached by the network that the address came with.
CLIENT = """\
#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev "$interface"
ip route add default via "$router"
echo "$ip $subnet $router $hostname $dns" > "$DIRECTORY/told"
"""
# Debian's script, as far as it matters here: the interfaces are those of the file of arguments.
INIT = """\
#!/bin/sh
echo "$@" >> DIRECTORY/restarts
[ -e DIRECTORY/broken ] && exit 1
. /etc/default/isc-dhcp-server
if [ -s DIRECTORY/dhcpd.pid ]; then
    old=$(cat DIRECTORY/dhcpd.pid)
    kill "$old" && while kill -0 "$old" 2>/dev/null; do sleep 0.05; done
fi
[ -n "$INTERFACESv4" ] || exit 0
exec /usr/sbin/dhcpd -4 -q -cf /etc/dhcp/dhcpd.conf -lf DIRECTORY/leases -pf DIRECTORY/dhcpd.pid $INTERFACESv4
"""
CONFIGURATION = """\
# Verwalter: M\xfcller
ddns-update-style none;
host dom30 { hardware ethernet 00:16:3e:00:99:30; fixed-address 10.0.30.1; }
host dom31 {
  hardware ethernet 00:16:3e:00:99:03;
}
"""


def ask(guest, *options):
    """Lets a guest ask for its address; what it is told: address, network, router, its name, servers of names."""
    directory = scratch()
    guest.ip("link", "set", "eth0", "up")
    guest.run("udhcpc", "-f", "-q", "-n", "-t", "30", "-T", "1", "-i", "eth0", "-s", script(CLIENT, directory), *options,
              timeout=60)
    with open(os.path.join(directory, "told")) as file:
        return file.read().split()


class Etc:
    """An /etc of a daemon's own, with a DHCP server in it."""

    def __init__(self):
        self.directory = scratch()
        for name in ("dhcp", "default", "init.d"):
            os.mkdir(os.path.join(self.directory, name))
        for name in ("passwd", "group", "nsswitch.conf"):
            self.write(name, open(os.path.join("/etc", name), encoding="latin-1").read())
        self.write("resolv.conf", "search old.example new.example\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n")
        self.write("default/isc-dhcp-server", '# written by somebody\nINTERFACESv4=""\nINTERFACESv6=""\n')
        # A link, to a file of somebody's that only a group may read.
        self.write("dhcpd.real", CONFIGURATION, 0o640)
        os.chown(self.path("dhcpd.real"), 1, 2)
        os.symlink("../dhcpd.real", self.path("dhcp/dhcpd.conf"))
        self.write("leases", "")
        self.write("init.d/isc-dhcp-server", INIT.replace("DIRECTORY", "/etc"), 0o755)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="latin-1") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def read(self, name):
        with open(self.path(name), encoding="latin-1") as file:
            return file.read()

    @property
    def hosts(self):
        """What was added to the configuration of the server."""
        text = self.read("dhcpd.real")
        demand(text.startswith(CONFIGURATION), f"what others wrote is not what it was: {text}")
        return text.removeprefix(CONFIGURATION).splitlines()

    @property
    def interfaces(self):
        return self.read("default/isc-dhcp-server")

    @property
    def restarts(self):
        return len(self.read("restarts").splitlines()) if os.path.exists(self.path("restarts")) else 0

    @property
    def prefix(self):
        """What the daemon runs under."""
        return ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', self.directory]


@contextlib.contextmanager
def with_server(configuration=COMPATIBLE):
    """A host whose daemon edits the configuration of ISC's server."""
    etc = Etc()
    with host(configuration=configuration, start=False) as (topology, daemon):
        daemon.start(prefix=etc.prefix)
        yield topology, daemon, etc


SUBNET_LINE = ('subnet 10.0.0.0 netmask 255.255.0.0 { option domain-name "new.example"; '
               'option domain-name-servers 192.0.2.53; }')


@test("§7-64, §7-93: with dhcp=yes guests behind NAT are told address, router and name on their vifs, by dnsmasq")
def handed_out():
    with host(configuration=DHCP) as (topology, daemon):
        three = topology.add_guest_with_device("3.0", MAC["3.0"])
        online(daemon, "3.0", script="vif-nat")
        demand(ask(three) == ["10.0.3.1", "255.255.0.0", "10.0.3.128", "dom3", "10.0.3.128"], daemon.tail())
        demand(reaches(three, ROUTER_IPV4), "the guest does not reach the outer router")
        # One of a domain whose number is above 255, whose address Xen's scripts could not have told.
        topology.add_guest_with_device("300.1", "00:16:3e:00:30:01")
        daemon.script("vif-nat", "online", "domain=web", vif="vif300.1", XENBUS_PATH="backend/vif/300/1",
                      mac="00:16:3e:00:30:01")
        told = ask(topology.guests["300.1"])
        demand(told == ["10.1.44.2", "255.255.0.0", "10.1.44.129", "web-2", "10.1.44.129"], told)
        demand("10.1.44.2" in query(three, "web-2", "10.0.3.128"), "its name is not known")
        demand(not reaches(three, "10.1.44.2"), "a guest reaches another")
        # The permanent neighbour stays the host's own word.
        neighbour = topology.host.ip("neighbour", "show", "10.0.3.1", "dev", "vif3.0").stdout
        demand("PERMANENT" in neighbour, neighbour)
        listed = daemon.json("address", "list")["addresses"]
        demand([(a["address"], a["name"], a["vif"]) for a in listed]
               == [("10.0.3.1", "dom3", "vif3.0"), ("10.1.44.2", "web-2", "vif300.1")], listed)
        # The hardware address of another guest's is not enough to be told that one's address.
        three.ip("link", "set", "eth0", "down")
        three.ip("link", "set", "eth0", "address", "00:16:3e:00:30:01")
        three.ip("link", "set", "eth0", "up")
        refused = three.run("udhcpc", "-f", "-q", "-n", "-t", "3", "-T", "1", "-i", "eth0", "-s", "/bin/true", check=False)
        demand(refused.returncode != 0, "it is told the address of another guest")
        server = dnsmasq(daemon, "nat-eth0")
        daemon.kill()
        daemon.start()
        demand(dnsmasq(daemon, "nat-eth0") == server, "the server did not go on")
        offline(daemon, "3.0", script="vif-nat")
        demand([a["vif"] for a in daemon.json("address", "list")["addresses"]] == ["vif300.1"], "it is told of still")
        with open(os.path.join(daemon.kept, "dnsmasq", "nat-eth0.conf")) as file:
            demand("interface=vif3.0" not in file.read(), "a vif that went is served")


@test("§7-67: nobody is told anything unless dhcp says so; vif-nat can say it for one vif alone")
def asked_for():
    with host(configuration=NAT) as (topology, daemon):
        topology.add_guest_with_device("3.0", MAC["3.0"])
        online(daemon, "3.0", script="vif-nat")
        demand(not os.path.exists(os.path.join(daemon.kept, "dnsmasq")), "a server runs")
        two = topology.add_guest_with_device("4.0", MAC["4.0"])
        daemon.script("vif-nat", "online", "dhcp=yes", vif="vif4.0", XENBUS_PATH="backend/vif/4/0", mac=MAC["4.0"],
                      ip="10.9.0.5")
        demand(ask(two)[:4] == ["10.9.0.5", "255.255.0.0", "10.9.0.132", "dom4"], daemon.tail())
        demand([a["vif"] for a in daemon.json("address", "list")["addresses"]] == ["vif4.0"], "others are told, too")


@test("§7-64, §7-65: with compat dhcpd-conf Xen's lines go into dhcpd.conf and out again, nothing else changes, and the server answers")
def edited():
    with with_server() as (topology, daemon, etc):
        demand(etc.hosts == [SUBNET_LINE], etc.hosts)
        three = topology.add_guest_with_device("3.0", MAC["3.0"])
        online(daemon, "3.0", script="vif-nat")
        line = (f'host dom3 {{ hardware ethernet {MAC["3.0"]}; fixed-address 10.0.3.1; '
                'option routers 10.0.3.128; option host-name "dom3"; }')
        demand(etc.hosts == [SUBNET_LINE, line], etc.hosts)
        demand('INTERFACESv4="vif3.0"' in etc.interfaces and 'INTERFACESv6=""' in etc.interfaces, etc.interfaces)
        told = ask(three)
        demand(told[:4] == ["10.0.3.1", "255.255.0.0", "10.0.3.128", "dom3"], told)
        demand(reaches(three, ROUTER_IPV4), "the guest does not reach the outer router")
        subprocess.run(["/usr/sbin/dhcpd", "-t", "-q", "-cf", etc.path("dhcpd.real")], check=True, capture_output=True)
        # A second time, and by another daemon: nothing is written twice.
        before = etc.restarts
        online(daemon, "3.0", script="vif-nat")
        daemon.kill()
        daemon.start(prefix=etc.prefix)
        demand(etc.hosts == [SUBNET_LINE, line] and etc.restarts == before, f"{etc.hosts}, {etc.restarts} {before}")
        offline(daemon, "3.0", script="vif-nat")
        demand(etc.hosts == [SUBNET_LINE] and 'INTERFACESv4=""' in etc.interfaces, f"{etc.hosts} {etc.interfaces}")
        status = os.stat(etc.path("dhcpd.real"))
        demand(os.path.islink(etc.path("dhcp/dhcpd.conf")), "the link is a file now")
        demand((stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o640, 1, 2), status)
        online(daemon, "3.0", script="vif-nat")
        daemon.stop()
        demand(etc.hosts == [] and 'INTERFACESv4=""' in etc.interfaces, f"{etc.hosts} {etc.interfaces}")
        demand(not [name for name in os.listdir(etc.directory) if "drawbridge" in name], "a file is left")


@test("§7-64: the host is named after the domain that the store names, else after the domain's number")
def named():
    with Store() as store, with_server() as (topology, daemon, etc):
        for domain, keys, name in ((300, {"domain": "web_1.test"}, "web-1-test-2"), (301, {"type": "vif"}, "dom301-2")):
            topology.add_guest_with_device(f"{domain}.1", f"00:16:3e:00:{domain % 256:02x}:01")
            vif = Vif(store, domain, 1)
            store.write({f"{vif.backend}/{key}": value for key, value in keys.items()})
            vif.run(daemon, "online", script="vif-nat")
            demand(vif.status == "connected", vif.error)
            mac, third = f"00:16:3e:00:{domain % 256:02x}:01", domain % 256
            demand(f'host {name} {{ hardware ethernet {mac}; fixed-address 10.1.{third}.2; option routers 10.1.{third}.129; '
                   f'option host-name "{name}"; }}' in etc.hosts, etc.hosts)
        vif.run(daemon, "offline", script="vif-nat")
        demand(len(etc.hosts) == 2 and "web-1-test-2" in etc.hosts[1], etc.hosts)


@test("§7-66, §7-95: where there is no DHCP server to configure, network and vif are refused with 1, and nothing is made")
def no_server():
    with with_server(NAT + "(drawbridge-compat-dhcpd-conf yes)\n") as (topology, daemon, etc):
        os.unlink(etc.path("default/isc-dhcp-server"))
        topology.add_guest_with_device("3.0", MAC["3.0"])
        refused = daemon.script("vif-nat", "online", "dhcp=yes", vif="vif3.0", XENBUS_PATH="backend/vif/3/0",
                                mac=MAC["3.0"], check=False)
        demand_error(refused, "Failed to find dhcpd configuration or init or args file.", code=1)
        demand(not daemon.json("vif", "list")["vifs"], "the vif is there")
        daemon.script("network-nat", "stop", "netdev=eth0")
        os.unlink(etc.path("init.d/isc-dhcp-server"))
        refused = daemon.script("network-nat", "start", "netdev=eth0", "dhcp=yes", check=False)
        demand_error(refused, "Failed to find dhcpd configuration or init file.", code=1)
        demand(not ruleset(topology), "something was made")


@test("§7-67: with compat dhcpd-conf dhcp means yes where there is an /etc/dhcpd.conf")
def expected():
    etc = Etc()
    etc.write("dhcpd.conf", "ddns-update-style none;\n")
    os.unlink(etc.path("dhcp/dhcpd.conf"))
    with host(configuration=NAT + "(drawbridge-compat-dhcpd-conf yes)\n", start=False) as (topology, daemon):
        daemon.start(prefix=etc.prefix)
        topology.add_guest_with_device("3.0", MAC["3.0"])
        online(daemon, "3.0", script="vif-nat")
        text = etc.read("dhcpd.conf")
        demand("subnet 10.0.0.0" in text and "host dom3 {" in text, text)


@test("§7-68: a DHCP server that does not come up fails neither the vif nor the network")
def broken_server():
    with with_server() as (topology, daemon, etc):
        etc.write("broken", "")
        before = etc.restarts
        topology.add_guest_with_device("3.0", MAC["3.0"])
        online(daemon, "3.0", script="vif-nat")
        eventually(lambda: etc.restarts > before, "it was not started anew")
        eventually(lambda: "exited with status 1" in daemon.tail(), daemon.tail)
        demand(len(etc.hosts) == 2, etc.hosts)


@test("§7-114: vifs that come and go at once leave whole files of the DHCP server, with the lines of those that are there")
def concurrent():
    vifs = [f"{domain}.0" for domain in range(10, 22)]
    with with_server() as (topology, daemon, etc):
        guest = topology.add_guest("9.9")
        topology.host.batch([f"link add vif{vif} type veth peer name eth{vif} netns {guest.name}" for vif in vifs])

        def all_at_once(command, chosen):
            running = [subprocess.Popen(
                topology.host.inside(os.path.join(daemon.scripts, "vif-nat"), command),
                env=daemon.environment(vif=f"vif{vif}", XENBUS_PATH=f"backend/vif/{vif.replace('.', '/')}",
                                       mac=f"00:16:3e:00:00:{vif[:2]}"),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for vif in chosen]
            for process in running:
                demand(process.wait(60) == 0, process.stderr.read())
                process.stderr.close()

        all_at_once("online", vifs)
        names = sorted(line.split()[1] for line in etc.hosts if line.startswith("host"))
        demand(names == sorted(f"dom{vif[:2]}" for vif in vifs), names)
        all_at_once("offline", vifs[1:])
        demand([line.split()[1] for line in etc.hosts if line.startswith("host")] == ["dom10"], etc.hosts)
        demand('INTERFACESv4="vif10.0"' in etc.interfaces, etc.interfaces)
        subprocess.run(["/usr/sbin/dhcpd", "-t", "-q", "-cf", etc.path("dhcpd.real")], check=True, capture_output=True)


@test("a configuration of a DHCP server that cannot be written is told in one line, and the vif is not connected")
def not_writable():
    with with_server() as (topology, daemon, etc):
        topology.add_guest_with_device("3.0", MAC["3.0"])
        before = etc.hosts
        # Where the new file would be written there is a directory.
        os.mkdir(etc.path("dhcpd.real.drawbridge"))
        demand_error(online(daemon, "3.0", script="vif-nat", check=False), "/etc/dhcp/dhcpd.conf", "cannot be edited")
        demand(etc.hosts == before and not daemon.json("vif", "list")["vifs"], "something is half done")
        os.rmdir(etc.path("dhcpd.real.drawbridge"))
        online(daemon, "3.0", script="vif-nat")
        demand(len(etc.hosts) == 2, etc.hosts)
