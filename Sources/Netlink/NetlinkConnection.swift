import Glibc
import LinuxHeaders

/// Requests and their answers over a transport: sequence numbers, acknowledgements, errors, dumps.
///
/// One thread at a time may use it; every call is synchronous, since the kernel answers before a send returns.
@safe public struct NetlinkConnection<Transport: NetlinkTransport & ~Copyable>: ~Copyable {
    /// What carries the messages.
    public var transport: Transport
    private var sequence: UInt32 = 1
    private let buffer: UnsafeMutableRawBufferPointer

    /// How often an interrupted dump is tried in all.
    public var dumpAttempts = 16

    /// Speaks over `transport`.
    public init(_ transport: consuming Transport) {
        self.transport = transport
        // The kernel fills dump answers up to 32 KiB; a single message with large attributes may have more.
        unsafe buffer = .allocate(byteCount: 128 << 10, alignment: 16)
    }

    deinit { unsafe buffer.deallocate() }

    /// Sends every message of `request` in one datagram and reads the answers until the last is acknowledged.
    ///
    /// Only one message asks for an acknowledgement; errors are always answered, so every refused message
    /// is known. rtnetlink goes on after a refused message; nf_tables takes the whole batch back.
    ///
    /// - Parameters:
    ///   - request: the messages; their sequence numbers are filled in.
    ///   - acknowledged: which message is to be acknowledged, the last if nil. nf_tables needs another:
    ///     the end of a batch is not acknowledged by every kernel.
    ///   - answer: called with the place of the request and each message that answers it (for GET requests,
    ///     and those with NLM_F_ECHO).
    /// - Throws: `.refused` with every refused message; `.encoding` before anything is sent.
    public mutating func commit(
        _ request: inout MessageBuffer, acknowledged: Int? = nil,
        answer: (Int, borrowing Message) throws(NetlinkError) -> Void = { _, _ in }
    ) throws(NetlinkError) {
        if let failure = request.failure { throw .encoding(failure) }
        let requests = request.messageCount
        guard requests > 0 else { return }
        let last = min(max(acknowledged ?? requests - 1, 0), requests - 1)
        let first = reserveSequences(requests)
        request.seal(sequence: first, acknowledged: last)
        try transport.send(request.bytes)

        var refusals: [NetlinkError.Refusal] = []
        var isDone = false
        var answerError: NetlinkError?
        while !isDone {
            // After an error the rest of the answers wait already, and an abandoned batch has no more.
            guard let count = try receive(waiting: refusals.isEmpty) else { break }
            let received = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
            var reader = unsafe MessageReader(received.bytes)
            while let message = reader.next() {
                let index = Int(message.sequence &- first)
                guard index < requests, message.port == transport.port else { continue }
                switch Int32(message.type) {
                case NLMSG_ERROR:
                    let refusal = try message.refusal(index: index)
                    if let refusal { refusals.append(refusal) }
                    if index == last { isDone = true }
                case NLMSG_NOOP, NLMSG_DONE:
                    continue
                default:
                    do throws(NetlinkError) { try answer(index, message) } catch {
                        answerError = answerError ?? error
                    }
                }
            }
            if reader.isMalformed { throw .malformed("a message's length does not fit its datagram") }
        }
        guard refusals.isEmpty else { throw .refused(refusals.sorted { $0.index < $1.index }) }
        if let answerError { throw answerError }
    }

    /// Sends the one message of `request` with NLM_F_DUMP and collects what `decode` makes of every answer.
    ///
    /// A dump that the kernel marks as interrupted (NLM_F_DUMP_INTR: something changed meanwhile, so entries
    /// may be missing) is thrown away and tried again, at most `dumpAttempts` times.
    public mutating func dump<Element>(
        _ request: inout MessageBuffer,
        decode: (borrowing Message) throws(NetlinkError) -> Element?
    ) throws(NetlinkError) -> [Element] {
        if let failure = request.failure { throw .encoding(failure) }
        guard request.messageCount == 1 else { throw .malformed("a dump is one message") }
        for _ in 0..<dumpAttempts {
            if let elements = try dumpOnce(&request, decode: decode) { return elements }
        }
        throw .interrupted(attempts: dumpAttempts)
    }

    /// One try; nil if it was interrupted.
    private mutating func dumpOnce<Element>(
        _ request: inout MessageBuffer,
        decode: (borrowing Message) throws(NetlinkError) -> Element?
    ) throws(NetlinkError) -> [Element]? {
        let first = reserveSequences(1)
        request.seal(sequence: first, acknowledged: -1)
        request.store(request.load(at: 6, as: UInt16.self) | UInt16(NLM_F_DUMP), at: 6)
        try transport.send(request.bytes)

        var elements: [Element] = []
        var isInterrupted = false
        // The rest of a dump is read even when an entry makes no sense: the kernel refuses the next dump before.
        var decodeError: NetlinkError?
        while let count = try receive(waiting: true) {
            let received = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
            var reader = unsafe MessageReader(received.bytes)
            while let message = reader.next() {
                guard message.sequence == first, message.port == transport.port else { continue }
                if message.flags & NLM_F_DUMP_INTR != 0 { isInterrupted = true }
                switch Int32(message.type) {
                case NLMSG_ERROR, NLMSG_DONE:
                    if let refusal = try message.refusal(index: 0) {
                        if refusal.errno == EINTR { return nil }
                        throw .refused([refusal])
                    }
                    if isInterrupted { return nil }
                    if let decodeError { throw decodeError }
                    return elements
                default:
                    guard !isInterrupted, decodeError == nil else { continue }
                    do throws(NetlinkError) {
                        if let element = try decode(message) { elements.append(element) }
                    } catch {
                        decodeError = error
                    }
                }
            }
            if reader.isMalformed { throw .malformed("a message's length does not fit its datagram") }
        }
        throw .malformed("a dump without an end")
    }

    private mutating func reserveSequences(_ count: Int) -> UInt32 {
        let first = sequence
        sequence &+= UInt32(truncatingIfNeeded: count)
        return first
    }

    private mutating func receive(waiting: Bool) throws(NetlinkError) -> Int? {
        unsafe try transport.receive(into: buffer, waiting: waiting)
    }
}

extension Message {
    /// What an NLMSG_ERROR or NLMSG_DONE message says; nil for an acknowledgement.
    func refusal(index: Int) throws(NetlinkError) -> NetlinkError.Refusal? {
        guard let code = payload.value(as: Int32.self) else {
            // A dump may end without a code.
            if Int32(type) == NLMSG_DONE { return nil }
            throw .malformed("an error message without a code")
        }
        guard code < 0 else { return nil }
        var refusal = NetlinkError.Refusal(index: index, errno: 0 &- code)
        guard flags & NLM_F_ACK_TLVS != 0 else { return refusal }
        var start = 4
        if Int32(type) == NLMSG_ERROR {
            // The header of the refused message follows, and the rest of it unless it was capped.
            let length = Int(payload.value(at: 4, as: UInt32.self) ?? 16)
            start += flags & NLM_F_CAPPED != 0 ? 16 : aligned(max(length, 16))
        }
        guard start <= payload.byteCount else { return refusal }
        var attributes = Attributes(payload.extracting(start..<payload.byteCount))
        while let attribute = attributes.next() {
            switch UInt32(attribute.type) {
            case NLMSGERR_ATTR_MSG.rawValue: refusal.text = attribute.string
            case NLMSGERR_ATTR_OFFS.rawValue:
                refusal.offset = attribute.value(as: UInt32.self).map(Int.init)
            case NLMSGERR_ATTR_MISS_TYPE.rawValue:
                refusal.missingAttribute = attribute.value(as: UInt32.self).map(Int.init)
            default: break
            }
        }
        return refusal
    }
}
