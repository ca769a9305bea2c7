import Glibc

/// What others tell the thread of a service.
enum LoopMessage: Sendable {
    case reply(connection: UInt64, Reply)
    case stop
}

/// What the thread of a service is started with.
struct ServiceLoop: Sendable {
    typealias Answer = @Sendable (Call, PeerCredentials, ReplyStream) async -> Reply

    let listener: Listener
    let mailbox: Mailbox<LoopMessage>
    let limits: Service.Limits
    let answer: Answer

    /// Serves until told to stop. Blocks the thread it is called on, which owns all of its state.
    func run() {
        guard let poller = try? Poller() else { return }
        var runner = ServiceRunner(loop: self, poller: poller)
        runner.run()
    }
}

/// A listening socket that several threads may hold.
final class Listener: Sendable {
    let socket: OwnedDescriptor
    init(_ socket: consuming OwnedDescriptor) { self.socket = socket }
}

/// The thread of a service with its connections.
struct ServiceRunner: ~Copyable {
    private static let listenerToken: UInt64 = 0
    private static let mailboxToken: UInt64 = 1
    /// How long replies on their way out may take once the service stops, in milliseconds.
    private static let farewell: Int64 = 1000

    private let loop: ServiceLoop
    private let poller: Poller
    private var connections: [UInt64: Connection] = [:]
    private var nextToken: UInt64 = 2
    private var stopDeadline: Int64?
    /// Until when nothing is accepted, because descriptors have run out.
    private var pausedUntil: Int64?

    init(loop: ServiceLoop, poller: consuming Poller) {
        self.loop = loop
        self.poller = poller
    }

    mutating func run() {
        let mailbox = loop.mailbox.descriptor
        do throws(SocketError) {
            try poller.add(loop.listener.socket.rawValue, token: Self.listenerToken, for: .read)
            try poller.add(mailbox, token: Self.mailboxToken, for: .read)
            while true {
                for readiness in try poller.wait(
                    milliseconds: connections.isEmpty && pausedUntil == nil ? -1 : 250)
                {
                    handle(readiness)
                }
                let now = monotonicMilliseconds()
                sweep(now)
                if let stopDeadline {
                    let isQuiet = connections.values.allSatisfy { !$0.hasOutput && !$0.isBusy }
                    if isQuiet || now >= stopDeadline { break }
                }
            }
        } catch {
            // Only a broken kernel or a defect gets here: nothing can be waited for any more.
        }
        for token in Array(connections.keys) { drop(token) }
    }

    private mutating func handle(_ readiness: Poller.Readiness) {
        switch readiness.token {
        case Self.listenerToken: acceptAll()
        case Self.mailboxToken: readMailbox()
        default:
            guard let connection = connections[readiness.token] else { return }
            if readiness.interest.contains(.write) { flush(connection) }
            if readiness.interest.contains(.read), !connection.isBusy { read(connection) }
            // A hang-up with something still to read is seen again by the read that finds its end.
            let isGone = !readiness.interest.isDisjoint(with: .hangUp)
            if isGone, connection.isBusy || !readiness.interest.contains(.read) { drop(connection.token) }
        }
    }

    private mutating func readMailbox() {
        for message in loop.mailbox.drain() {
            switch message {
            case .stop:
                guard stopDeadline == nil else { continue }
                stopDeadline = monotonicMilliseconds() + Self.farewell
                poller.remove(loop.listener.socket.rawValue)
                for connection in connections.values { connection.endStream() }
            case .reply(let token, let reply):
                guard let connection = connections[token] else { continue }
                if !connection.isOneway { connection.queue(reply.octets) }
                if !reply.continues {
                    connection.endCall()
                    takeCalls(connection)
                }
                flush(connection)
            }
        }
    }

    private mutating func acceptAll() {
        guard stopDeadline == nil else { return }
        while true {
            do throws(SocketError) {
                guard let socket = try UnixSocket.accept(loop.listener.socket) else { return }
                let peer = try PeerCredentials(of: socket)
                guard mayConnect(peer) else { continue }
                let token = nextToken
                nextToken += 1
                try poller.add(socket.rawValue, token: token, for: .read)
                connections[token] = Connection(
                    token: token, socket: socket, peer: peer, now: monotonicMilliseconds())
            } catch {
                guard [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(error.code) else { continue }
                // Out of descriptors: what waits would be told of again at once, and for ever.
                poller.remove(loop.listener.socket.rawValue)
                pausedUntil = monotonicMilliseconds() + 200
                return
            }
        }
    }

    private func mayConnect(_ peer: PeerCredentials) -> Bool {
        guard connections.count < loop.limits.connections else { return false }
        guard peer.user != 0 else { return true }
        return connections.values.count { $0.peer.user == peer.user } < loop.limits.connectionsPerUser
    }

    private mutating func read(_ connection: Connection) {
        switch connection.receive() {
        case .some: takeCalls(connection)
        case .nothing: break
        case .end:
            takeCalls(connection)
            connection.isEndOfInput = true
            if !connection.isBusy && !connection.hasOutput { return drop(connection.token) }
        case .failed: return drop(connection.token)
        }
        refresh(connection)
    }

    /// Begins the next call, unless one is being answered.
    private mutating func takeCalls(_ connection: Connection) {
        guard !connection.isBusy, !connection.isClosing, stopDeadline == nil else { return }
        let message: [UInt8]?
        do throws(FramingError) {
            message = try connection.reader.next()
        } catch {
            return refuse(connection, "message: \(error)")
        }
        guard let message else { return }
        do throws(MessageError) {
            begin(try Call(parsing: message), on: connection)
        } catch {
            refuse(connection, "message: \(error)")
        }
    }

    /// Answers what cannot be a call, and closes: what follows it cannot be trusted to be one.
    private func refuse(_ connection: Connection, _ cause: String) {
        connection.queue(Reply(CallError.invalidParameter(cause)).octets)
        connection.isClosing = true
        flushQuietly(connection)
    }

    private func begin(_ call: Call, on connection: Connection) {
        let token = connection.token
        let mailbox = loop.mailbox
        let answer = loop.answer
        let peer = connection.peer
        let stream = ReplyStream { parameters in
            guard call.more else { return }
            mailbox.send(.reply(connection: token, Reply(parameters, continues: true)))
        }
        let task = Task {
            let reply = await answer(call, peer, stream)
            mailbox.send(.reply(connection: token, reply))
        }
        connection.beginCall(task, isOneway: call.oneway, isStream: call.more)
        refresh(connection)
    }

    private mutating func flush(_ connection: Connection) {
        guard connection.send(), connection.backlog <= loop.limits.queuedOctets else {
            return drop(connection.token)
        }
        let isOver = connection.isClosing || (connection.isEndOfInput && !connection.isBusy)
        if isOver && !connection.hasOutput {
            drop(connection.token)
        } else {
            refresh(connection)
        }
    }

    private func flushQuietly(_ connection: Connection) {
        _ = connection.send()
        refresh(connection)
    }

    private func refresh(_ connection: Connection) {
        var interest: Poller.Interest = []
        if !connection.isBusy && !connection.isEndOfInput && !connection.isClosing { interest.insert(.read) }
        if connection.hasOutput || connection.isClosing { interest.insert(.write) }
        guard interest != connection.interest else { return }
        connection.interest = interest
        try? poller.change(connection.socket.rawValue, token: connection.token, for: interest)
    }

    private mutating func sweep(_ now: Int64) {
        if let until = pausedUntil, now >= until {
            pausedUntil = nil
            try? poller.add(loop.listener.socket.rawValue, token: Self.listenerToken, for: .read)
        }
        for (token, connection) in connections {
            let isIdle = !connection.isBusy && now - connection.lastCall > loop.limits.idleTimeout
            let isStuck = connection.hasOutput && now - connection.lastProgress > loop.limits.writeTimeout
            if isIdle || isStuck { drop(token) }
        }
    }

    private mutating func drop(_ token: UInt64) {
        guard let connection = connections.removeValue(forKey: token) else { return }
        poller.remove(connection.socket.rawValue)
        connection.abandonCall()
    }
}
