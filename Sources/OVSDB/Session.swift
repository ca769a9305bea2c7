import Glibc
import Varlink

/// A connection to an OVSDB server (RFC 7047) over its Unix socket that waits for its answers on the calling thread.
public struct Session: ~Copyable {
    private let socket: OwnedDescriptor
    private var splitter = MessageSplitter()
    private var nextRequest: Int64 = 0

    /// Connects to the server at `path`.
    public init(connectingTo path: String) throws(DatabaseError) {
        do throws(SocketError) {
            socket = try UnixSocket.connect(to: path, .stream)
        } catch { throw .socket(error) }
    }

    /// Performs operations, all or none.
    ///
    /// - Parameters:
    ///   - database: by its name, as `Open_vSwitch`.
    ///   - timeout: how long to wait for the answer, in milliseconds.
    /// - Returns: what each came to.
    public mutating func transact(
        _ database: String, _ operations: [Operation], timeout: Int64
    ) throws(DatabaseError) -> [OperationResult] {
        let deadline = Self.now() + timeout
        let number = nextRequest
        nextRequest += 1
        try send(Self.request(number, database, operations), deadline: deadline)
        while true {
            let message = try receive(deadline: deadline)
            if message["method"]?.string == "echo", let id = message["id"] {
                // Who does not answer this is taken for dead.
                try send(Self.echo(id, message["params"] ?? []), deadline: deadline)
            } else if message["id"] == .integer(number) {
                return try Self.results(of: message, count: operations.count)
            }
        }
    }

    /// The request as it is written.
    static func request(_ number: Int64, _ database: String, _ operations: [Operation]) -> [UInt8] {
        let parameters: [JSONValue] = [.string(database)] + operations.map(\.json)
        let request: JSONValue = [
            "id": .integer(number), "method": "transact", "params": .array(parameters),
        ]
        return request.octets
    }

    static func echo(_ id: JSONValue, _ parameters: JSONValue) -> [UInt8] {
        let answer: JSONValue = ["error": .null, "id": id, "result": parameters]
        return answer.octets
    }

    /// Reads the answer to so many operations.
    static func results(of message: JSONValue, count: Int) throws(DatabaseError) -> [OperationResult] {
        if let error = message["error"] { throw .malformed("\(error)") }
        guard let elements = message["result"]?.array else { throw .malformed("it has no result") }
        var results: [OperationResult] = []
        for (number, element) in elements.enumerated() {
            if let name = element["error"]?.string {
                throw .refused(operation: number, name: name, details: element["details"]?.string)
            }
            guard number < count else { break }
            results.append(try OperationResult(element))
        }
        guard results.count == count else { throw .malformed("it has \(results.count) results of \(count)") }
        return results
    }

    private func send(_ octets: [UInt8], deadline: Int64) throws(DatabaseError) {
        var sent = 0
        while sent < octets.count {
            let count = octets[sent...].withUnsafeBytes { bytes in
                Glibc.send(socket.rawValue, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else {
                try wait(for: POLLOUT, "send", deadline: deadline)
            }
        }
    }

    private mutating func receive(deadline: Int64) throws(DatabaseError) -> JSONValue {
        while true {
            if let octets = try splitter.next() {
                do throws(JSONError) {
                    return try JSONValue(parsing: octets)
                } catch { throw .malformed("\(error)") }
            }
            var buffer = [UInt8](repeating: 0, count: 64 << 10)
            let count = recv(socket.rawValue, &buffer, buffer.count, 0)
            if count > 0 {
                splitter.append(buffer.prefix(count))
            } else if count == 0 {
                throw .closed
            } else {
                try wait(for: POLLIN, "recv", deadline: deadline)
            }
        }
    }

    /// Waits after a call that would have blocked; throws for one that failed otherwise.
    private func wait(for events: Int32, _ call: String, deadline: Int64) throws(DatabaseError) {
        let code = errno
        if code == EINTR { return }
        guard code == EAGAIN else { throw .socket(SocketError(call, code: code)) }
        let left = Int32(clamping: max(0, deadline - Self.now()))
        guard UnixSocket.wait(socket, for: events, milliseconds: left) else { throw .timedOut }
    }

    /// Milliseconds of CLOCK_MONOTONIC.
    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

extension OperationResult {
    fileprivate init(_ json: JSONValue) throws(DatabaseError) {
        self.init()
        count = json["count"]?.integer
        if let uuid = json["uuid"].flatMap({ Value($0) }) { self.uuid = uuid.uuid }
        for row in json["rows"]?.array ?? [] {
            var columns: [String: Value] = [:]
            for (column, text) in row.object ?? [:] {
                guard let value = Value(text) else { throw .malformed("the column \(column): \(text)") }
                columns[column] = value
            }
            rows.append(columns)
        }
    }
}
