import Glibc
import Synchronization
import Testing
import Varlink

/// A service on a socket in a directory of its own, with methods that show what a service can do.
final class TestService: Sendable {
    let directory: String
    let service: Service
    /// How many streams were cancelled because their client went away.
    let cancelled = Atomic<Int>(0)
    let pings = Atomic<Int>(0)

    static let description = """
        interface org.example.test
        method Ping(text: string) -> (text: string)
        method Count(to: int) -> (number: int)
        method Forever() -> (text: string)
        method Who() -> (user: int, process: int, groups: []int)
        method Long(octets: int) -> (text: string)
        method Absent() -> ()
        error Refused (reason: string)
        """

    var path: String { directory + "/socket" }

    init(_ limits: Service.Limits = Service.Limits()) throws {
        var template = Array("/tmp/varlink-test-XXXXXX".utf8CString)
        directory = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? "/nowhere"
        }
        let box = Box()
        let interface = try #require(
            Interface(description: Self.description) { call, stream throws(CallError) in
                try await box.answer(call, stream)
            })
        service = try Service(
            ServiceInformation(vendor: "Example", product: "Test", version: "1", url: "https://example.org"),
            interfaces: [interface], limits: limits)
        let socket = try UnixSocket.listen(at: directory + "/socket", .stream)
        try service.start(on: socket)
        box.set(self)
    }

    deinit {
        unlink(directory + "/socket")
        rmdir(directory)
    }

    /// Ends the service.
    func stop() async { await service.stop() }

    private final class Box: Sendable {
        private let owner = Mutex<WeakOwner>(WeakOwner())
        struct WeakOwner { weak var value: TestService? }
        func set(_ service: TestService) { owner.withLock { $0.value = service } }

        func answer(_ call: IncomingCall, _ stream: ReplyStream) async throws(CallError) -> JSONValue {
            switch call.method {
            case "Ping":
                guard let text = call.parameters["text"]?.string else { throw .invalidParameter("text") }
                owner.withLock { $0.value }?.pings.add(1, ordering: .relaxed)
                if text == "refuse" {
                    throw CallError("org.example.test.Refused", parameters: ["reason": "asked to"])
                }
                return ["text": .string(text)]
            case "Count":
                guard call.more else { throw .expectedMore }
                let last = call.parameters["to"]?.integer ?? 0
                for number in 1..<max(1, last) { stream.send(["number": .integer(number)]) }
                return ["number": .integer(last)]
            case "Long":
                let count = call.parameters["octets"]?.integer ?? 0
                return ["text": .string(String(repeating: "x", count: Int(count)))]
            case "Forever":
                let text = JSONValue.string(String(repeating: "x", count: 64 << 10))
                while !Task.isCancelled {
                    stream.send(["text": text])
                    await Task.yield()
                }
                owner.withLock { $0.value }?.cancelled.add(1, ordering: .relaxed)
                return ["text": "end"]
            case "Who":
                return [
                    "user": .integer(Int64(call.peer.user)), "process": .integer(Int64(call.peer.process)),
                    "groups": .array(call.peer.groups.map { .integer(Int64($0)) }),
                ]
            default: throw .methodNotImplemented("org.example.test.\(call.method)")
            }
        }
    }
}

/// A client that sends and reads octets as it likes.
struct RawClient: ~Copyable {
    let socket: OwnedDescriptor
    private var reader = FrameReader()

    init(_ path: String) throws { socket = try UnixSocket.connect(to: path, .stream) }

    /// Sends all of it; false if the service closed.
    @discardableResult
    func send(_ octets: [UInt8]) -> Bool {
        var sent = 0
        while sent < octets.count {
            let count = octets[sent...].withUnsafeBytes {
                Glibc.send(socket.rawValue, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else if errno == EAGAIN {
                guard UnixSocket.wait(socket, for: POLLOUT, milliseconds: 5000) else { return false }
            } else {
                return false
            }
        }
        return true
    }

    func send(_ text: String) { send(Array(text.utf8) + [0]) }

    /// The next reply; nil once the service closed.
    mutating func receive() throws -> Reply? {
        while true {
            if let message = try reader.next() { return try Reply(parsing: message) }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = recv(socket.rawValue, &buffer, buffer.count, 0)
            if count > 0 {
                reader.append(buffer.prefix(count))
            } else if count < 0, errno == EAGAIN {
                let came = UnixSocket.wait(socket, for: POLLIN, milliseconds: 10_000)
                try #require(came, "nothing came")
            } else {
                return nil
            }
        }
    }
}

/// Waits until something has come true.
func eventually(_ condition: () -> Bool) async -> Bool {
    for _ in 0..<1000 {
        if condition() { return true }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return false
}
