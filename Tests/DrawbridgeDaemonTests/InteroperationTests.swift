import DrawbridgeAPI
import DrawbridgeEngine
import DrawbridgeModel
import Glibc
import NetworkTypes
import TestSupport
import Testing
import Varlink

@Suite("The varlink client from PyPI", .ownThread)
struct InteroperationTests {
    /// Calls, gets an error, and follows a stream, with nothing but the interface that the daemon describes.
    private static let script = """
        import sys, varlink
        with varlink.Client(address="unix:" + sys.argv[1]) as client:
            with client.open("org.varlink.service") as service:
                info = service.GetInfo()
                print(info["product"])
                print(info["interfaces"])
            with client.open("io.drawbridge") as bridge:
                print(bridge.ListVifs())
                print(bridge.AddVif(vif={"id": "vif3.1", "addresses": ["10.0.0.5"]}, dryRun=True))
                try:
                    bridge.GetVif(id="vif9.0")
                except varlink.VarlinkError as error:
                    print(error.error(), error.parameters()["object"])
                try:
                    bridge.NoSuchMethod()
                except Exception as error:
                    print("no such method")
                print("following", flush=True)
                for reply in bridge.FollowEvents(_more=True):
                    print(reply["event"]["object"] if reply.get("event") else "end", flush=True)
        """

    @Test("it reads the interface, calls, gets typed errors and follows a stream")
    func interoperation() async throws {
        let directory = try TestDaemon.makeDirectory()
        defer { _ = try? execute(["rm", "-rf", directory]) }
        let python = "\(directory)/venv/bin/python3"
        guard try execute(["python3", "-m", "venv", "\(directory)/venv"]).status == 0,
            try execute([
                python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1",
                "--timeout", "10", "varlink",
            ]).status == 0
        else {
            try Test.cancel(
                "PyPI cannot be reached, or python3 has no venv: the varlink client was not tried")
        }
        try TestDaemon.write(Self.script, to: "\(directory)/client.py")
        let test = try await TestDaemon()
        let socket = test.socket
        let client = Task {
            try await onThread { try execute(["timeout", "60", python, "\(directory)/client.py", socket]) }
        }
        #expect(await eventually { await test.engine.listenerCount == 1 })
        await test.engine.emit(
            EventRecord(sequence: 1, time: 5, event: "vif-online", object: "vif3.1", detail: ""))
        try await test.stop()
        let result = try await client.value
        #expect(result.status == 0, "\(result.output)")
        for expected in [
            "drawbridged\n['org.varlink.service', 'io.drawbridge']", "{'vifs': []}", "'id': 'vif3.1'",
            "create vif3.1", "io.drawbridge.NotFound vif9.0", "no such method",
            "following\nvif3.1\n",
        ] {
            #expect(result.output.contains(expected), "\(result.output)")
        }
        #expect(await test.engine.calls.contains("attach vif3.1 dryRun=true"))
    }
}
