"""What a program asked the kernel to change, as strace saw it: an independent witness of every message."""

import collections
import re
import time

# What may carry a change of the host's network, or of the journal.
TRACED = ("sendto,sendmsg,sendmmsg,write,pwrite64,writev,ioctl,?open,openat,?mkdir,mkdirat,?rename,renameat,renameat2,"
          "?unlink,unlinkat,execve")

Call = collections.namedtuple("Call", "thread name kind text")
Call.__doc__ = """One call that changes something: the thread that made it, the system call, netlink, sysctl, ioctl or
journal, and what strace wrote of it."""

_ENTRY = re.compile(r"^(\d+) +(?:[\d:.]+ )?(\w+)\((.*)$")
_REQUEST = re.compile(r"nlmsg_type=([^,]+), nlmsg_flags=([^,]+)")
_CHANGE = re.compile(r"RTM_(?:NEW|DEL|SET)|NFT_MSG_(?:NEW|DEL|DESTROY)")
# Not SIOCETHTOOL: it reads features; the one that it changes (LRO) no device of the sweep has.
_IOCTL = re.compile(r"SIOCS|SIOCBR|SIOCDEL|SIOCADD|SIOCDARP|SIOCDIFADDR|TUNSET")


def command(log):
    """The command line that runs a program under strace, the program itself staying the child."""
    return ["strace", "-D", "-f", "-y", "-s", "4096", "-o", log, "-e", f"trace={TRACED}", "-e", "signal=none"]


def changes(log, journal=None):
    """The changing calls of a log, in order; `journal` is the directory whose files count as well. What the program
    starts is not it."""
    found = []
    with open(log, errors="replace") as file:
        entries = [match for match in map(_ENTRY.match, file) if match]
    others = {match[1] for match in [match for match in entries if match[2] == "execve"][1:]}
    for match in entries:
        if match[1] in others:
            continue
        thread, name, text = int(match[1]), match[2], match[3]
        kind = _kind(name, text, journal)
        # Where the kernel could not have its lock, it starts a write to a sysctl again: still the same one.
        again = kind == "sysctl" and found and found[-1].kind == kind and (
            (found[-1].thread, _path(found[-1].text)) == (thread, _path(text)))
        if kind and not again:
            found.append(Call(thread, name, kind, text.strip()))
    return found


def _path(text):
    return re.match(r"\d+<([^>]*)>", text)[1]


def _kind(name, text, journal):
    if name in ("sendto", "sendmsg", "sendmmsg"):
        if "NETLINK:" in text[:80] or "nlmsg_type" in text:
            return "netlink" if messages(text) else None
        return None
    if name in ("write", "pwrite64", "writev") and "</proc/sys/" in text:
        return "sysctl"
    if name == "ioctl":
        return "ioctl" if _IOCTL.search(text) else None
    if not journal or name.startswith("send") or name == "execve":
        return None
    # What a write tells counts only by where it goes; the others name a directory, a path or both.
    place = re.match(r"\d+<([^>]*)>", text) if "write" in name else re.search(rf'[<"]({re.escape(journal)}[^>"]*)', text)
    if not place or not (place[1] + "/").startswith(journal + "/"):
        return None
    # A file that is opened without being made is only read; what is written to it is a call of its own.
    return None if name in ("open", "openat") and not re.search(r"O_CREAT|O_TRUNC", text) else "journal"


def messages(text):
    """The changing requests in one send: their types."""
    return [kind for kind, flags in _REQUEST.findall(text) if _CHANGE.search(kind) and "NLM_F_REQUEST" in flags]


def summary(call):
    """A few words that tell a person which call it is."""
    if call.kind == "netlink":
        names = re.findall(r'"((?:eth|xenbr|vif|peth)[\w.:]*)"', call.text)
        return f"{'+'.join(messages(call.text))} {' '.join(dict.fromkeys(names))}".strip()
    if call.kind == "sysctl":
        return f"write {_path(call.text)}"
    # Of a path in the journal its last part tells enough; the last one is what a rename makes.
    paths = re.findall(r'"([^"]*)"', call.text) if call.name != "write" else [_path(call.text)]
    return f"{call.name} {(paths or [call.text])[-1].rsplit('/', 1)[-1]}"


def await_end(log, timeout=10):
    """Waits until strace has written that every thread is gone, or writes nothing more: of a program that it kills
    itself it does not always tell the end."""
    deadline = time.monotonic() + timeout
    last, since = None, time.monotonic()
    while time.monotonic() < deadline:
        with open(log, errors="replace") as file:
            text = file.read()
        alive = set(re.findall(r"^(\d+) ", text, re.M)) - set(re.findall(r"^(\d+) .*\+\+\+ ", text, re.M))
        if text and not alive:
            return
        if text != last:
            last, since = text, time.monotonic()
        elif text and time.monotonic() - since > 0.3:
            return
        time.sleep(0.02)
    raise AssertionError("strace did not come to an end")
