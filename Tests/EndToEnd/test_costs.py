"""What an event costs, in system calls counted by strace: the guards against getting slower that no clock disturbs."""

import collections
import os
import re
import signal
import subprocess
import time

from rig.cases import demand, host, test
from rig.namespaces import run

NO_NETWORK = "(network-script)\n(vif-script vif-bridge)\n"


def calls_of(log):
    """How often which system call was begun; and how many messages went to the kernel's netlink in how many sends."""
    counts = collections.Counter()
    with open(log, errors="replace") as file:
        for line in file:
            match = re.match(r"\d+ +(\w+)\(", line)
            # Where the kernel could not have its lock at once, it starts a write to a sysctl again.
            if not match or "ERESTARTNOINTR" in line:
                continue
            counts[match[1]] += 1
            if match[1] in ("sendto", "sendmsg") and "nlmsg_len" in line:
                counts["netlink sends"] += 1
            if match[1] == "openat" and "O_DIRECTORY" not in line:
                counts["files"] += 1
    return counts


def in_daemon(daemon, body):
    """The system calls of the daemon while `body` runs, but for those of the threads that the kernel's news wake."""
    log = os.path.join(daemon.directory, "calls")
    process = daemon.process.pid
    tasks = f"/proc/{process}/task"
    threads = []
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/comm") as file:
            if file.read().strip() != "netlink-events":
                threads.append(task)
    tracer = subprocess.Popen(["strace", "-s", "64", "-o", log] + [f"-p{task}" for task in threads]
                              + ["-e", "signal=none"], stderr=subprocess.PIPE, text=True)
    for _ in threads:
        tracer.stderr.readline()
    body()
    time.sleep(0.2)
    tracer.send_signal(signal.SIGINT)
    tracer.communicate()
    return calls_of(log)


def online(daemon, vif):
    daemon.vif_bridge("online", vif, bridge="xenbr0", mac=f"00:16:3e:00:00:{int(vif.split('.')[0]):02x}",
                      ip="10.0.0." + vif.split(".")[0])


@test("a script event, its filter included, costs the daemon a fixed number of system calls")
def event_in_daemon():
    with host(compare=False) as (topology, daemon):
        for number in range(1, 4):
            topology.add_guest_with_device(f"{number}.0")
        online(daemon, "1.0")
        few = in_daemon(daemon, lambda: online(daemon, "2.0"))
        for number in range(100, 140):
            topology.host.batch([f"link add vif{number}.0 type veth peer name p{number}"])
            online(daemon, f"{number}.0")
        many = in_daemon(daemon, lambda: online(daemon, "3.0"))
        for name in ("netlink sends", "files"):
            demand(few[name] == many[name], f"{name}: {few[name]} with one other vif, {many[name]} with forty")
        # Each of two looks: the links, the qdiscs, the addresses. The filter's table and its transaction. Five of changes,
        # and the bridge's entry.
        demand(few["netlink sends"] <= 14, f"{few['netlink sends']} sends: {few}")
        # The journal once; one sysctl read, written and read again.
        demand(few["files"] <= 4, f"{few['files']} files: {few}")
        # How often threads wait for each other is the scheduler's.
        calls = sum(few[name] for name in few if name not in ("netlink sends", "files", "futex", "restart_syscall"))
        demand(calls <= 120, f"{calls} calls: {few}")


@test("the program behind the scripts' names makes a few system calls for an event")
def event_in_client():
    with host() as (topology, daemon):
        topology.add_guest_with_device("3.0")
        log = os.path.join(daemon.directory, "client")
        run(topology.host.inside("strace", "-f", "-o", log, os.path.join(daemon.scripts, "vif-bridge"), "online",
                                 "bridge=xenbr0", "mac=00:16:3e:00:00:03"),
            environment=daemon.environment(vif="vif3.0", XENBUS_PATH="backend/vif/3/0"))
        counts = calls_of(log)
        calls = sum(counts[name] for name in counts if name not in ("netlink sends", "files"))
        demand(calls <= 75, f"{calls} calls: {counts}")
        demand(not counts["clone"] and not counts["clone3"] and counts["execve"] == 1, f"it starts others: {counts}")
