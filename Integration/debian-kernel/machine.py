"""A guest under QEMU, without hardware virtualisation, whose root is this machine's file system, read-only."""

import os
import subprocess
import sys
import threading
import time

# Kills QEMU when the process that began it is gone, however it went.
TOGETHER = ["setpriv", "--pdeathsig", "KILL"]


class Outcome:
    """What became of a run: whether the guest came up, its commands with their exit codes, and the seconds."""

    def __init__(self, is_up, codes, seconds, is_late):
        self.is_up = is_up
        self.codes = codes
        self.seconds = seconds
        self.is_late = is_late


def run(emulator, environment, kernel, archive, results, limit, processors=2, memory=2048):
    """Boots and waits until the guest switches itself off, at most `limit` seconds; passes its console on."""
    open(results, "w").close()
    command = [
        *TOGETHER, *emulator, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-accel", "tcg,thread=multi,tb-size=512", "-M", "q35", "-cpu", "max", "-smp", str(processors),
        "-m", str(memory), "-kernel", kernel, "-initrd", archive,
        "-serial", "stdio", "-serial", f"file:{results}",
        "-virtfs", "local,path=/,mount_tag=machine,security_model=none,readonly=on,multidevs=remap",
        "-append", "console=ttyS0 panic=-1 mitigations=off quiet loglevel=4 rdinit=/init",
    ]
    begin = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    is_late = threading.Event()

    def end():
        is_late.set()
        process.kill()

    timer = threading.Timer(limit, end)
    timer.start()
    try:
        for line in process.stdout:
            sys.stdout.write(line.decode(errors="replace").rstrip("\r\n") + "\n")
            sys.stdout.flush()
        process.wait()
    finally:
        timer.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
    with open(results, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    codes = []
    for line in lines[1:]:
        code, _, command = line.partition(" ")
        codes.append((command, int(code)))
    os.unlink(results)
    return Outcome(bool(lines), codes, time.monotonic() - begin, is_late.is_set())
