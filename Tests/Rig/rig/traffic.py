"""Traffic that has to live through what a test does to the host's network."""

import json
import os
import subprocess

_TOOLS = os.path.normpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../../Demo/tools"))


class EchoWitness:
    """An echo request every millisecond from one namespace to some addresses."""

    def __init__(self, namespace, addresses):
        self._process = namespace.start(os.path.join(_TOOLS, "echo-witness"), *addresses,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def mark(self, name):
        """From here on packets are counted under this name."""
        self._process.stdin.write(f"mark {name}\n")
        self._process.stdin.flush()

    def result(self):
        """Ends it; the figures by mark and address."""
        output, _ = self._process.communicate("end\n", timeout=20)
        return json.loads(output)


class CheckedStream:
    """A TCP connection from `client` to `server`, both ends verifying what they receive."""

    def __init__(self, client, server, address, port=7000):
        tool = os.path.join(_TOOLS, "checked-stream")
        self._server = server.start(tool, "listen", address, port, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, text=True)
        self._client = client.start(tool, "connect", address, port, stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True)

    def result(self):
        """Ends it; what the client and the server say."""
        client, _ = self._client.communicate("", timeout=30)
        server, _ = self._server.communicate(timeout=30)
        if not client or not server:
            raise AssertionError("the connection did not come about, or an end of it broke off")
        return json.loads(client), json.loads(server)
