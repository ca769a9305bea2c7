"""Kills a program at the N-th change it makes of the host or of its journal, whichever of its threads makes it."""

import collections
import os
import shutil
import time

from . import product
from .namespaces import run

SOURCE = os.path.join(product.REPOSITORY, "Tests/Rig/killpoint.c")

Change = collections.namedtuple("Change", "name kind about")
Change.__doc__ = """One change: the system call; netlink, sysctl, ioctl or journal; the path where there is one."""

_program = None


def _compiler():
    """The C compiler that comes with Swift, else the machine's own."""
    swift = shutil.which("swift")
    beside = os.path.join(os.path.dirname(os.path.realpath(swift)), "clang") if swift else ""
    found = beside if os.access(beside, os.X_OK) else shutil.which("clang") or shutil.which("cc")
    if not found:
        raise AssertionError("there is no C compiler: neither clang beside swift, nor cc")
    return found


def build():
    """Builds the tracer, once per process."""
    global _program
    if _program is None:
        _program = os.path.join(product.scratch(), "killpoint")
        run([_compiler(), "-O2", "-Wall", "-Wextra", "-Werror", "-o", _program, SOURCE], timeout=60)
    return _program


def command(log, journal, point):
    """The command line to put before a program's own. `point` is a number from 1, killed before that change; with a
    '+' behind it, killed after it; 0, never killed."""
    return [build(), log, journal, str(point)]


def changes(log, journal):
    """The changes that were seen, in order, the journal's directory left out of their paths; and whether the
    program was killed there."""
    found, killed = [], False
    with open(log, errors="replace") as file:
        for line in file:
            words = line.rstrip("\n").split(" ", 4)
            if words[0] == "killed":
                killed = True
            elif len(words) == 5:
                # How many messages there are in a send hangs on who was a neighbour at that moment.
                about = "" if words[3] == "netlink" else words[4].removeprefix(journal)
                found.append(Change(words[2], words[3], about))
    return found, killed


def await_end(log, timeout=10):
    """Waits until the tracer has seen the last thread go."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with open(log, "rb") as file:
            if file.read().endswith(b"end\n"):
                return
        time.sleep(0.005)
    raise AssertionError("the program that was to be killed did not end")
