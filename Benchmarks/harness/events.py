"""Script events: one, and a hundred at once."""

import os

from . import guests
from .figures import row
from .peers import Libvirt
from .tools import Command, Failed, tool


class ScriptContestants:
    """Whoever can put an existing vif on a bridge as one process, and how.

    Drawbridge works on the daemon's host; all others on the second, where nothing listens.
    """

    def __init__(self, host):
        self.host = host
        self.bench = host.bench
        self.libvirt = None
        self.names = ["drawbridge", "floor", "ip-nft"]
        if self.bench.xen:
            self.names += ["xen", "xen-iptables"]
        self.shell = self._write("ip-nft", """#!/bin/sh
# VERB VIF MAC FILE: one batch to ip, one to bridge and one to nft, or the way back
if [ "$1" = online ]; then
    nft -f "$4.on" || exit 1
    ip -batch - <<END || exit 1
link set $2 address fe:ff:ff:ff:ff:ff mtu 1500 alias bench
link set $2 master xenbr0
link set $2 type bridge_slave guard on learning off
link set $2 up
END
    exec bridge fdb replace $3 dev $2 master sticky static
fi
ip link set $2 nomaster down
exec nft -f "$4.off"
""")
        self.bound = self._write("libvirt-online", """#!/bin/sh
# ip puts the vif on the bridge, and libvirt binds its filter: VIF PROGRAM...
vif=$1
shift
"$@" || exit 1
exec ip -batch - <<END
link set $vif address fe:ff:ff:ff:ff:ff mtu 1500 alias bench
link set $vif master xenbr0
link set $vif up
END
""")

    def _write(self, name, text):
        path = os.path.join(self.bench.directory, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o755)
        return path

    def add_libvirt(self, row):
        """Starts libvirt's daemon on the second host, if it can be had."""
        reason = Libvirt.missing(self.bench.missing)
        if not reason:
            try:
                self.libvirt = Libvirt(self.bench.directory, self.host.floor)
                self.names.append("libvirt-nwfilter")
                return
            except Failed as failure:
                reason = str(failure)
        row.lacks("libvirt-nwfilter", reason)

    def stopwatch(self, name):
        return self.host.stopwatch if name == "drawbridge" else self.host.floor_stopwatch

    def make_vifs(self, name, first, count):
        if name == "drawbridge":
            self.host.make_vifs(self.host.namespace, self.host.guests, first, count)
        else:
            self.host.make_vifs(self.host.floor, self.host.floor_guests, first, count)

    def time(self, name, verb, domain):
        return self.stopwatch(name).time(self.command(name, verb, domain))

    def time_together(self, name, verb, domains):
        return self.stopwatch(name).time_together([self.command(name, verb, domain) for domain in domains])

    def command(self, name, verb, domain):
        vif = f"vif{domain}.0"
        if name == "drawbridge":
            daemon = self.host.daemon
            words = ["bridge=xenbr0", f"mac={guests.mac(domain)}", f"ip={guests.ipv4(domain)} {guests.ipv6(domain)}"]
            return Command(os.path.join(daemon.scripts, "vif-bridge"), verb, *words, environment={
                "vif": vif, "XENBUS_PATH": f"backend/vif/{domain}/0", "DRAWBRIDGE_SOCKET": daemon.socket})
        if name == "floor":
            if verb == "online":
                return Command(tool("floor"), "port", vif, domain, "xenbr0")
            return Command("/bin/sh", "-c", f"ip link set {vif} nomaster down && {tool('floor')} forget {domain} 1")
        if name == "ip-nft":
            path = os.path.join(self.bench.directory, f"nft-{domain}")
            for suffix, text in ((".on", guests.permit(vif, domain)), (".off", guests.forbid(vif, domain))):
                if not os.path.exists(path + suffix):
                    with open(path + suffix, "w") as file:
                        file.write(text + "\n")
            return Command(self.shell, verb, vif, guests.mac(domain), path)
        if name == "libvirt-nwfilter":
            command = self.libvirt.command(verb, vif, guests.mac(domain), guests.ipv4(domain))
            return command if verb == "offline" else Command(self.bound, vif, *command.arguments)
        return self.bench.xen.command(verb, vif, guests.ipv4(domain), iptables=name == "xen-iptables")

    def close(self):
        if self.libvirt:
            self.libvirt.close()


@row("script-event", "One script event, process start to exit: vif-bridge online")
def script_event(bench, result):
    with bench.host() as host:
        contestants = ScriptContestants(host)
        contestants.add_libvirt(result)
        try:
            one_event(bench, result, contestants)
        finally:
            contestants.close()
    if "xen-utils-common" in bench.missing:
        result.lacks("xen", bench.missing["xen-utils-common"])
    result.goal("under 2 ms", result.median("drawbridge"), 2, "ms")
    if result.median("xen"):
        result.goal("at least 40 times faster than Xen's vif-bridge",
                    result.median("xen") / result.median("drawbridge"), 40, "times", at_least=True)
    result.note("A process that changes nf_tables itself, as the floor and ip-nft do, waits at its end until the kernel has closed "
                "its socket, for a grace period; the daemon keeps its own open.")
    result.note("xen filters nothing, and xen-iptables the source of IPv4; libvirt-nwfilter is clean-traffic bound by "
                "virsh, which closes IPv6.")


def one_event(bench, result, contestants):
    domains = {name: number for number, name in enumerate(contestants.names, 1)}
    for name, domain in domains.items():
        contestants.make_vifs(name, domain, 1)
        try:
            contestants.time(name, "online", domain)
            contestants.time(name, "offline", domain)
        except Failed as reason:
            result.lacks(name, str(reason))
    for turn in range(bench.rounds(40)):
        for name, domain in domains.items():
            # libvirt takes a second for it: a few of these will do.
            if name in result.missing or (name == "libvirt-nwfilter" and turn % 8):
                continue
            result.add(name, contestants.time(name, "online", domain))
            contestants.time(name, "offline", domain)


@row("hundred-events", "100 script events at once, start of the first to exit of the last")
def hundred_events(bench, result):
    count = 100
    with bench.host() as host:
        contestants = ScriptContestants(host)
        names = [name for name in ("drawbridge", "floor", "xen") if name in contestants.names]
        domains = {name: range(1 + count * place, 1 + count * (place + 1)) for place, name in enumerate(names)}
        for name in names:
            contestants.make_vifs(name, domains[name][0], count)
        for turn in range(bench.rounds(5)):
            for name in names:
                if name == "xen" and turn > 2:  # Seconds each.
                    continue
                result.add(name, contestants.time_together(name, "online", domains[name]))
                contestants.time_together(name, "offline", domains[name])
    result.goal("under 100 ms", result.median("drawbridge"), 100, "ms")
