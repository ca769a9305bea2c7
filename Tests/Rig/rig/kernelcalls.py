"""What a program asked the kernel to change, as strace saw it: an independent witness of every message."""

import collections
import re
import time

# What may carry a change of the host's network, or of the journal.
TRACED = "sendto,sendmsg,sendmmsg,write,pwrite64,writev,ioctl,setsockopt,rename,renameat,renameat2,unlink,unlinkat"

Call = collections.namedtuple("Call", "thread name number kind text")
Call.__doc__ = """One call that changes something.

thread: the thread that made it; name: the system call; number: how many calls of this name the thread had made,
this one included, which is what `strace -e inject=…:when=` counts; kind: netlink, sysctl, ioctl or journal.
"""

_ENTRY = re.compile(r"^(\d+) +(?:[\d:.]+ )?(\w+)\((.*)$")
_REQUEST = re.compile(r"nlmsg_type=([^,]+), nlmsg_flags=([^,]+)")
_CHANGE = re.compile(r"RTM_(?:NEW|DEL|SET)|NFT_MSG_(?:NEW|DEL|DESTROY)")
_IOCTL = re.compile(r"SIOCS|SIOCBR|SIOCDEL|SIOCADD|SIOCDARP|TUNSET|SIOCETHTOOL")


def command(log, inject=None):
    """The command line that runs a program under strace, the program itself staying the child."""
    line = ["strace", "-D", "-f", "-y", "-s", "4096", "-o", log, "-e", f"trace={TRACED}", "-e", "signal=none"]
    if inject:
        name, number = inject
        line += ["-e", f"inject={name}:signal=KILL:when={number}"]
    return line


def changes(log, journal=None):
    """The changing calls of a log, in order; `journal` is the directory whose files count as well."""
    counts = collections.Counter()
    found = []
    with open(log, errors="replace") as file:
        for line in file:
            match = _ENTRY.match(line)
            if not match:
                continue
            thread, name, text = int(match[1]), match[2], match[3]
            counts[thread, name] += 1
            kind = _kind(name, text, journal)
            if kind:
                found.append(Call(thread, name, counts[thread, name], kind, text.strip()))
    return found


def _kind(name, text, journal):
    if name in ("sendto", "sendmsg", "sendmmsg"):
        if "NETLINK:" in text[:80] or "nlmsg_type" in text:
            return "netlink" if messages(text) else None
        return None
    if name in ("write", "pwrite64", "writev") and "</proc/sys/" in text:
        return "sysctl"
    if name == "ioctl":
        return "ioctl" if _IOCTL.search(text) else None
    if journal and journal in text and name != "setsockopt":
        return "journal"
    return None


def messages(text):
    """The changing requests in one send: their types."""
    return [kind for kind, flags in _REQUEST.findall(text) if _CHANGE.search(kind) and "NLM_F_REQUEST" in flags]


def summary(call):
    """A few words that tell a person which call it is."""
    if call.kind == "netlink":
        names = re.findall(r'"((?:eth|xenbr|vif|peth)[\w.:]*)"', call.text)
        return f"{'+'.join(messages(call.text))} {' '.join(dict.fromkeys(names))}".strip()
    if call.kind in ("sysctl", "journal"):
        return f"{call.name} {', '.join(re.findall(r'<(/[^>]+)>', call.text)) or call.text[:70]}"
    return f"{call.name} {call.text[:60]}"


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
