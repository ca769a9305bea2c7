"""The small C programs of the benchmark, and the stopwatch that runs the contestants."""

import atexit
import ctypes
import glob
import os
import signal
import subprocess
import sys

from rig.product import REPOSITORY, scratch

CLONE_NEWNS = 0x20000
SOURCES = os.path.join(REPOSITORY, "Benchmarks")
PLACE = os.path.join(REPOSITORY, ".build/bench")
PROGRAMS = {"floor": ("floor/floor.c", []), "stopwatch": ("tools/stopwatch.c", []),
            "client": ("tools/client.c", []), "pump": ("tools/pump.c", []),
            "xenstore-stub": ("tools/xenstore-stub.c", ["-static"])}


def tool(name):
    return os.path.join(PLACE, name)


def build():
    """Compiles whatever is older than its sources."""
    os.makedirs(PLACE, exist_ok=True)
    for name, (source, options) in PROGRAMS.items():
        source = os.path.join(SOURCES, source)
        newest = max(os.path.getmtime(path) for path in [source, *glob.glob(os.path.dirname(source) + "/*.h")])
        if os.path.exists(tool(name)) and os.path.getmtime(tool(name)) > newest:
            continue
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", *options, "-o", tool(name), source], check=True)


class Failed(Exception):
    """A contestant did not do what it was run for."""


def said(failure):
    """The first line of what an error says, in a length that fits into a table."""
    return next((line for line in str(failure).splitlines() if line.strip()), type(failure).__name__)[:200]


class TookTooLong(Exception):
    """A measurement was not done within its time."""


class Limit:
    """Ends what goes on for longer than some seconds, so that nothing that hangs holds up the rest."""

    def __init__(self, seconds):
        self.seconds = seconds

    def _over(self, *_):
        raise TookTooLong(f"not done within {self.seconds} s")

    def __enter__(self):
        signal.signal(signal.SIGALRM, self._over)
        signal.alarm(self.seconds)

    def __exit__(self, *_):
        signal.alarm(0)


def own_mounts():
    """A mount namespace of this process's own; what is mounted from here on is gone with it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["mount", "--make-rslave", "/"], check=True)
    # /run is in memory wherever systemd runs; here it may not be, and then every journal would pay for a disk.
    cover(scratch(), keeps=False)


def cover(path, keeps=True):
    """Lays an empty file system in memory over a directory, in this process's own mount namespace. One that the machine
    does not have is made, and gone at the end, as is one that is not to be kept."""
    if not os.path.isdir(path):
        os.makedirs(path)
        keeps = False
    if not keeps:
        atexit.register(_uncover, path)
    subprocess.run(["mount", "-t", "tmpfs", "none", path], check=True)


def _uncover(path):
    subprocess.run(["umount", "-l", path], check=False, stderr=subprocess.DEVNULL)
    try:
        os.rmdir(path)
    except OSError:
        pass


class Command:
    """A program as a contestant runs it: arguments, environment, a file as its standard input."""

    def __init__(self, *arguments, environment=None, input=None):
        self.arguments = [str(word) for word in arguments]
        self.environment = {"PATH": os.environ["PATH"], "LANG": "C", **(environment or {})}
        self.input = input

    def line(self):
        fields = ["run", *(f"{name}={value}" for name, value in self.environment.items())]
        if self.input:
            fields.append("<" + self.input)
        return "\t".join([*fields, "--", *self.arguments]) + "\n"


class Stopwatch:
    """Runs programs in a namespace and times them from the start of the process to its exit."""

    def __init__(self, namespace):
        self._process = namespace.start(tool("stopwatch"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)

    def _answer(self, text):
        self._process.stdin.write(text)
        self._process.stdin.flush()
        time, failures = self._process.stdout.readline().split()
        return int(time) / 1e6, int(failures)

    def time(self, command, check=True):
        """Milliseconds that the program took."""
        time, status = self._answer(command.line())
        if check and status:
            raise Failed(f"{' '.join(command.arguments)}: exit {status}")
        return time

    def time_together(self, commands):
        """Milliseconds from the start of the first to the exit of the last, all started at once."""
        time, failures = self._answer(f"many {len(commands)}\n" + "".join(one.line() for one in commands))
        if failures:
            raise Failed(f"{failures} of {len(commands)} programs failed")
        return time

    def close(self):
        """Ends it, also where a program that it waits for does not end."""
        self._process.stdin.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def figures(namespace, *command, timeout=120, environment=None):
    """What the floor or the client prints, in milliseconds."""
    output = namespace.run(*command, timeout=timeout, environment=environment).stdout
    return [int(line) / 1e6 for line in output.split()]
