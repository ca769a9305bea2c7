"""A libvirtd of Debian's within a host of the tests: its file system is the machine's with a layer of memory above it, and
its network the host's, so that nothing of the machine's own is touched."""

import contextlib
import os
import socket
import subprocess

import packages
from rig import product
from rig.cases import demand
from rig.xen import eventually

PACKAGES = ["libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-clients"]
# Makes the root, where libvirt is the one that was fetched, and becomes libvirtd in it.
BEGIN = r"""
set -e
layer=$1 cache=$2 scratch=$3
mount -t tmpfs -o mode=755 layer "$layer"
mkdir "$layer/files" "$layer/work" "$layer/root"
mount -t overlay -o "lowerdir=/,upperdir=$layer/files,workdir=$layer/work" root "$layer/root"
root=$layer/root
for directory in proc sys dev; do mount --rbind "/$directory" "$root/$directory"; done
mount -t tmpfs -o mode=755 run "$root/run"
mkdir -p "$root$cache" "$root$scratch" "$root/etc/libvirt" "$root/var/lib/libvirt" "$root/var/log/libvirt"
mount --rbind "$cache" "$root$cache"
mount --rbind "$scratch" "$root$scratch"
ln -s "$4" "$root/run/drawbridge"
for path in usr/sbin/libvirtd usr/bin/virsh usr/share/libvirt; do
    rm -rf "$root/$path"
    ln -s "$cache/libvirt/$path" "$root/$path"
done
for path in usr/bin/qemu-system-x86_64 usr/share/qemu usr/share/seabios; do
    [ -e "$root/$path" ] || ln -s "$cache/qemu/$path" "$root/$path"
done
grep -q ^libvirt-qemu: "$root/etc/passwd" || echo libvirt-qemu:x:64055:64055::/:/bin/false >>"$root/etc/passwd"
for group in libvirt-qemu kvm; do
    grep -q "^$group:" "$root/etc/group" || echo "$group:x:64055:" >>"$root/etc/group"
done
echo 'auth_unix_rw = "none"' >"$root/etc/libvirt/libvirtd.conf"
printf '%s\n' 'user = "root"' 'group = "root"' 'dynamic_ownership = 0' 'remember_owner = 0' 'security_driver = "none"' \
    'cgroup_controllers = []' 'namespaces = []' 'stdio_handler = "file"' >"$root/etc/libvirt/qemu.conf"
exec chroot "$root" /usr/sbin/libvirtd -f /etc/libvirt/libvirtd.conf
"""
DOMAIN = """<domain type='qemu'>
  <name>guest</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><kernel>{kernel}</kernel><initrd>{archive}</initrd>
    <cmdline>{line}</cmdline></os>
  <features><acpi/></features><cpu mode='maximum'/>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/><memballoon model='none'/>
    <interface type='ethernet'>{interface}<model type='virtio'/><rom enabled='no'/></interface>
    <serial type='unix'><source mode='bind' path='{console}'/></serial>
  </devices>
</domain>
"""


def _fetched(cache):
    """The directories below which what the machine may lack lies: libvirt's, and QEMU's where it has none itself."""
    def fetch(archives):
        print("fetching libvirt from Debian", flush=True)
        packages._call(["apt-get", *packages.APT, "-o", "Dir::State::status=/dev/null", "-o",
                        f"Dir::Cache::archives={archives}", "--no-install-recommends", "--download-only", "install",
                        *PACKAGES], "fetching libvirt")

    with packages.alone(cache):
        packages.emulator(cache)
        found = [packages._unpacked(os.path.join(cache, "libvirt"), fetch)]
    qemu = os.path.join(cache, "qemu")
    return found + ([qemu] if os.path.isdir(qemu) else [])


class Libvirt:
    """libvirtd, spoken to by virsh."""

    def __init__(self, cache, daemon):
        self.directory = os.path.join(product.scratch(), f"libvirt{next(product._counter)}")
        layer = os.path.join(self.directory, "layer")
        os.makedirs(layer)
        fetched = _fetched(cache)
        libraries = ":".join(os.path.join(root, part, "x86_64-linux-gnu") for root in fetched for part in ("usr/lib", "lib"))
        self.environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": libraries, "LIBVIRT_DRIVER_DIR":
                            os.path.join(fetched[0], "usr/lib/x86_64-linux-gnu/libvirt/connection-driver")}
        self.scripts = daemon.scripts
        self.log = os.path.join(self.directory, "log")
        with open(self.log, "wb") as log:
            self.process = daemon.namespace.start(
                "unshare", "--mount", "--propagation", "private", "sh", "-c", BEGIN, "sh", layer,
                cache, product.scratch(), daemon.directory, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=self.environment)
        eventually(self._serves, lambda: f"libvirtd does not serve: {self._said()}", timeout=60)

    def _said(self):
        with open(self.log, errors="replace") as log:
            return log.read()[-800:]

    def _serves(self):
        demand(self.process.poll() is None, f"libvirtd ended: {self._said()}")
        return self.virsh("version", check=False).returncode == 0

    def virsh(self, *words, check=True):
        result = subprocess.run(
            ["nsenter", "--target", str(self.process.pid), "--mount", "--net", "--root", "--wd", "/usr/bin/virsh", "-q",
             "-c", "qemu:///system", *words], env=self.environment, capture_output=True, text=True, timeout=90,
            stdin=subprocess.DEVNULL)
        demand(not check or result.returncode == 0, f"virsh {words[0]}: {result.stderr.strip()}")
        return result

    def wrappers(self, **variables):
        """Two scripts that call Drawbridge's with what libvirt does not pass on."""
        paths = []
        for name in ("qemu-ifup", "qemu-ifdown"):
            path = os.path.join(self.directory, name)
            words = " ".join(f"{key}={value}" for key, value in variables.items())
            with open(path, "w") as file:
                file.write(f"#!/bin/sh\n{words} exec {self.scripts}/{name} \"$@\"\n")
            os.chmod(path, 0o755)
            paths.append(path)
        return paths

    @contextlib.contextmanager
    def guest(self, kernel, archive, line, interface):
        """A guest with that interface; yields its serial line, for reading and for writing."""
        console = os.path.join(self.directory, f"console{next(product._counter)}")
        path = os.path.join(self.directory, "domain.xml")
        with open(path, "w") as file:
            file.write(DOMAIN.format(kernel=kernel, archive=archive, line=line, interface=interface, console=console))
        self.virsh("create", path)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(console)
                yield (connection.makefile("r", errors="replace"), connection.makefile("w"))
        finally:
            self.virsh("destroy", "guest", check=False)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def running(cache, daemon):
    """A libvirtd beside the daemon, in its host."""
    libvirt = Libvirt(os.path.realpath(cache), daemon)
    try:
        yield libvirt
    finally:
        libvirt.stop()
