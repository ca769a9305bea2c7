"""Network namespaces with unique names that are gone when the process is, however it ends."""

import atexit
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time

_MARK = "dbrig"
_counter = itertools.count(1)
_living = []
# How many times as long is waited for what has no bound of its own, where the machine is emulated.
PATIENCE = float(os.environ.get("DRAWBRIDGE_TEST_PATIENCE") or 1)


class CommandFailed(AssertionError):
    """A command that was expected to succeed did not; says which, and what it printed."""

    def __init__(self, command, result):
        self.result = result
        text = (result.stderr or "").strip() or (result.stdout or "").strip()
        super().__init__(f"{' '.join(command)}: exit {result.returncode}: {text}")


def run(command, *, check=True, timeout=30, environment=None, input=None):
    """Runs a command and returns its result as text; raises CommandFailed unless told not to check."""
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout * PATIENCE, env=environment, input=input,
        errors="replace", stdin=subprocess.DEVNULL if input is None else None)
    if check and result.returncode != 0:
        raise CommandFailed(command, result)
    return result


class Namespace:
    """One network namespace, named, with its loopback up."""

    def __init__(self, role):
        self.role = role
        self.name = f"{_MARK}{os.getpid()}-{next(_counter)}-{role}"
        run(["ip", "netns", "add", self.name])
        _living.append(self)
        self.ip("link", "set", "lo", "up")

    @property
    def path(self):
        return f"/run/netns/{self.name}"

    def inside(self, *command):
        """The command line that runs a command in this namespace, with a /sys of its own."""
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def run(self, *command, **options):
        return run(self.inside(*command), **options)

    def start(self, *command, **options):
        """Starts a program in this namespace and returns it without waiting."""
        return subprocess.Popen(self.inside(*command), **options)

    def ip(self, *arguments, **options):
        return run(["ip", "-n", self.name, *map(str, arguments)], **options)

    def json(self, *arguments):
        """What `ip -d -j` prints."""
        text = self.ip("-d", "-j", *arguments).stdout.strip()
        return json.loads(text) if text else []

    def batch(self, lines, family=None):
        """Runs several `ip` commands in one process."""
        options = [family] if family else []
        return run(["ip", *options, "-n", self.name, "-batch", "-"], input="\n".join(lines) + "\n")

    def nft(self, text):
        return run(self.inside("nft", "-f", "-"), input=text)

    def sysctl(self, path, value=None):
        """Reads or writes a file below /proc/sys/net; dots inside a device's name stay what they are."""
        script = 'cat "/proc/sys/net/$1"' if value is None else 'printf "%s\\n" "$2" > "/proc/sys/net/$1"'
        return self.run("sh", "-c", script, "sysctl", path, "" if value is None else value).stdout.strip()

    def settled(self, device=None, timeout=5):
        """Waits until no IPv6 address is tentative, and the device has one."""
        deadline = time.monotonic() + timeout * PATIENCE
        while time.monotonic() < deadline:
            text = self.ip("-6", "address", "show", *(["dev", device] if device else [])).stdout
            if "tentative" not in text and (device is None or "fe80" in text):
                return
            time.sleep(0.02)
        raise AssertionError(f"the IPv6 addresses of {self.role} did not settle")

    def processes(self):
        text = run(["ip", "netns", "pids", self.name], check=False).stdout
        return [int(word) for word in text.split()]

    def remove(self):
        """Ends what still runs inside and deletes the namespace; may be called twice."""
        if self in _living:
            _living.remove(self)
        _remove(self.name)


def _remove(name):
    if not os.path.exists(f"/run/netns/{name}"):
        return
    for attempt in range(50):
        text = run(["ip", "netns", "pids", name], check=False).stdout
        pids = [int(word) for word in text.split() if int(word) != os.getpid()]
        if not pids:
            break
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
    run(["ip", "netns", "delete", name], check=False)


def remove_all():
    """Removes every namespace that this process made."""
    for namespace in list(_living):
        namespace.remove()


def remove_abandoned():
    """Removes what a rig left that was killed outright: its name carries the id of a dead process."""
    try:
        names = os.listdir("/run/netns")
    except FileNotFoundError:
        return
    for name in names:
        match = re.fullmatch(_MARK + r"(\d+)-\d+-\w+", name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            _remove(name)


def _interrupted(number, frame):
    sys.exit(128 + number)


def arrange_removal():
    """Removes every namespace at exit, also after an interrupt, a hang-up or a polite kill."""
    if os.geteuid() != 0:
        sys.exit("this makes network namespaces and has to be run as root")
    atexit.register(remove_all)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    remove_abandoned()
