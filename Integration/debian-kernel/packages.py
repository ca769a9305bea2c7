"""Fetches a kernel and QEMU from Debian and unpacks them below a directory; nothing is installed."""

import contextlib
import fcntl
import glob
import os
import shutil
import subprocess


class Missing(Exception):
    """Something could not be had; says what, and what to do."""


@contextlib.contextmanager
def alone(cache):
    """While nobody else fetches or unpacks into the same directory."""
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(cache, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


APT = ["-qq", "-y", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=", "-o", "APT::Architecture=amd64"]


def _call(command, what, timeout=600):
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=timeout,
                                stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise Missing(f"{what}: there is no program {command[0]}; this needs a Debian machine") from None
    except subprocess.TimeoutExpired:
        raise Missing(f"{what}: {command[0]} took longer than {timeout} s") from None
    if result.returncode != 0:
        lines = (result.stderr or result.stdout).strip().splitlines() or ["no reason told"]
        raise Missing(f"{what}: {lines[-1]} (is there a network, and is 'apt-get update' recent?)")
    return result.stdout


def kernel_package():
    """The package of Debian's current kernel, such as `linux-image-6.1.0-56-amd64`."""
    lines = _call(["apt-cache", "depends", "linux-image-amd64"], "the kernel's package").splitlines()
    for line in lines:
        word, _, name = line.strip().partition(": ")
        if word == "Depends" and name.startswith("linux-image-"):
            return name
    raise Missing("the kernel's package: apt knows no linux-image-amd64; run 'apt-get update' as root")


def _unpacked(directory, fetch):
    """The directory, filled by `fetch(archives)` and unpacked once; a half-done one is made anew."""
    done = directory + ".complete"
    if os.path.exists(done):
        return directory
    archives = directory + ".archives"
    for path in (directory, archives):
        shutil.rmtree(path, ignore_errors=True)
    os.makedirs(os.path.join(archives, "partial"))
    os.makedirs(directory)
    fetch(archives)
    for archive in sorted(glob.glob(os.path.join(archives, "*.deb"))):
        # The C library is the machine's own.
        if not os.path.basename(archive).startswith(("libc6_", "libc-bin_")):
            _call(["dpkg-deb", "-x", archive, directory], f"unpacking {os.path.basename(archive)}")
    shutil.rmtree(archives)
    open(done, "w").close()
    return directory


def kernel(cache):
    """The directory with `boot/vmlinuz-…` and the modules, and the release, such as `6.1.0-56-amd64`.

    Debian's newest, or, where apt cannot tell, the one that was fetched before."""
    try:
        package = kernel_package()
    except Missing:
        kept = sorted(glob.glob(os.path.join(cache, "linux-image-*.complete")))
        if not kept:
            raise
        package = os.path.basename(kept[-1]).removesuffix(".complete")

    def fetch(archives):
        print(f"fetching {package} from Debian", flush=True)
        # Without dependencies: those are for installing it.
        _call(["sh", "-c", 'cd "$1" && shift && exec apt-get "$@"', "sh", archives, *APT, "download", package],
              f"fetching {package}")

    return _unpacked(os.path.join(cache, package), fetch), package.removeprefix("linux-image-")


def emulator(cache):
    """The command that begins QEMU, and its environment: the machine's own QEMU, or one unpacked beside it."""
    own = shutil.which("qemu-system-x86_64")
    if own:
        return [own], dict(os.environ)

    def fetch(archives):
        print("fetching qemu-system-x86 from Debian", flush=True)
        _call(["apt-get", *APT, "-o", "Dir::State::status=/dev/null", "-o", f"Dir::Cache::archives={archives}",
               "--no-install-recommends", "--download-only", "install", "qemu-system-x86"],
              "fetching qemu-system-x86")

    root = _unpacked(os.path.join(cache, "qemu"), fetch)
    libraries = [os.path.join(root, part) for part in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")]
    firmware = [os.path.join(root, "usr/share", name) for name in ("qemu", "seabios")]
    command = [os.path.join(root, "usr/bin/qemu-system-x86_64")]
    for directory in firmware:
        command += ["-L", directory]
    return command, dict(os.environ, LD_LIBRARY_PATH=":".join(libraries))
