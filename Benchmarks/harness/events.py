"""Script events: one, and a hundred at once."""

import os

from .figures import row
from .tools import Command, Failed, tool


class ScriptContestants:
    """Whoever can put an existing vif on a bridge as one process, and how."""

    def __init__(self, host):
        self.host = host
        self.bench = host.bench
        self.names = ["drawbridge", "floor", "ip-nft"]
        if self.bench.xen:
            self.names += ["xen", "xen-iptables"]
        path = os.path.join(self.bench.directory, "ip-nft")
        with open(path, "w") as file:
            file.write("""#!/bin/sh
if [ "$1" = online ]; then
    ip -batch - <<END || exit 1
link set $2 address fe:ff:ff:ff:ff:ff mtu 1500 master xenbr0 alias bench
link set $2 type bridge_slave guard on
link set $2 up
END
    exec nft -f - <<END
add table netdev bench
add set netdev bench macs { typeof iifname . ether saddr; }
add element netdev bench macs { "$2" . 00:16:3e:00:00:01 }
END
fi
ip -batch - <<END
link set $2 down
link set $2 nomaster
END
exec nft delete element netdev bench macs "{ \\"$2\\" . 00:16:3e:00:00:01 }"
""")
        os.chmod(path, 0o755)
        self.shell = path

    def command(self, name, verb, vif):
        if name == "drawbridge":
            daemon = self.host.daemon
            return Command(os.path.join(daemon.scripts, "vif-bridge"), verb, "bridge=xenbr0", environment={
                "vif": vif, "XENBUS_PATH": f"backend/vif/{vif[3:].replace('.', '/')}",
                "DRAWBRIDGE_SOCKET": daemon.socket})
        if name == "floor":
            if verb == "online":
                return Command(tool("floor"), "port", vif, "xenbr0")
            return Command("/usr/sbin/ip", "link", "set", vif, "nomaster", "down")
        if name == "ip-nft":
            return Command(self.shell, verb, vif)
        return self.bench.xen.command(verb, vif, iptables=name == "xen-iptables")


@row("script-event", "One script event, process start to exit: vif-bridge online")
def script_event(bench, result):
    with bench.host() as host:
        contestants = ScriptContestants(host)
        vifs = {name: f"vif{number}.0" for number, name in enumerate(contestants.names, 1)}
        host.make_vifs(host.namespace, host.guests, 1, len(vifs))
        for name in contestants.names:
            try:
                host.stopwatch.time(contestants.command(name, "online", vifs[name]))
                host.stopwatch.time(contestants.command(name, "offline", vifs[name]))
            except Failed as reason:
                result.lacks(name, str(reason))
        for _ in range(bench.rounds(40)):
            for name in contestants.names:
                if name in result.missing:
                    continue
                result.add(name, host.stopwatch.time(contestants.command(name, "online", vifs[name])))
                host.stopwatch.time(contestants.command(name, "offline", vifs[name]))
    if "xen-utils-common" in bench.missing:
        result.lacks("xen", bench.missing["xen-utils-common"])
    result.goal("under 2 ms", result.median("drawbridge"), 2, "ms")
    if result.median("xen"):
        result.goal("at least 40 times faster than Xen's vif-bridge",
                    result.median("xen") / result.median("drawbridge"), 40, "times", at_least=True)


@row("hundred-events", "100 script events at once, start of the first to exit of the last")
def hundred_events(bench, result):
    count = 100
    with bench.host() as host:
        contestants = ScriptContestants(host)
        names = [name for name in ("drawbridge", "floor", "xen") if name in contestants.names]
        host.make_vifs(host.namespace, host.guests, 1, count)
        vifs = [f"vif{number}.0" for number in range(1, count + 1)]
        for _ in range(bench.rounds(5)):
            for name in names:
                result.add(name, host.stopwatch.time_together(
                    [contestants.command(name, "online", vif) for vif in vifs]))
                host.stopwatch.time_together([contestants.command(name, "offline", vif) for vif in vifs])
    result.goal("under 100 ms", result.median("drawbridge"), 100, "ms")
