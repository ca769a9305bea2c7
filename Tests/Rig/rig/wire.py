"""Raw frames into one namespace, and what of them comes out in others.

Every frame carries a number behind its packet, where no receiver looks but a bridge forwards it: so one capture
settles a whole batch, and no answer of a kernel is ever taken for the frame that it answers.
"""

import contextlib
import ctypes
import os
import select
import socket
import threading
import time

FLOOD = 0xFFFF
_MAGIC = b"\xdbcorpus\xdb"
_ALL = 0x0003  # ETH_P_ALL
_OUTGOING = 4  # PACKET_OUTGOING
_RCVBUFFORCE = 33
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _enter(descriptor):
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def socket_within(namespace, make):
    """What `make` returns in a namespace, on a thread of its own, since a namespace belongs to the thread."""
    made = []

    def enter_and_make():
        descriptor = os.open(namespace.path, os.O_RDONLY)
        try:
            _enter(descriptor)
            made.append(make())
        except OSError as error:
            made.append(error)
        finally:
            os.close(descriptor)

    thread = threading.Thread(target=enter_and_make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def packet_socket(namespace, device, listens=True):
    """A packet socket in a namespace."""
    def make():
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        if listens:
            opened.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 16 << 20)
        opened.bind((device, _ALL if listens else 0))
        opened.setblocking(False)
        return opened
    return socket_within(namespace, make)


class Wire:
    """Listens at several places at once, each a name with a namespace and a device."""

    def __init__(self, **places):
        self._sockets = {}
        self._numbers = {}
        for name, (namespace, device) in places.items():
            self._sockets[packet_socket(namespace, device)] = name

    def close(self):
        for listening in self._sockets:
            listening.close()

    def send(self, namespace, frames, device="eth0", fence=(), timeout=3.0, quiet=0.08):
        """Sends frames and returns for each the set of places where it came out.

        Frames of one sender overtake each other nowhere, so once the last frame of `fence` (indices of frames
        that are bound to arrive) came out somewhere, all before it had their chance. Without a fence, and behind
        it, a time in which nothing came out anywhere ends the wait.
        """
        with contextlib.closing(packet_socket(namespace, device, listens=False)) as sender:
            return self._exchange(sender, frames, set(fence), timeout, quiet)

    def heard(self, seconds):
        """Listens for so long, and returns where the frame of a `Flood` came out."""
        return self.heard_of([FLOOD], seconds)[FLOOD]

    def heard_of(self, numbers, seconds):
        """The same for several floods, by their numbers."""
        seen = {number: set() for number in numbers}
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._drain(seen, max(0, deadline - time.monotonic()))
        return seen

    def _exchange(self, sender, frames, awaited, timeout, quiet):
        self._drain({}, 0)
        seen = {index: set() for index in range(len(frames))}
        processors = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(processors)})  # One processor, one queue: the order is kept.
        try:
            for index, frame in enumerate(frames):
                _send(sender, frame + _MAGIC + index.to_bytes(2, "big"))
        finally:
            os.sched_setaffinity(0, processors)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not self._drain(seen, quiet) and all(seen[index] for index in awaited):
                break
        return [seen[index] for index in range(len(frames))]

    def _drain(self, seen, wait):
        """Takes in what is there; whether a numbered frame came within the time."""
        found = False
        ready, _, _ = select.select(list(self._sockets), [], [], wait)
        for listening in ready:
            while True:
                try:
                    frame, address = listening.recvfrom(65535)
                except BlockingIOError:
                    break
                at = frame.rfind(_MAGIC)
                if at < 0 or address[2] == _OUTGOING:
                    continue
                index = int.from_bytes(frame[at + len(_MAGIC):at + len(_MAGIC) + 2], "big")
                if index in seen:
                    found = True
                    seen[index].add(self._sockets[listening])
        return found


def _send(sender, frame):
    while True:
        try:
            sender.send(frame)
            return
        except (BlockingIOError, InterruptedError):
            select.select([], [sender], [], 1)


class Flood:
    """Sends one frame over and over, from before a device can pass it, until it is ended; `pause` is the time, in
    seconds, between two."""

    def __init__(self, namespace, frame, device="eth0", number=FLOOD, pause=0):
        self._sender = packet_socket(namespace, device, listens=False)
        self._frame = frame + _MAGIC + number.to_bytes(2, "big")
        self._pause = pause
        self._ends = threading.Event()
        self.sent = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ends.is_set():
            try:
                self._sender.send(self._frame)
                self.sent += 1
            except OSError:
                pass  # The device is down, or full.
            time.sleep(self._pause)

    def end(self):
        self._ends.set()
        self._thread.join()
        self._sender.close()
        return self.sent
