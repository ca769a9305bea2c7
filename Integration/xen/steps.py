#!/usr/bin/python3
"""Runs the steps inside Xen's control domain, with Drawbridge in the place of Xen's scripts, and tells each with its
time on the second serial line."""

import concurrent.futures
import contextlib
import glob
import itertools
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import traceback

XL = glob.glob("/usr/lib/xen-[0-9]*/bin/xl")[0]
KERNEL, RAMDISK, DRIVER_RAMDISK, DEVICE_MODEL = sys.argv[1:5]
CHOSEN = sys.argv[5:]
# In MB: what Debian's kernel needs to come up at all (58 for itself), and little more.
CROWD_MEMORY = 96
# How many of xl run at the same time: libxl gives a back end no more than 10 s to come, of one emulated processor.
AT_ONCE = 4
HOST = "10.77.0.1"
STEPS = []
# What is told besides the steps and their times.
NOTES = []
_request = itertools.count(1)


def step(name):
    def register(function):
        STEPS.append((name, function))
        return function
    return register


def demand(condition, text):
    if not condition:
        raise AssertionError(text)


def run(*command, check=True, timeout=100):
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {result.returncode}: {result.stderr.strip()}")
    return result


def eventually(condition, text, timeout=60):
    deadline = time.monotonic() + timeout
    while not condition():
        demand(time.monotonic() < deadline, text() if callable(text) else text)
        time.sleep(0.2)


def store(path):
    result = run("xenstore-read", path, check=False)
    return result.stdout.rstrip("\n") if result.returncode == 0 else None


def port_of(device, bridge="xenbr0"):
    return os.path.exists(f"/sys/class/net/{bridge}/brif/{device}")


class Guest:
    """A paravirtual guest: Debian's kernel, busybox, and what `guest-init` does."""

    def __init__(self, name, number, *vifs, memory=192, ramdisk=RAMDISK, lines=""):
        self.name, self.address = name, f"10.77.0.{number}"
        self.log = f"/var/log/xen/console/guest-{name}.log"
        self.file = f"/run/{name}.cfg"
        with open(self.file, "w") as file:
            file.write(f"name='{name}'\nkernel='{KERNEL}'\nramdisk='{ramdisk}'\nmemory={memory}\nvcpus=1\n"
                       f"extra='console=hvc0 quiet panic=-1 mitigations=off rdinit=/init address={self.address}'\n"
                       f"on_reboot='restart'\n{lines}vif=[{', '.join(repr(vif) for vif in vifs)}]\n")

    def create(self, check=True, timeout=100):
        # What an earlier domain of this name said is not of this one.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.log)
        return run(XL, "create", "-q", self.file, check=check, timeout=timeout)

    @property
    def domain(self):
        return int(run(XL, "domid", self.name).stdout)

    def answer(self, command):
        """The last line that a command says in the guest."""
        self.tell(command)
        return re.findall(r"guest: \d+ \d+ ?(.*)", self.said())[-1].strip()

    def said(self):
        try:
            with open(self.log, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait(self, text, timeout=90):
        eventually(lambda: text in self.said(), lambda: f"{self.name} did not say {text!r}: {self.said()[-500:]}",
                   timeout)

    def tell(self, command, timeout=60):
        """Runs a command in the guest by its console; returns its exit code."""
        number = next(_request)
        with open(store(f"/local/domain/{self.domain}/console/tty"), "w") as console:
            console.write(f"{number} {command}\n")
        pattern = re.compile(rf"guest: {number} (\d+)")
        eventually(lambda: pattern.search(self.said()),
                   lambda: f"{self.name} did not answer: {command}; it said {self.said()[-400:]!r}", timeout)
        return int(pattern.search(self.said())[1])

    def reaches(self, source=None, tries=8, gateway=HOST):
        option = f"-I {source} " if source else ""
        return any(self.tell(f"ping -c 1 -W 2 {option}{gateway}") == 0 for _ in range(tries))

    def demand_own_address(self, own, other, gateway=HOST, device="eth0"):
        """From its own address it reaches the gateway, and from another's it does not."""
        for address in (own, other):
            if self.tell(f"ip address show dev {device} | grep -q 'inet {address}/'") != 0:
                demand(self.tell(f"ip address add {address}/24 dev {device}") == 0, f"{address} cannot be added")
        demand(self.reaches(own, gateway=gateway), f"{self.name} does not reach {gateway}")
        demand(not self.reaches(other, tries=2, gateway=gateway), "another's address passes")
        demand(self.reaches(own, gateway=gateway), "its own does not pass")

    def destroy(self):
        run(XL, "destroy", self.name)


class Daemon:
    process = None

    @classmethod
    def start(cls):
        cls.process = subprocess.Popen(["/usr/sbin/drawbridged"], stdin=subprocess.DEVNULL)
        eventually(lambda: run("drawbridge", "daemon", "status", check=False).returncode == 0,
                   "the daemon does not serve")


def configure(vifs="scripts"):
    with open("/etc/drawbridge/drawbridge.yaml", "w") as file:
        file.write("version: 1\nnetworks:\n  xenbr0:\n    uplink: none\n    antispoof: yes\n"
                   f"xen-vifs: {vifs}\n")


def program(path, text, shell="/bin/sh"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(f"#!{shell}\n{text}\n")
    os.chmod(path, 0o755)


@contextlib.contextmanager
def without_script(vifs):
    """With a script that does nothing in the place of Drawbridge's, and the daemon in one of its modes."""
    script = "/etc/xen/scripts/vif-bridge"
    target = os.readlink(script)
    os.unlink(script)
    try:
        program(script, "exit 0")
        configure(vifs)
        run("drawbridge", "daemon", "reload")
        yield
    finally:
        os.unlink(script)
        os.symlink(target, script)
        configure()
        run("drawbridge", "daemon", "reload")


web = Guest("web", 11, "mac=00:16:3e:00:00:11,ip=10.77.0.11,bridge=xenbr0")


@step("drawbridge install-xen puts the scripts in the place of Xen's; the daemon raises an isolated, filtered bridge")
def install():
    run("drawbridge", "install-xen")
    demand(os.readlink("/etc/xen/scripts/vif-bridge") == "/usr/lib/drawbridge/drawbridge-hotplug", "no link")
    demand(os.path.exists("/etc/xen/scripts/vif-bridge.distrib"), "the original is not kept")
    os.makedirs("/etc/drawbridge", exist_ok=True)
    configure()
    Daemon.start()
    eventually(lambda: os.path.exists("/sys/class/net/xenbr0/bridge"), "there is no xenbr0")
    run("ip", "link", "set", "xenbr0", "mtu", "1400")
    run("ip", "address", "add", f"{HOST}/24", "dev", "xenbr0")


@step("xl create: the vif is on its bridge, connected, and the guest was told the bridge's MTU")
def create():
    web.create()
    path = "/local/domain/0/backend/vif/1/0"
    demand(port_of("vif1.0"), "vif1.0 is no port of xenbr0")
    demand(store(f"{path}/hotplug-status") == "connected", store(f"{path}/hotplug-status"))
    demand(store(f"{path}/hotplug-error") is None, "hotplug-error is there")
    demand(store("/local/domain/1/device/vif/0/mtu") == "1400", store("/local/domain/1/device/vif/0/mtu"))
    shown = run("ip", "address", "show", "dev", "vif1.0").stdout
    demand("fe:ff:ff:ff:ff:ff" in shown and " inet" not in shown, f"its hardware address, or it has addresses: {shown}")


@step("the guest and the host answer each other")
def pings():
    web.wait("guest: eth0")
    demand(web.reaches(), "the guest does not reach the host")
    run("ping", "-c", "2", "-W", "5", web.address)


@step("a spoofed address is dropped on its way out of the guest")
def spoofing():
    web.demand_own_address("10.77.0.11", "10.77.0.99")


@step("xl network-attach with mac, ip, vifname, mtu and rate; network-detach")
def attach():
    run(XL, "network-attach", "web", "bridge=xenbr0", "mac=00:16:3e:00:00:12", "ip=10.77.0.12", "vifname=web1",
        "rate=10Mb/s", "mtu=1300")
    demand(port_of("web1"), "web1 is no port of xenbr0")
    with open("/sys/class/net/web1/mtu") as file:
        demand(file.read() == "1300\n", "its MTU is not the one that was asked for, but the bridge's")
    shown = run("drawbridge", "vif", "show", "vif1.1").stdout
    demand("10Mb/s by netback" in shown, f"the rate is not known, or held twice: {shown}")
    demand("ifb1.1" not in run("ip", "-br", "link").stdout, "the host holds the rate that is netback's")
    web.wait("guest: eth1 mac=00:16:3e:00:00:12")
    demand(web.reaches("eth1"), "eth1 does not pass")
    demand(not web.reaches("10.77.0.12", tries=1), "the address of eth1 passes at eth0")
    run(XL, "network-detach", "web", "1")
    eventually(lambda: not os.path.exists("/sys/class/net/web1"), "web1 is still there")
    demand("vif1.1" not in run("drawbridge", "vif", "list").stdout, "vif1.1 is still known")


@step("a bridge that is missing, a bad address, a name that is taken: xl create fails and shows one line with the cause")
def failures():
    for spec, cause in (("bridge=nobr", "Could not find bridge device nobr"),
                        ("bridge=xenbr0,ip=10.77.0.300", "10.77.0.300"),
                        ("bridge=xenbr0,vifname=lo", "An interface with name lo already exists.")):
        result = Guest("bad", 13, spec).create(check=False)
        demand(result.returncode != 0, "it was created")
        lines = [line for line in result.stderr.splitlines() if "script:" in line and cause in line]
        demand(len(lines) == 1, result.stderr)
    demand(web.reaches(), "the other guest is cut off")


@step("the daemon is killed and started anew under a running guest, which goes on; the next event works")
def restart():
    Daemon.process.send_signal(signal.SIGKILL)
    Daemon.process.wait()
    demand(web.reaches(), "the guest is cut off without a daemon")
    Daemon.start()
    demand(web.reaches(), "the guest is cut off after the restart")
    run(XL, "network-attach", "web", "bridge=xenbr0", "mac=00:16:3e:00:00:12", "ip=10.77.0.12")
    run(XL, "network-detach", "web", "1")


@step("xl save and xl restore: the guest's new vif is connected, and the guest answers")
def save():
    run(XL, "save", "web", "/run/web.saved")
    run(XL, "restore", "/run/web.saved")
    os.unlink("/run/web.saved")
    demand(port_of(f"vif{web.domain}.0"), "its vif is no port")
    demand(web.reaches(), "the guest does not reach the host")


@step("the guest reboots: its next domain has its vif")
def reboot():
    before = web.domain
    with open(store(f"/local/domain/{before}/console/tty"), "w") as console:
        console.write("0 reboot -f\n")

    def is_anew():
        result = run(XL, "domid", "web", check=False)
        return result.returncode == 0 and int(result.stdout) != before

    eventually(is_anew, "there is no new domain", 90)
    eventually(lambda: port_of(f"vif{web.domain}.0"), "its vif is no port")


@step("four vifs of one guest at once, and a second guest beside it")
def many():
    other = Guest("many", 21, *[f"mac=00:16:3e:00:00:{21 + n},ip=10.77.0.{21 + n},bridge=xenbr0" for n in range(4)])
    other.create()
    domain = other.domain
    demand(all(port_of(f"vif{domain}.{n}") for n in range(4)), os.listdir("/sys/class/net/xenbr0/brif"))
    other.wait("guest: eth3")
    demand(other.reaches("eth3"), "eth3 does not pass")
    other.destroy()
    eventually(lambda: not glob.glob(f"/sys/class/net/vif{domain}.*"), "vifs are still there")


def timed(function):
    """The seconds that it takes."""
    begin = time.monotonic()
    function()
    return time.monotonic() - begin


@step("as many guests as the memory allows, at the same time: created, pinged, given a second vif each, destroyed")
def crowd():
    def member(number):
        vif = f"mac=00:16:3e:00:01:{number:02x},ip=10.77.0.{100 + number},bridge=xenbr0"
        return Guest(f"crowd{number}", 100 + number, vif, memory=CROWD_MEMORY)

    def attach_to(guest):
        run(XL, "network-attach", guest.name, "bridge=xenbr0", f"mac=00:16:3e:00:02:{int(guest.name[5:]):02x}", timeout=900)

    # Guests that boot would else have as much of the one processor as the host has, each of them.
    run(XL, "sched-credit2", "-d", "0", "-w", "8192")
    free = int(re.search(r"free_memory +: (\d+)", run(XL, "info").stdout)[1])
    guests = [member(number) for number in range(min(150, free // (CROWD_MEMORY + 2)))]
    demand(len(guests) > 1, f"{free} MB are free")
    times = {}

    def measure(name, function, over):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            times.setdefault(name, []).append(sorted(pool.map(lambda guest: timed(lambda: function(guest)), over)))

    def answers(guest):
        # Many that ask would take the processor from those that boot.
        guest.wait("guest: eth0", 900)
        eventually(lambda: run("ping", "-c", "1", "-W", "2", guest.address, check=False).returncode == 0,
                   lambda: f"{guest.name} does not answer: {guest.said()[-300:]}")

    def create(guest):
        guest.create(timeout=900)

    for some in (guests[:1], guests):
        begin = time.monotonic()
        measure("xl create", create, some)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(answers, some))
        times.setdefault("from nothing until all of them answer pings", []).append([time.monotonic() - begin])
        measure("xl network-attach", attach_to, some)
        domains = [guest.domain for guest in some]
        missing = {f"vif{domain}.{device}" for domain in domains for device in (0, 1)} - set(
            os.listdir("/sys/class/net/xenbr0/brif"))
        demand(not missing, f"no ports: {missing}")
        if some == guests:
            demand(web.reaches(tries=3), "the guest that was there before is cut off")
        measure("xl destroy", Guest.destroy, some)
        eventually(lambda: not [name for domain in domains for name in glob.glob(f"/sys/class/net/vif{domain}.*")],
                   "vifs are still there")
        known = run("drawbridge", "vif", "list").stdout
        demand(not [domain for domain in domains if f"vif{domain}." in known], f"the daemon knows vifs still: {known}")
    NOTES.append(f"{len(guests)} guests, {AT_ONCE} of xl at once, in seconds: one alone; of all the median, the longest")
    NOTES.extend(f"  {name:<45} {one[0]:6.1f} {statistics.median(every):6.1f} {every[-1]:6.1f}"
                 for name, (one, every) in times.items())


@step("a fully virtualized guest: both runs of its vif, the back end and the emulated card's tap")
def emulated():
    program, = glob.glob(f"{DEVICE_MODEL}/usr/libexec/xen-qemu-system-i386") or glob.glob(
        f"{DEVICE_MODEL}/usr/lib/xen*/bin/qemu-system-i386")
    libraries = ":".join(f"{DEVICE_MODEL}/{part}/x86_64-linux-gnu" for part in ("usr/lib", "lib"))
    wrapper = "/run/device-model"
    with open(wrapper, "w") as file:
        file.write(f"#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {program} -L {DEVICE_MODEL}/usr/share/qemu "
                   f"-L {DEVICE_MODEL}/usr/share/seabios \"$@\"\n")
    os.chmod(wrapper, 0o755)
    with open("/run/full.cfg", "w") as file:
        file.write(f"name='full'\ntype='hvm'\nmemory=128\ndevice_model_version='qemu-xen'\n"
                   f"device_model_override='{wrapper}'\n"
                   f"bios_path_override='{DEVICE_MODEL}/usr/share/seabios/bios-256k.bin'\nvnc=0\n"
                   "vif=['type=ioemu,model=e1000,mac=00:16:3e:00:00:41,ip=10.77.0.41,bridge=xenbr0']\n")
    run(XL, "create", "-q", "-p", "/run/full.cfg")
    domain = int(run(XL, "domid", "full").stdout)
    demand(port_of(f"vif{domain}.0") and port_of(f"vif{domain}.0-emu"), os.listdir("/sys/class/net/xenbr0/brif"))
    path = f"/local/domain/0/backend/vif/{domain}/0"
    demand(store(f"{path}/hotplug-status") == "connected", store(f"{path}/hotplug-status"))
    known = run("drawbridge", "vif", "list").stdout
    demand(f"vif{domain}.0 " in known and f"vif{domain}.0-emu" in known, known)
    run(XL, "destroy", "full")
    eventually(lambda: not glob.glob(f"/sys/class/net/vif{domain}.0*"), "its devices are still there")
    demand(f"vif{domain}.0" not in run("drawbridge", "vif", "list").stdout, "the daemon knows them still")


@step("somebody's own script that fails, one that hangs and a hook that hangs: xl create fails with one line; then it works")
def own_scripts():
    script = "/etc/xen/scripts/vif-own"
    program(script, "wanted=$1 dir=/etc/xen/scripts\n. $dir/vif-common.sh\n"
                    "if [ $wanted = online ]; then fatal the other end is not plugged in; fi", "/bin/bash")
    result = Guest("own", 51, "bridge=xenbr0,script=vif-own").create(check=False)
    lines = [line for line in result.stderr.splitlines() if "script: the other end is not plugged in" in line]
    demand(result.returncode != 0 and len(lines) == 1, result.stderr)
    # Both at once: libxl has one of them killed after 40 s, the other one gives up before.
    program(script, "[ $1 != online ] || exec sleep 300")
    hook = "/etc/xen/scripts/vif-post.d/50-hang.hook"
    program(hook, "[ $command != online ] || exec sleep 300")
    result = Guest("own", 51, "bridge=xenbr0,script=vif-own", "bridge=xenbr0").create(check=False)
    os.unlink(script)
    os.unlink(hook)
    said = result.stderr.splitlines()
    killed = [line for line in said if "because of timeout" in line]
    demand(result.returncode != 0 and len(killed) == 1 and script in killed[0], result.stderr)
    gave_up = [line for line in said if "script: vif" in line and "50-hang.hook" in line]
    demand(len(gave_up) == 1, result.stderr)
    own = Guest("own", 51, "mac=00:16:3e:00:00:51,ip=10.77.0.51,bridge=xenbr0")
    own.create()
    demand(port_of(f"vif{own.domain}.0"), "the next event fails")
    own.destroy()


@step("a domain that disappears while its vif is connected: xl create fails, nothing of it is left; the next one is made")
def disappears():
    hook = "/etc/xen/scripts/vif-post.d/50-gone.hook"
    program(hook, f"[ $command != online ] || exec {XL} destroy brief")
    brief = Guest("brief", 52, "mac=00:16:3e:00:00:52,ip=10.77.0.52,bridge=xenbr0")
    result = brief.create(check=False)
    os.unlink(hook)
    demand(result.returncode != 0, "it was created")
    demand(run(XL, "domid", "brief", check=False).returncode != 0, "it is there still")
    own = f"vif{web.domain}.0"
    eventually(lambda: glob.glob("/sys/class/net/vif*") == [f"/sys/class/net/{own}"], "its vif is there still")
    known = set(re.findall(r"\bvif\d+\.\d+", run("drawbridge", "vif", "list").stdout))
    demand(known == {own}, f"the daemon knows {known}")
    brief.create()
    demand(port_of(f"vif{brief.domain}.0"), "the next event fails")
    brief.destroy()


@step("xen-vifs: daemon: without a script, as a driver domain without xl devd, the daemon connects and disconnects vifs")
def driver_domain():
    with without_script("daemon"):
        guest = Guest("plain", 61, "mac=00:16:3e:00:00:61,ip=10.77.0.61,bridge=xenbr0")
        guest.create()
        domain = guest.domain
        path = f"/local/domain/0/backend/vif/{domain}"
        eventually(lambda: store(f"{path}/0/hotplug-status") == "connected", "it is not connected")
        demand(port_of(f"vif{domain}.0"), "its vif is no port")
        guest.wait("guest: eth0")
        demand(guest.reaches(), "the guest does not reach the host")
        run(XL, "network-attach", "plain", "bridge=xenbr0", "mac=00:16:3e:00:00:62", "ip=10.77.0.62", "vifname=plain1")
        eventually(lambda: store(f"{path}/1/hotplug-status") == "connected", "the second is not connected")
        demand(port_of("plain1"), "plain1 is no port")
        run(XL, "network-attach", "plain", "bridge=nobr", "mac=00:16:3e:00:00:63", check=False)
        eventually(lambda: "Could not find bridge device nobr" in (store(f"{path}/2/hotplug-error") or ""),
                   lambda: f"it is not told: {store(f'{path}/2/hotplug-error')}")
        run(XL, "network-detach", "plain", "1")
        eventually(lambda: f"vif{domain}.1" not in run("drawbridge", "vif", "list").stdout, "the second is known still")
        guest.destroy()
        eventually(lambda: f"vif{domain}." not in run("drawbridge", "vif", "list").stdout, "they are known still")
        demand(store(path) is None, "the store has it still")


@step("§7-34, §7-115: a driver domain of its own, without toolstack and xenstored: its daemon connects a guest's vifs and "
      "takes all of them back when they are detached and destroyed; a tap's keys are the domain's own")
def own_driver_domain():
    driver = Guest("driver", 200, memory=288, ramdisk=DRIVER_RAMDISK, lines="driver_domain=1\n")
    driver.create()
    driver.wait("guest: up")
    demand(driver.tell("/serve 10.99.0.1", 120) == 0, f"the daemon does not serve: {driver.said()[-500:]}")

    def is_port(device):
        return driver.tell(f"test -e /sys/class/net/xenbr0/brif/{device}") == 0

    def rules(device):
        return int(driver.answer(f"nft list ruleset | grep -c '[\"/ ]{device}[\"/ ]'"))

    with open("/etc/xen/xl.conf", "a") as file:
        file.write('vif.default.backend="driver"\n')
    guest = Guest("remote", 91, "mac=00:16:3e:00:00:91,ip=10.99.0.91,bridge=xenbr0,vifname=remote0")
    try:
        guest.create()
        domain = guest.domain
        path = f"/local/domain/{driver.domain}/backend/vif/{domain}"
        # §7-111: xl.conf says which domain has the back end; dom0 has nothing of it.
        demand(store(f"/local/domain/0/backend/vif/{domain}") is None, "dom0 has the back end")
        eventually(lambda: store(f"{path}/0/hotplug-status") == "connected",
                   lambda: f"not connected: {run('xenstore-ls', path, check=False).stdout}"
                           f"{driver.answer('tail -1 /run/log')}")
        guest.wait("guest: eth0")
        guest.demand_own_address("10.99.0.91", "10.99.0.92", gateway="10.99.0.1")
        # §7-34: udev tells the tap's name alone. What dom0's store has of a vif of this number is not the tap's.
        decoy = f"/local/domain/0/backend/vif/{domain}/0"
        run("xenstore-write", f"{decoy}/bridge", "nobr", f"{decoy}/vifname", "decoy")
        run("xenstore-chmod", "-r", f"/local/domain/0/backend/vif/{domain}", "n0", f"r{driver.domain}")
        tap = f"INTERFACE=vif{domain}.0-emu UDEV_CALL=1"
        demand(driver.tell(f"tunctl -t vif{domain}.0-emu") == 0, "the driver domain makes no tap")
        of_dom0 = f"{tap} XENBUS_PATH={decoy} /etc/xen/scripts/vif-bridge add type_if=tap"
        demand("nobr" in driver.answer(of_dom0), "dom0's entry would not be seen if it were read")
        demand(driver.tell(f"{tap} /etc/xen/scripts/vif-bridge add type_if=tap") == 0,
               f"the tap is not connected: {store(f'{path}/0/hotplug-error')} {driver.answer('tail -1 /run/log')}")
        demand(is_port("remote0-emu") and rules("remote0-emu"), "the tap is no port by its own name, or not filtered")
        run("xenstore-rm", f"/local/domain/0/backend/vif/{domain}")
        # What fails is told where the toolstack looks, and holds nothing up.
        run(XL, "network-attach", "remote", "bridge=nobr", "mac=00:16:3e:00:00:92", check=False)
        eventually(lambda: "Could not find bridge device nobr" in (store(f"{path}/1/hotplug-error") or ""),
                   "it is not told")
        # What is detached is withdrawn, and the other vif stays.
        run(XL, "network-attach", "remote", "bridge=xenbr0", "mac=00:16:3e:00:00:93", "ip=10.99.0.93", "vifname=remote2")
        eventually(lambda: store(f"{path}/2/hotplug-status") == "connected", "the third is not connected")
        demand(is_port("remote2") and rules("remote2"), "the third is no port, or not filtered")
        run(XL, "network-detach", "remote", "2")
        eventually(lambda: store(f"{path}/2") is None, "the store has the third still")
        eventually(lambda: not is_port("remote2") and not rules("remote2"), "its port or its rules are there still")
        demand(is_port("remote0") and rules("remote0") and guest.reaches("10.99.0.91", gateway="10.99.0.1"),
               "the first went with it")
        guest.destroy()
        eventually(lambda: store(path) is None, "the store has the guest still")
        for device in ("remote0", "remote0-emu"):
            eventually(lambda: not is_port(device) and not rules(device), f"{device} or its rules are there still")
        demand(driver.tell("ls /sys/class/net/xenbr0/brif | grep -q .") != 0, "the bridge has ports")
    finally:
        run("sed", "-i", "/vif.default.backend/d", "/etc/xen/xl.conf")
    driver.destroy()


@step("§7-69, §7-71, §7-111: vif-openvswitch with the kernel's datapath, by xl.conf alone; a vif's own words hold first")
def open_vswitch():
    os.makedirs("/run/openvswitch", exist_ok=True)
    os.makedirs("/etc/openvswitch", exist_ok=True)
    run("/run/modprobe", "openvswitch")
    run("ovsdb-tool", "create", "/etc/openvswitch/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
    servers = [subprocess.Popen(["ovsdb-server", "--remote=punix:/run/openvswitch/db.sock", "/etc/openvswitch/conf.db"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
    eventually(lambda: run("ovs-vsctl", "--no-wait", "--timeout=5", "init", check=False).returncode == 0, "no database")
    servers.append(subprocess.Popen(["ovs-vswitchd", "unix:/run/openvswitch/db.sock"], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    run("ovs-vsctl", "--timeout=60", "add-br", "ovs0", "--", "add-port", "ovs0", "vlan5", "tag=5", "--", "set",
        "interface", "vlan5", "type=internal")
    eventually(lambda: os.path.exists("/sys/class/net/vlan5"), "ovs-vswitchd made no vlan5")
    run("ip", "address", "add", "10.95.0.1/24", "dev", "vlan5")
    run("ip", "link", "set", "vlan5", "up")
    # §7-111: the defaults of xl.conf come by the store.
    shutil.copy("/etc/xen/xl.conf", "/run/xl.conf")
    with open("/etc/xen/xl.conf", "a") as file:
        file.write('vif.default.script="vif-openvswitch"\nvif.default.bridge="ovs0.5"\n'
                   'vif.default.gatewaydev="nosuchdev"\n')
    try:
        guest = Guest("switched", 95, "mac=00:16:3e:00:00:95,ip=10.95.0.95")
        guest.create()
        device = f"vif{guest.domain}.0"
        demand(run("ovs-vsctl", "get", "port", device, "tag").stdout.strip() == "5", "it is in no VLAN 5")
        uuid = store(f"{store(f'/local/domain/{guest.domain}/vm')}/uuid")
        demand(uuid in run("ovs-vsctl", "get", "interface", device, "external_ids").stdout, "its UUID is not told")
        guest.wait("guest: eth0")
        guest.demand_own_address("10.95.0.95", "10.95.0.96", gateway="10.95.0.1")
        run(XL, "network-attach", "switched", "script=vif-bridge", "bridge=xenbr0", "mac=00:16:3e:00:00:97")
        demand(port_of(f"vif{guest.domain}.1"), "what the vif says does not hold before xl.conf")
        routed = run(XL, "network-attach", "switched", "script=vif-route", "ip=10.96.0.2", check=False)
        demand(routed.returncode != 0 and "nosuchdev" in routed.stderr, f"gatewaydev of xl.conf: {routed.stderr}")
        guest.destroy()
        eventually(lambda: "vif" not in run("ovs-vsctl", "list-ports", "ovs0").stdout, "its port is there still")
    finally:
        shutil.copy("/run/xl.conf", "/etc/xen/xl.conf")
        run("ovs-vsctl", "--timeout=20", "del-br", "ovs0", check=False)
        for server in reversed(servers):
            server.terminate()
            server.wait()


@step("xen-vifs: repair: what a script has left half done is completed after it")
def repair():
    with without_script("repair"):
        guest = Guest("left", 71, "mac=00:16:3e:00:00:71,ip=10.77.0.71,bridge=xenbr0")
        guest.create()
        domain = guest.domain
        demand(not port_of(f"vif{domain}.0"), "the daemon did not wait for the script")
        eventually(lambda: port_of(f"vif{domain}.0"), "its vif is no port", 90)
        demand(guest.reaches(), "the guest does not reach the host")
        guest.destroy()


@step("network-bridge moves dom0's own card onto a bridge, a guest reaches what is beyond it, and stop gives it back")
def uplink():
    run("ip", "netns", "add", "beyond")
    run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "lan0", "netns", "beyond")
    run("ip", "-n", "beyond", "address", "add", "10.88.0.1/24", "dev", "lan0")
    run("ip", "-n", "beyond", "link", "set", "lan0", "up")
    run("ip", "address", "add", "10.88.0.2/24", "dev", "eth0")
    run("ip", "link", "set", "eth0", "up")

    def configuration():
        return [run("ip", "-4", "-br", "address", "show", "dev", "eth0").stdout, run("ip", "route").stdout]

    before = configuration()
    run("/etc/xen/scripts/network-bridge", "start", "netdev=eth0", "bridge=xenbr1")
    demand(port_of("eth0", "xenbr1") and "10.88.0.2" in run("ip", "-br", "address", "show", "dev", "xenbr1").stdout,
           "eth0 is no port, or its address has not moved")
    run("ping", "-c", "1", "-W", "5", "10.88.0.1")
    guest = Guest("wired", 81, "mac=00:16:3e:00:00:81,ip=10.88.0.3,bridge=xenbr1")
    guest.create()
    guest.wait("guest: eth0")
    demand(guest.tell("ip address add 10.88.0.3/24 dev eth0") == 0, "no address")
    demand(guest.reaches("10.88.0.3", gateway="10.88.0.1"), "the guest does not reach what is beyond")
    guest.destroy()
    run("/etc/xen/scripts/network-bridge", "stop", "netdev=eth0", "bridge=xenbr1")
    demand(configuration() == before and not os.path.exists("/sys/class/net/xenbr1"), f"{before} {configuration()}")
    run("ip", "link", "delete", "eth0")
    run("ip", "netns", "delete", "beyond")


@step("xl destroy: nothing of the guests is left, in the store, on the host or in the daemon")
def destroy():
    web.destroy()
    eventually(lambda: not glob.glob("/sys/class/net/vif*"), "vifs are still there")
    demand(run("xenstore-ls", "/local/domain/0/backend/vif", check=False).stdout.strip() == "", "the store")
    demand("vif" not in run("drawbridge", "vif", "list", "--json").stdout.replace('"vifs"', ""), "the daemon")


# What `make test` has of this.
SMOKE = (create, pings, destroy)


class Clock:
    """How long xl and the scripts take, with one sort of scripts and the other: the median of a few times each."""
    ROUNDS = 3
    times = {}

    @classmethod
    def measure(cls, scripts):
        guest = Guest("clock", 31, "mac=00:16:3e:00:00:31,ip=10.77.0.31,bridge=xenbr0")

        def measure(name, function):
            cls.times.setdefault(name, {}).setdefault(scripts, []).append(timed(function))

        def script(command):
            # As libxl calls it, for the vif of a guest that is idle.
            path = f"backend/vif/{guest.domain}/0"
            environment = {**os.environ, "script": "/etc/xen/scripts/vif-bridge", "XENBUS_TYPE": "vif", "XENBUS_PATH": path,
                           "XENBUS_BASE_PATH": "backend", "netdev": "", "vif": f"vif{guest.domain}.0"}
            call = ["/etc/xen/scripts/vif-bridge", command, "type_if=vif"]
            measure(f"vif-bridge {command}", lambda: subprocess.run(call, env=environment, check=True, timeout=60,
                                                                    stdin=subprocess.DEVNULL))
            demand(port_of(f"vif{guest.domain}.0") == (command == "online"), f"vif-bridge {command} did not work")

        for number in range(cls.ROUNDS):
            measure("xl create", guest.create)
            # A guest that boots takes the processor from xl.
            guest.wait("guest: eth0")
            if number == cls.ROUNDS - 1:
                for _ in range(cls.ROUNDS):
                    measure("a program that does nothing", lambda: run("/bin/true"))
                    script("offline")
                    script("online")
                for _ in range(cls.ROUNDS):
                    measure("xl network-attach", lambda: run(XL, "network-attach", "clock", "bridge=xenbr0",
                                                           "mac=00:16:3e:00:00:32", "ip=10.77.0.32"))
                    # Its end waits for the guest.
                    eventually(lambda: guest.tell("test -d /sys/class/net/eth1") == 0, "the guest has no eth1")
                    measure("xl network-detach", lambda: run(XL, "network-detach", "clock", "1"))
            measure("xl destroy", guest.destroy)

    @classmethod
    def medians(cls):
        """Of what was measured with both: its name, and the seconds with Drawbridge and with Xen's scripts."""
        return [(name, statistics.median(times["drawbridge"]), statistics.median(times["xen"]))
                for name, times in cls.times.items() if len(times) == 2]


@step("how long xl takes with Drawbridge")
def own_times():
    Clock.measure("drawbridge")


@step("drawbridge install-xen --remove puts Xen's scripts back, and they work")
def remove():
    run("drawbridge", "install-xen", "--remove")
    demand(not os.path.islink("/etc/xen/scripts/vif-bridge"), "the link is there")
    demand(not os.path.exists("/etc/xen/scripts/vif-bridge.distrib"), "the kept one is there")
    Clock.measure("xen")


def main():
    with open("/dev/ttyS1", "w") as line:
        for name, function in STEPS:
            is_chosen = function in SMOKE if CHOSEN == ["smoke"] else any(word in name for word in CHOSEN)
            if CHOSEN and not is_chosen and function is not install:
                continue
            begin = time.monotonic()
            try:
                function()
                problem = ""
            except Exception as error:
                problem = (str(error) or repr(error)).replace("\n", " | ")
                if not isinstance(error, AssertionError):
                    problem = traceback.format_exc().replace("\n", " | ")
            problem = problem if len(problem) < 600 else problem[:600] + " …"
            code = 1 if problem else 0
            print(f"{'FAIL' if problem else 'ok  '} {time.monotonic() - begin:6.1f} s  {name} {problem}", flush=True)
            line.write(f"{code} {time.monotonic() - begin:.1f} {name}{': ' if problem else ''}{problem}\n")
            line.flush()
            if problem and function is install:
                break
        for name, own, stock in Clock.medians():
            line.write(f"T {own:.2f} {stock:.2f} {name}\n")
        for note in NOTES:
            line.write(f"N {note}\n")
        line.write("0 0.0 the end\n")


main()
