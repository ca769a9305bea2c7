import DrawbridgeAPI
import DrawbridgeEngine
import DrawbridgeHost
import Glibc
import Varlink

/// `io.drawbridge.direct`: one packet with NUL-separated fields and at most one descriptor in, one packet out.
///
/// One thread accepts and waits for the packets; each is answered in a task of its own.
final class DirectSocket: Sendable {
    /// Answers one packet. The descriptor is closed once the answer is there.
    typealias Answer = @Sendable (DirectPacket, Caller) async -> DirectAnswer

    /// How long a client may take to send its packet, in milliseconds.
    static let requestTimeout: Int64 = 5000
    /// How many requests there may be at once.
    static let maximumRequests = 4096
    /// How many of them may be those of users other than root.
    static let maximumRequestsOfOthers = 128

    private let mailbox: Mailbox<Message>
    private let answer: Answer

    fileprivate enum Message: Sendable {
        case stop
        /// A request was answered, or its client has gone.
        case done(isRoot: Bool)
    }

    init(_ answer: @escaping Answer) throws(SocketError) {
        self.answer = answer
        mailbox = try Mailbox()
    }

    /// Begins to serve on a listening socket, on a thread of its own, until `stop`.
    func start(on listener: consuming OwnedDescriptor) throws(SocketError) {
        let shared = SharedDescriptor(listener)
        try startThread(named: "direct") { [mailbox, answer] in
            guard let poller = try? Poller() else { return }
            var loop = DirectLoop(listener: shared, mailbox: mailbox, answer: answer, poller: poller)
            loop.run()
        }
    }

    /// Accepts nothing more. Requests under way are answered still.
    func stop() { mailbox.send(.stop) }
}

/// What a client is told, and the tap that it is given.
struct DirectAnswer: Sendable {
    var reply: DirectReply
    var tap: TapDescriptor?
}

/// What a client sent.
final class DirectPacket: Sendable {
    let content: [UInt8]
    let isTruncated: Bool
    private let passed: OwnedDescriptor?

    init(_ packet: consuming Packet) {
        content = packet.content
        isTruncated = packet.isTruncated
        passed = packet.descriptor.take()
    }

    /// The descriptor that came along; open while this packet lives.
    var descriptor: Int32? {
        switch passed {
        case .some(let descriptor): descriptor.rawValue
        case .none: nil
        }
    }
}

/// A socket that a thread and a task hand to each other.
private final class SharedDescriptor: Sendable {
    let socket: OwnedDescriptor
    init(_ socket: consuming OwnedDescriptor) { self.socket = socket }
}

private struct DirectLoop: ~Copyable {
    private struct Client {
        var socket: SharedDescriptor
        var caller: Caller
        var deadline: Int64
    }

    let listener: SharedDescriptor
    let mailbox: Mailbox<DirectSocket.Message>
    let answer: DirectSocket.Answer
    let poller: Poller
    private var clients: [UInt64: Client] = [:]
    private var nextToken: UInt64 = 2
    private var requests = 0
    private var requestsOfOthers = 0
    private var isStopped = false
    /// Until when nothing is accepted, because there is no room.
    private var pausedUntil: Int64?

    init(
        listener: SharedDescriptor, mailbox: Mailbox<DirectSocket.Message>,
        answer: @escaping DirectSocket.Answer, poller: consuming Poller
    ) {
        self.listener = listener
        self.mailbox = mailbox
        self.answer = answer
        self.poller = poller
    }

    mutating func run() {
        do throws(SocketError) {
            try poller.add(listener.socket.rawValue, token: 0, for: .read)
            try poller.add(mailbox.descriptor, token: 1, for: .read)
            while !isStopped {
                let isWaiting = !clients.isEmpty || pausedUntil != nil
                for readiness in try poller.wait(milliseconds: isWaiting ? 250 : -1) {
                    switch readiness.token {
                    case 0: acceptAll()
                    case 1: readMailbox()
                    default: read(readiness.token)
                    }
                }
                sweep()
            }
        } catch {
            // Only a broken kernel or a defect gets here: nothing can be waited for any more.
        }
    }

    private mutating func readMailbox() {
        for message in mailbox.drain() {
            switch message {
            case .stop: isStopped = true
            case .done(let isRoot):
                requests -= 1
                if !isRoot { requestsOfOthers -= 1 }
            }
        }
    }

    private mutating func acceptAll() {
        while true {
            do throws(SocketError) {
                guard requests < DirectSocket.maximumRequests else { return pause() }
                guard let socket = try UnixSocket.accept(listener.socket) else { return }
                let caller = Caller(try PeerCredentials(of: socket))
                guard caller.isRoot || requestsOfOthers < DirectSocket.maximumRequestsOfOthers else {
                    continue
                }
                let token = nextToken
                nextToken += 1
                try poller.add(socket.rawValue, token: token, for: .read)
                clients[token] = Client(
                    socket: SharedDescriptor(socket), caller: caller,
                    deadline: now() + DirectSocket.requestTimeout)
                requests += 1
                if !caller.isRoot { requestsOfOthers += 1 }
            } catch {
                guard error.code != EMFILE, error.code != ENFILE else { return pause() }
            }
        }
    }

    /// Leaves what waits in the backlog for a while: told of, it would be at once again.
    private mutating func pause() {
        poller.remove(listener.socket.rawValue)
        pausedUntil = now() + 100
    }

    private mutating func read(_ token: UInt64) {
        guard let client = clients[token] else { return }
        do throws(SocketError) {
            // One octet more than allowed, to tell a message that is too long.
            let packet = try Packet.receive(
                from: client.socket.socket, room: DirectMessage.maximumRequest + 1)
            poller.remove(client.socket.socket.rawValue)
            clients[token] = nil
            guard let packet else { return mailbox.send(.done(isRoot: client.caller.isRoot)) }
            begin(DirectPacket(packet), of: client)
        } catch {
            guard error.code != EAGAIN else { return }
            drop(token)
        }
    }

    private func begin(_ packet: DirectPacket, of client: Client) {
        let answer = answer
        let mailbox = mailbox
        Task {
            let answer = await answer(packet, client.caller)
            // The client may have gone; what it asked for is done all the same. A tap goes with its descriptor.
            try? Packet.send(
                answer.reply.octets, descriptor: answer.tap?.number, to: client.socket.socket)
            withExtendedLifetime(answer.tap) {}
            mailbox.send(.done(isRoot: client.caller.isRoot))
        }
    }

    private mutating func sweep() {
        let now = now()
        if let until = pausedUntil, now >= until, !isStopped {
            pausedUntil = nil
            try? poller.add(listener.socket.rawValue, token: 0, for: .read)
        }
        for (token, client) in clients where now > client.deadline { drop(token) }
    }

    private mutating func drop(_ token: UInt64) {
        guard let client = clients.removeValue(forKey: token) else { return }
        poller.remove(client.socket.socket.rawValue)
        mailbox.send(.done(isRoot: client.caller.isRoot))
    }

    private func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
