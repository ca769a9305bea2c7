"""The small C programs of the benchmark, and the stopwatch that runs the contestants."""

import os
import subprocess

from rig.product import REPOSITORY

SOURCES = os.path.join(REPOSITORY, "Benchmarks")
PLACE = os.path.join(REPOSITORY, ".build/bench")
PROGRAMS = {"floor": ("floor/floor.c", []), "stopwatch": ("tools/stopwatch.c", []),
            "client": ("tools/client.c", []), "xenstore-stub": ("tools/xenstore-stub.c", ["-static"])}


def tool(name):
    return os.path.join(PLACE, name)


def build():
    """Compiles whatever is older than its source."""
    os.makedirs(PLACE, exist_ok=True)
    for name, (source, options) in PROGRAMS.items():
        source = os.path.join(SOURCES, source)
        if os.path.exists(tool(name)) and os.path.getmtime(tool(name)) > os.path.getmtime(source):
            continue
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", *options, "-o", tool(name), source], check=True)


class Failed(Exception):
    """A contestant did not do what it was run for."""


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
        self._process.stdin.close()
        self._process.wait(10)


def figures(namespace, *command, timeout=300):
    """What the floor or the client prints, in milliseconds."""
    output = namespace.run(*command, timeout=timeout).stdout
    return [int(line) / 1e6 for line in output.split()]
