"""A real xenstored without Xen, and vifs called as libxl calls them (libxl_linux.c)."""

import atexit
import glob
import os
import socket
import subprocess
import time

from . import killpoint, product
from .namespaces import PATIENCE, run

SOURCE = os.path.join(product.REPOSITORY, "Tests/Rig/xenstored-hypercalls.c")
TIMEOUT = 20


def eventually(condition, text, timeout=TIMEOUT):
    """Waits until the condition holds."""
    deadline = time.monotonic() + timeout * PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(text() if callable(text) else text)
        time.sleep(0.02)


def process_written(path):
    """The process of a program that put itself in the background: it writes its file after its parent has ended."""
    def read():
        try:
            with open(path) as file:
                return int(file.read())
        except (FileNotFoundError, ValueError):
            return None
    eventually(read, f"no process in {path}")
    return read()


class Store:
    """Debian's xenstored on a socket of its own, its hypercalls answered by xenstored-hypercalls.c. Debian's
    xenstore-read and its siblings are the witnesses."""

    def __init__(self):
        found = glob.glob("/usr/lib/xen-*/bin/xenstored")
        if not found:
            raise AssertionError("there is no xenstored: run 'make deps'")
        self.program = found[0]
        self.directory = os.path.join(product.scratch(), f"xs{next(product._counter)}")
        os.mkdir(self.directory, 0o755)
        self.socket = os.path.join(self.directory, "socket")
        self.hypercalls = os.path.join(self.directory, "hypercalls.so")
        run([killpoint._compiler(), "-shared", "-fPIC", "-o", self.hypercalls, SOURCE], timeout=60)
        self.process = None
        atexit.register(self.stop)
        self.start()

    def start(self):
        """Starts it with an empty store."""
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.process = subprocess.Popen(
            [self.program, "-N"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LD_PRELOAD": self.hypercalls, "XENSTORED_PATH": self.socket,
                 "XENSTORED_RUNDIR": self.directory, "XENSTORED_ROOTDIR": self.directory})
        eventually(self._serves, "xenstored does not serve")

    def _serves(self):
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(self.socket) == 0

    def stop(self):
        """Ends it the hard way."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _tool(self, name, *words, check=True):
        return run([f"/usr/bin/xenstore-{name}", *words], check=check,
                   environment={"PATH": os.environ["PATH"], "XENSTORED_PATH": self.socket})

    def write(self, values):
        """Writes entries, all in one transaction."""
        self._tool("write", *[word for path, value in values.items() for word in (path, value)])

    def read(self, path):
        """The value of an entry; None where there is none."""
        result = self._tool("read", path, check=False)
        return result.stdout.removesuffix("\n") if result.returncode == 0 else None

    def remove(self, path):
        self._tool("rm", path)


class Vif:
    """What libxl writes for a vif before it runs the script, and how it runs it."""

    def __init__(self, store, domain, device=0, ioemu=False, **keys):
        self.store, self.domain, self.device, self.ioemu = store, domain, device, ioemu
        self.path = f"backend/vif/{domain}/{device}"
        self.backend = f"/local/domain/0/{self.path}"
        self.frontend = f"/local/domain/{domain}/device/vif/{device}"
        keys.setdefault("bridge", "xenbr0")
        keys.setdefault("mac", f"00:16:3e:00:{domain % 256:02x}:{device % 256:02x}")
        values = {
            "frontend": self.frontend, "frontend-id": str(domain), "online": "1", "state": "2",
            "script": "/etc/xen/scripts/vif-bridge", "handle": str(device), "hotplug-status": "",
            "type": "vif_ioemu" if ioemu else "vif", **keys,
        }
        store.write({
            f"/local/domain/{domain}/name": f"guest-{domain}",
            **{f"{self.backend}/{key}": str(value) for key, value in values.items() if value is not None},
            f"{self.frontend}/backend": self.backend, f"{self.frontend}/state": "1",
            f"{self.frontend}/mtu": "1500",
        })

    @property
    def status(self):
        return self.store.read(f"{self.backend}/hotplug-status")

    @property
    def error(self):
        return self.store.read(f"{self.backend}/hotplug-error")

    @property
    def frontend_mtu(self):
        return self.store.read(f"{self.frontend}/mtu")

    def environment(self, **more):
        variables = {
            "script": "/etc/xen/scripts/vif-bridge", "XENBUS_TYPE": "vif", "XENBUS_PATH": self.path,
            "XENBUS_BASE_PATH": "backend", "netdev": "", "vif": f"vif{self.domain}.{self.device}",
            "XENSTORED_PATH": self.store.socket, "LC_ALL": "de_DE.UTF-8",
        }
        if self.ioemu:
            variables["INTERFACE"] = f"vif{self.domain}.{self.device}-emu"
        variables.update(more)
        return {key: value for key, value in variables.items() if value is not None}

    def run(self, daemon, command, *arguments, check=True, script="vif-bridge", **environment):
        """Runs the script as libxl does: `online`, `offline`, `add` or `remove`."""
        kind = "tap" if command in ("add", "remove") else "vif"
        return daemon.script(script, command, f"type_if={kind}", *arguments, check=check,
                             **self.environment(**environment))
