"""The programs Drawbridge is held against: where they come from, whether they are there, how they are run."""

import json
import os
import shutil
import subprocess
import time

from .tools import Command, Failed, PLACE, cover, tool

PACKAGES = {
    "xen-utils-common": "/etc/xen/scripts/vif-bridge",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "netavark": "/usr/lib/podman/netavark",
    "iptables": "/usr/sbin/iptables",
    "iproute2": "/usr/sbin/ip",
    "nftables": "/usr/sbin/nft",
    "libvirt-daemon": "/usr/sbin/libvirtd",
    "libvirt-daemon-config-nwfilter": "/usr/share/libvirt/nwfilter/clean-traffic.xml",
    "libvirt-clients": "/usr/bin/virsh",
}


def present(package):
    return os.path.exists(PACKAGES[package])


def install():
    """Installs the peers from Debian, one by one, so that one that cannot be had does not keep out the others.

    Returns what is missing, with the last line that apt had to say about it.
    """
    missing = {}
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    wanted = [package for package in PACKAGES if not present(package)]
    if wanted:
        subprocess.run(["apt-get", "update", "-qq"], env=environment, capture_output=True, timeout=300)
    for package in wanted:
        result = subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends",
                                 "-o", "DPkg::Lock::Timeout=120", package],
                                env=environment, capture_output=True, text=True, timeout=300,
                                stdin=subprocess.DEVNULL)
        if not present(package):
            lines = [line for line in result.stderr.splitlines() if line.strip()] or ["not found"]
            missing[package] = lines[-1]
    return missing


def version(package):
    result = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], capture_output=True, text=True)
    return result.stdout.strip()


class XenScripts:
    """Debian's `vif-bridge`, its store answered by a static program that is bound over xenstore-read and -write.

    Debian returns before the iptables part (its bug 894013). A copy without that line is Xen's own script.
    """

    def __init__(self):
        self.plain = "/etc/xen/scripts"
        self.whole = os.path.join(PLACE, "xen-scripts-iptables")
        subprocess.run(["rm", "-rf", self.whole], check=True)
        subprocess.run(["cp", "-a", self.plain, self.whole], check=True)
        path = os.path.join(self.whole, "vif-common.sh")
        with open(path) as file:
            head, disabled, tail = file.read().partition("handle_iptable()\n{\n")
        if not disabled:
            raise RuntimeError("vif-common.sh has no handle_iptable")
        lines = tail.splitlines(keepends=True)
        for number, text in enumerate(lines[:6]):
            if text.strip() == "return 0":
                del lines[number]
                break
        with open(path, "w") as file:
            file.write(head + disabled + "".join(lines))

    @staticmethod
    def favour():
        """Puts the static store in place, in this process's own mount namespace; call it once, after unsharing."""
        for name in ("xenstore-read", "xenstore-write"):
            subprocess.run(["mount", "--bind", tool("xenstore-stub"), f"/usr/bin/{name}"], check=True)
        cover("/var/log/xen")

    def command(self, verb, vif, ip, iptables=False, bridge="xenbr0"):
        return Command(os.path.join(self.whole if iptables else self.plain, "vif-bridge"), verb,
                       f"vif={vif}", "type_if=vif",
                       environment={"XENBUS_PATH": f"backend/vif/{vif[3:].replace('.', '/')}", "vif": vif,
                                    "BENCH_BRIDGE": bridge, "BENCH_IP": ip})


class CNI:
    """The CNI `bridge` plugin with `macspoofchk`, without address management: what Drawbridge does too."""

    def __init__(self, directory):
        self.configuration = os.path.join(directory, "cni.json")
        with open(self.configuration, "w") as file:
            json.dump({"cniVersion": "1.0.0", "name": "bench", "type": "bridge", "bridge": "cni0",
                       "macspoofchk": True, "ipam": {}}, file)

    def command(self, verb, guest, name):
        return Command("/usr/lib/cni/bridge", input=self.configuration, environment={
            "CNI_COMMAND": verb, "CNI_CONTAINERID": name, "CNI_NETNS": guest.path, "CNI_IFNAME": name,
            "CNI_PATH": "/usr/lib/cni"})


class Netavark:
    """Netavark's bridge driver, internal and without DNS, so that it has least to do; one address each, as it
    demands."""

    def __init__(self, directory):
        self.directory = directory

    def command(self, verb, guest, name, number):
        path = os.path.join(self.directory, f"netavark-{name}.json")
        network = {"name": "bench", "id": "a" * 64, "driver": "bridge", "network_interface": "podman7",
                   "subnets": [{"subnet": "10.77.0.0/16", "gateway": "10.77.0.1"}], "ipv6_enabled": False,
                   "internal": True, "dns_enabled": False, "ipam_options": {"driver": "host-local"}}
        options = {"container_id": f"{number:064x}", "container_name": name, "networks": {
            "bench": {"static_ips": [f"10.77.{number // 250 + 1}.{number % 250 + 2}"], "interface_name": name}},
            "network_info": {"bench": network}}
        with open(path, "w") as file:
            json.dump(options, file)
        return Command("/usr/lib/podman/netavark", "--config", self.directory, verb, guest.path, input=path)


class Libvirt:
    """libvirt's nwfilter: its daemon in a namespace of the run's, with directories of its own and no other driver, and
    `clean-traffic` bound to vifs that are there, as its own drivers have it done when a guest starts."""

    DRIVER = "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_nwfilter.so"
    PACKAGES = ("libvirt-daemon", "libvirt-daemon-config-nwfilter", "libvirt-clients")
    SOCKET = "/run/libvirt/libvirt-sock"

    @classmethod
    def missing(cls, missing):
        """Why it cannot be had, if it cannot."""
        for package in cls.PACKAGES:
            if package in missing:
                return missing[package]
        return None if os.path.exists(cls.DRIVER) else "its packages have no driver for nwfilter"

    @staticmethod
    def arrange():
        """Gives it empty directories in this process's own mount namespace; call it once, after unsharing."""
        for path in ("/run/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/etc/libvirt"):
            cover(path)
        shutil.copytree("/usr/share/libvirt/nwfilter", "/etc/libvirt/nwfilter")

    def __init__(self, directory, namespace):
        self.directory = os.path.join(directory, "libvirt")
        os.makedirs(self.directory, exist_ok=True)
        drivers = os.path.join(self.directory, "drivers")
        if not os.path.exists(drivers):
            os.mkdir(drivers)
            os.symlink(self.DRIVER, os.path.join(drivers, os.path.basename(self.DRIVER)))
        configuration = os.path.join(self.directory, "libvirtd.conf")
        with open(configuration, "w") as file:
            file.write('unix_sock_group = "root"\nauth_unix_ro = "none"\nauth_unix_rw = "none"\n'
                       'host_uuid = "11111111-2222-3333-4444-555555555555"\n')
        if os.path.exists(self.SOCKET):
            os.unlink(self.SOCKET)
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = namespace.start(
                "/usr/sbin/libvirtd", "--config", configuration, "--pid-file", os.path.join(self.directory, "pid"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "LIBVIRT_DRIVER_DIR": drivers})
        self.namespace = namespace
        for _ in range(100):
            time.sleep(0.1)
            if os.path.exists(self.SOCKET) and self._virsh("nwfilter-dumpxml", "clean-traffic").returncode == 0:
                return
        self.close()
        with open(os.path.join(self.directory, "log"), errors="replace") as log:
            raise Failed("libvirtd does not start: " + "".join(log.readlines()[-1:]).strip())

    def _virsh(self, *words):
        return self.namespace.run("/usr/bin/virsh", "-c", "nwfilter:///system", *words, check=False)

    def command(self, verb, vif, mac, ip):
        """`virsh` that binds the filter to a vif, or takes it away."""
        if verb == "offline":
            return Command("/usr/bin/virsh", "-c", "nwfilter:///system", "nwfilter-binding-delete", vif)
        path = os.path.join(self.directory, vif + ".xml")
        with open(path, "w") as file:
            file.write(f"<filterbinding><owner><name>{vif}</name><uuid>11111111-2222-3333-4444-{mac.replace(':', '')}"
                       f"</uuid></owner><portdev name='{vif}'/><mac address='{mac}'/><filterref filter='clean-traffic'>"
                       f"<parameter name='IP' value='{ip}'/></filterref></filterbinding>")
        return Command("/usr/bin/virsh", "-c", "nwfilter:///system", "nwfilter-binding-create", path)

    def close(self):
        """Ends it, by its own process."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
