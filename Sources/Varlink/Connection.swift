import Glibc

/// One connection, as the thread of the service sees it. Confined to that thread.
final class Connection {
    /// What came of reading.
    enum Receipt {
        case some, nothing, end, failed
    }

    let token: UInt64
    let socket: OwnedDescriptor
    let peer: PeerCredentials
    var reader = FrameReader()
    var interest: Poller.Interest = .read
    /// Whether the client sends nothing more; it may still read.
    var isEndOfInput = false
    /// Whether the connection ends once what is queued has gone out.
    var isClosing = false
    /// When the last call came or was answered, in monotonic milliseconds.
    private(set) var lastCall: Int64
    /// When the client last took something, in monotonic milliseconds.
    private(set) var lastProgress: Int64
    private(set) var isOneway = false
    /// How long the reply is that was queued last.
    private var lastReply = 0
    private var output: [UInt8] = []
    private var sent = 0
    private var call: Task<Void, Never>?
    private var isStream = false

    init(token: UInt64, socket: consuming OwnedDescriptor, peer: PeerCredentials, now: Int64) {
        self.token = token
        self.socket = socket
        self.peer = peer
        lastCall = now
        lastProgress = now
    }

    var isBusy: Bool { call != nil }
    var queuedOctets: Int { output.count - sent }
    var hasOutput: Bool { queuedOctets > 0 }
    /// How many octets wait besides the last reply, which is as long as what it tells of.
    var backlog: Int { max(0, queuedOctets - lastReply) }

    func beginCall(_ task: Task<Void, Never>, isOneway: Bool, isStream: Bool) {
        call = task
        self.isOneway = isOneway
        self.isStream = isStream
        lastCall = monotonicMilliseconds()
    }

    func endCall() {
        call = nil
        isOneway = false
        lastCall = monotonicMilliseconds()
    }

    /// The client is gone: a stream has nobody to go to, but a change that has begun is finished.
    func abandonCall() {
        if isStream { call?.cancel() }
        call = nil
    }

    /// Asks a stream for its last reply.
    func endStream() {
        if isStream { call?.cancel() }
    }

    func receive() -> Receipt {
        // One buffer a round: a client that sends without end does not keep the others waiting.
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = retryingInterrupted { recv(socket.rawValue, &buffer, buffer.count, 0) }
        if count > 0 {
            reader.append(buffer.prefix(count))
            return .some
        }
        if count == 0 { return .end }
        return errno == EAGAIN ? .nothing : .failed
    }

    func queue(_ octets: [UInt8]) {
        if !hasOutput { lastProgress = monotonicMilliseconds() }
        lastReply = octets.count
        output.append(contentsOf: octets)
    }

    /// Sends as much as goes; false when the client is gone.
    func send() -> Bool {
        while hasOutput {
            let count = output[sent...].withUnsafeBytes { bytes in
                retryingInterrupted {
                    Glibc.send(socket.rawValue, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
                }
            }
            guard count > 0 else { return errno == EAGAIN }
            sent += count
            lastProgress = monotonicMilliseconds()
        }
        output.removeAll(keepingCapacity: output.capacity <= 64 << 10)
        sent = 0
        return true
    }
}
