"""drawbridge doctor: what it tells of this machine, and that it leaves the machine alone."""

from rig.cases import demand, host, test, unchanged

NO_NETWORK = "(network-script)\n(vif-script vif-bridge)\n"
PARTS = ("kernel", "bridge", "veth", "ifb", "tap", "tbf", "nf_tables fwd", "nf_tables on ingress",
         "nf_tables on egress", "nf_tables NAT", "configuration", "daemon")


@test("the doctor tries every part that the kernel has to have, and changes nothing of the host")
def everything():
    with host(configuration=NO_NETWORK) as (topology, daemon):
        with unchanged(topology.host):
            before = topology.host.run("nft", "list", "ruleset").stdout
            lines = daemon.drawbridge("doctor", check=False).stdout.splitlines()
            parts = {part["name"]: part["verdict"] for part in daemon.json("doctor")["parts"]}
            demand(topology.host.run("nft", "list", "ruleset").stdout == before, "rules are left")
        for part in PARTS:
            demand(parts.get(part) == "good", f"{part}: {parts}")
            demand(any(line.startswith(f"ok      {part}: ") for line in lines), lines)
        demand("missing" not in parts.values(), parts)


@test("the doctor tells a part that is missing with what follows from it, and ends with 1")
def missing():
    with host(configuration=NO_NETWORK) as (topology, daemon):
        found = topology.host.run(
            "unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh",
            daemon.product.command, "doctor", "--socket", daemon.socket, check=False)
        demand(found.returncode == 1, found)
        line = next(line for line in found.stdout.splitlines() if " tap: " in line)
        demand(line.startswith("missing tap: ") and "no tap can be made" in line, line)
        demand(found.stderr.strip() == "drawbridge: missing: tap", found.stderr)


@test("the doctor without the rights to try anything says so in one line")
def unprivileged():
    with host(configuration=NO_NETWORK) as (topology, daemon):
        found = topology.host.run("setpriv", "--reuid=65534", "--clear-groups", "--", daemon.product.command, "doctor",
                                  check=False)
        demand(found.returncode == 4 and len(found.stderr.splitlines()) == 1, found)
        demand("run it as root" in found.stderr, found.stderr)
