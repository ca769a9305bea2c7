import Glibc
import LinuxHeaders

/// An owned buffer in which netlink messages are built one after another, to be sent in one go.
///
///     var buffer = MessageBuffer()
///     buffer.message(type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL) { message in
///         message.header(ifinfomsg())
///         message.put(IFLA_IFNAME, string: "br0")
///         message.nest(IFLA_LINKINFO) { $0.put(IFLA_INFO_KIND, string: "bridge") }
///     }
///
/// Lengths are filled in when a `message` or `nest` ends. What cannot be said (an attribute that is too long,
/// a string with a NUL) is remembered in `failure` and thrown by whoever sends the buffer: nothing traps, and
/// the single calls need no `try`. Alignment and byte order are netlink(7)'s: attributes are padded to four
/// octets and numbers are in the machine's order unless a call says `bigEndian`.
@safe public struct MessageBuffer: ~Copyable {
    @usableFromInline var storage: UnsafeMutableRawPointer
    @usableFromInline var capacity: Int
    /// The number of octets used.
    public private(set) var byteCount: Int {
        get { used }
        set { used = newValue }
    }
    @usableFromInline var used = 0
    /// The number of finished messages.
    public private(set) var messageCount = 0
    /// The first thing that could not be encoded.
    public private(set) var failure: EncodingFailure?

    /// Makes an empty buffer; it grows as needed.
    public init(capacity: Int = 4096) {
        self.capacity = max(capacity, 64)
        unsafe storage = .allocate(byteCount: self.capacity, alignment: 16)
    }

    deinit { unsafe storage.deallocate() }

    /// Empties the buffer and keeps its memory.
    public mutating func removeAll() {
        byteCount = 0
        messageCount = 0
        failure = nil
    }

    /// Takes back everything after the first `messages` messages.
    public mutating func truncate(toMessages messages: Int) {
        guard messages < messageCount else { return }
        var offset = 0
        for _ in 0..<messages { offset += aligned(Int(load(at: offset, as: UInt32.self))) }
        byteCount = offset
        messageCount = messages
    }

    /// Remembers that the request cannot be encoded; only the first reason is kept.
    public mutating func fail(_ failure: EncodingFailure) {
        if self.failure == nil { self.failure = failure }
    }

    /// What was built.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            let span = unsafe RawSpan(_unsafeStart: storage, byteCount: byteCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    // MARK: Messages and nests

    /// Adds a message: `body` writes its fixed header and its attributes. The sequence number and port are
    /// filled in by whoever sends; NLM_F_REQUEST is always set.
    @inlinable
    public mutating func message<Failure: Error>(
        type: Int, flags: Int32 = 0, _ body: (inout MessageBuffer) throws(Failure) -> Void
    ) throws(Failure) {
        let start = beginMessage(type: type, flags: flags)
        do throws(Failure) {
            try body(&self)
        } catch {
            used = start
            throw error
        }
        endMessage(start)
    }

    /// Adds an attribute that holds attributes (`NLA_F_NESTED` is set unless `flagged` is false).
    @inlinable
    public mutating func nest<Failure: Error>(
        _ type: Int, flagged: Bool = true, _ body: (inout MessageBuffer) throws(Failure) -> Void
    ) throws(Failure) {
        let start = beginNest(flagged ? type | 0x8000 : type)
        try body(&self)
        endNest(start)
    }

    /// Adds a structure that begins with its own length in two octets, as `rtnexthop` does, and what `body` writes.
    public mutating func record<Header: BitwiseCopyable>(
        _ header: Header, _ body: (inout MessageBuffer) -> Void
    ) {
        let start = used
        self.header(header)
        body(&self)
        endNest(start)
    }

    @usableFromInline
    mutating func beginMessage(type: Int, flags: Int32) -> Int {
        let start = byteCount
        var header = nlmsghdr()
        header.nlmsg_type = UInt16(truncatingIfNeeded: type)
        header.nlmsg_flags = UInt16(truncatingIfNeeded: flags | NLM_F_REQUEST)
        append(header)
        return start
    }

    @usableFromInline
    mutating func endMessage(_ start: Int) {
        let length = byteCount - start
        if let short = UInt32(exactly: length) {
            store(short, at: start)
        } else {
            fail(.messageTooLong(length: length))
        }
        pad()
        messageCount += 1
    }

    @usableFromInline
    mutating func beginNest(_ type: Int) -> Int {
        let start = byteCount
        append(UInt16(0))
        append(UInt16(truncatingIfNeeded: type))
        return start
    }

    @usableFromInline
    mutating func endNest(_ start: Int) {
        let length = byteCount - start
        if let short = UInt16(exactly: length) {
            store(short, at: start)
        } else {
            let type = load(at: start + 2, as: UInt16.self) & 0x3fff
            fail(.attributeTooLong(type: Int(type), length: length))
        }
        pad()
    }

    // MARK: Contents

    /// Writes a fixed header, such as `ifinfomsg`, padded to four octets.
    @inlinable
    public mutating func header<Header: BitwiseCopyable>(_ header: Header) {
        append(header)
        pad()
    }

    /// Adds an attribute that holds a number, or any other plain value, in the machine's byte order.
    @inlinable
    public mutating func put<Value: BitwiseCopyable>(_ type: Int, _ value: Value) {
        append(UInt16(truncatingIfNeeded: 4 + MemoryLayout<Value>.size))
        append(UInt16(truncatingIfNeeded: type))
        append(value)
        pad()
    }

    /// Adds an attribute that holds a number in network byte order.
    @inlinable
    public mutating func put<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Int, bigEndian value: Value)
    {
        put(type, value.bigEndian)
    }

    /// Adds an attribute without content: a flag.
    public mutating func put(_ type: Int) {
        append(UInt16(4))
        append(UInt16(truncatingIfNeeded: type))
    }

    /// Adds an attribute that holds text, ended by a NUL.
    public mutating func put(_ type: Int, string: String) {
        let start = beginNest(type)
        appendUTF8(string, type: type)
        append(UInt8(0))
        endNest(start)
    }

    /// Adds an attribute that holds text without a NUL at its end.
    public mutating func put(_ type: Int, unterminated string: String) {
        let start = beginNest(type)
        appendUTF8(string, type: type)
        endNest(start)
    }

    /// Adds an attribute that holds these octets.
    public mutating func put(_ type: Int, bytes: [UInt8]) {
        let start = beginNest(type)
        append(bytes)
        endNest(start)
    }

    /// Adds an attribute that holds these octets.
    public mutating func put(_ type: Int, bytes: RawSpan) {
        let start = beginNest(type)
        append(bytes)
        endNest(start)
    }

    // MARK: Raw octets

    /// Writes a plain value as it lies in memory, without header or padding.
    @inlinable
    public mutating func append<Value: BitwiseCopyable>(_ value: Value) {
        let size = MemoryLayout<Value>.size
        if used + size > capacity { grow(by: size) }
        unsafe storage.storeBytes(of: value, toByteOffset: used, as: Value.self)
        used += size
    }

    /// Writes octets without header or padding.
    public mutating func append(_ bytes: [UInt8]) { unsafe append(bytes.span.bytes) }

    /// Writes octets without header or padding.
    public mutating func append(_ bytes: RawSpan) {
        let size = bytes.byteCount
        guard size > 0 else { return }
        if byteCount + size > capacity { grow(by: size) }
        let target = unsafe storage + byteCount
        unsafe bytes.withUnsafeBytes { source in
            if let base = source.baseAddress { unsafe target.copyMemory(from: base, byteCount: size) }
        }
        byteCount += size
    }

    /// Pads with zeros to a multiple of four octets, as netlink wants it between attributes and messages.
    @inlinable
    public mutating func pad() {
        while used & 3 != 0 { append(UInt8(0)) }
    }

    private mutating func appendUTF8(_ string: String, type: Int) {
        let utf8 = string.utf8
        let size = utf8.count
        if byteCount + size > capacity { grow(by: size) }
        let target = unsafe UnsafeMutableRawBufferPointer(start: storage + byteCount, count: size)
        unsafe target.copyBytes(from: utf8)
        if unsafe target.contains(0) { fail(.stringHoldsNUL(type: type)) }
        byteCount += size
    }

    @usableFromInline
    mutating func grow(by size: Int) {
        let larger = max(capacity * 2, byteCount + size + 64)
        let replacement = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        unsafe replacement.copyMemory(from: storage, byteCount: byteCount)
        unsafe storage.deallocate()
        unsafe storage = replacement
        capacity = larger
    }

    func load<Value: BitwiseCopyable>(at offset: Int, as type: Value.Type) -> Value {
        unsafe storage.loadUnaligned(fromByteOffset: offset, as: type)
    }

    mutating func store<Value: BitwiseCopyable>(_ value: Value, at offset: Int) {
        unsafe storage.storeBytes(of: value, toByteOffset: offset, as: Value.self)
    }

    /// Numbers the messages from `sequence` on and asks for an answer to the one at `acknowledged`.
    mutating func seal(sequence: UInt32, acknowledged: Int) {
        var offset = 0
        for index in 0..<messageCount {
            if index == acknowledged {
                let flags = load(at: offset + 6, as: UInt16.self)
                store(flags | UInt16(NLM_F_ACK), at: offset + 6)
            }
            store(sequence &+ UInt32(truncatingIfNeeded: index), at: offset + 8)
            offset += aligned(Int(load(at: offset, as: UInt32.self)))
        }
    }
}

/// The memory belongs to the buffer alone (it cannot be copied), so it may move between threads.
extension MessageBuffer: @unchecked Sendable {}

/// Rounded up to netlink's alignment of four.
@inlinable
func aligned(_ length: Int) -> Int { (length + 3) & ~3 }
