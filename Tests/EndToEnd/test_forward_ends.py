"""What becomes of a connection that a forward led to a guest when the forward goes."""

import contextlib
import subprocess

from rig.cases import demand, test
from rig.topology import HOST_IPV4, HOST_IPV6
from test_subnets import add, ask, asking6, subnets

# Says what it hears, a line at a time, and hears from whoever comes.
ECHO = """
import socket, sys, threading
def answer(one):
    while line := one.recv(100):
        one.sendall(line)
ear = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    threading.Thread(target=answer, args=(ear.accept()[0],), daemon=True).start()
"""
# Asks whenever it is told to, and tells whether it was answered.
TALK = """
import socket, sys
one = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
one.settimeout(2)
print("connected", flush=True)
for line in sys.stdin:
    try:
        one.sendall(b"x")
        print("answered" if one.recv(1) else "ended", flush=True)
    except OSError as error:
        print("silence", flush=True)
"""


@contextlib.contextmanager
def running(namespace, program, *words):
    process = namespace.start("/usr/bin/python3", "-c", program, *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        demand(process.stdout.readline().strip() in (b"ready", b"connected"), "it does not begin")
        yield process
    finally:
        process.kill()
        process.wait()


def answered(talker):
    talker.stdin.write(b"go\n")
    talker.stdin.flush()
    return talker.stdout.readline().strip() == b"answered"


@test("a connection that a forward led to its guest ends with the forward, in IPv4 and IPv6, and another's goes on")
def ended():
    with subnets() as (topology, daemon):
        one = add(topology, daemon, "1.0", "--domain", "web")
        ask(one)
        with asking6(one), running(one, ECHO, "80"):
            daemon.drawbridge("forward", "add", "8080/tcp", "web:80")
            daemon.drawbridge("forward", "add", "8081/tcp", "web:80")
            with running(topology.router, TALK, HOST_IPV4, "8080") as first, \
                    running(topology.router, TALK, HOST_IPV6, "8080") as second, \
                    running(topology.router, TALK, HOST_IPV4, "8081") as other:
                demand(answered(first) and answered(second) and answered(other), "nobody answers")
                daemon.drawbridge("forward", "remove", "8080/tcp")
                demand(not answered(first) and not answered(second), "the connection goes on")
                demand(answered(other), "another forward's connection ended")
