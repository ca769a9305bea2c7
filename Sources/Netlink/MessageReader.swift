import LinuxHeaders

/// Reads netlink messages one after another out of received octets.
///
///     var reader = MessageReader(bytes)
///     while let message = reader.next() { … }
///
/// Reading stops at a message whose length does not fit; `isMalformed` then says so.
public struct MessageReader: ~Escapable {
    private let bytes: RawSpan
    private var offset = 0
    /// Whether what is left over is not a whole message.
    public private(set) var isMalformed = false

    /// Reads from `bytes`, which start with a message header.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) { self.bytes = bytes }

    /// The next message; nil at the end.
    @_lifetime(copy self)
    public mutating func next() -> Message? {
        let left = bytes.byteCount - offset
        guard left > 0 else { return nil }
        guard left >= 16 else {
            isMalformed = true
            return nil
        }
        let header = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: nlmsghdr.self)
        let length = Int(header.nlmsg_len)
        guard length >= 16, length <= left else {
            isMalformed = true
            return nil
        }
        let start = offset
        offset += min(aligned(length), left)
        return Message(header, bytes.extracting(start + 16..<start + length))
    }
}

/// A received message: its header and what follows.
public struct Message: ~Escapable {
    /// `nlmsg_type`: `RTM_NEWLINK` and the like.
    public let type: Int
    /// `NLM_F_*`.
    public let flags: Int32
    /// The sequence number of the request it answers.
    public let sequence: UInt32
    /// The port of the socket it answers, or on whose behalf something changed.
    public let port: UInt32
    /// What follows the header.
    public let payload: RawSpan

    @_lifetime(copy payload)
    init(_ header: nlmsghdr, _ payload: RawSpan) {
        type = Int(header.nlmsg_type)
        flags = Int32(header.nlmsg_flags)
        sequence = header.nlmsg_seq
        port = header.nlmsg_pid
        self.payload = payload
    }

    /// The fixed header of the family, such as `ifinfomsg`; nil if the message is too short.
    public func header<Header: BitwiseCopyable>(as type: Header.Type) -> Header? {
        payload.value(as: type)
    }

    /// The attributes after a fixed header of this type.
    @_lifetime(copy self)
    public func attributes<Header: BitwiseCopyable>(after type: Header.Type) -> Attributes {
        attributes(after: MemoryLayout<Header>.size)
    }

    /// The attributes after a fixed header of this many octets.
    @_lifetime(copy self)
    public func attributes(after length: Int) -> Attributes {
        let start = min(aligned(length), payload.byteCount)
        return Attributes(payload.extracting(start..<payload.byteCount))
    }
}

/// Reads attributes one after another; stops at one whose length does not fit.
public struct Attributes: ~Escapable {
    private let bytes: RawSpan
    private var offset = 0

    /// Reads from `bytes`, which start with an attribute's header.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) { self.bytes = bytes }

    /// The next attribute; nil at the end.
    @_lifetime(copy self)
    public mutating func next() -> Attribute? {
        let left = bytes.byteCount - offset
        guard left >= 4 else { return nil }
        let length = Int(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
        guard length >= 4, length <= left else { return nil }
        let type = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset + 2, as: UInt16.self)
        let start = offset
        offset += min(aligned(length), left)
        return Attribute(type, bytes.extracting(start + 4..<start + length))
    }
}

/// A received attribute. A content that is too short for what is asked of it reads as nil.
public struct Attribute: ~Escapable {
    /// The type without the flags `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
    public let type: Int
    /// The type as it came, flags included.
    public let rawType: UInt16
    /// The octets, without header and padding.
    public let content: RawSpan

    @_lifetime(copy content)
    init(_ rawType: UInt16, _ content: RawSpan) {
        self.rawType = rawType
        type = Int(rawType & 0x3fff)
        self.content = content
    }

    /// The content as a plain value in the machine's byte order.
    public func value<Value: BitwiseCopyable>(as type: Value.Type = Value.self) -> Value? {
        content.value(as: type)
    }

    /// The content as a number in network byte order.
    public func bigEndian<Value: FixedWidthInteger & BitwiseCopyable>(
        as type: Value.Type = Value.self
    ) -> Value? {
        content.value(as: type).map { Value(bigEndian: $0) }
    }

    /// The content as text, up to the first NUL.
    public var string: String {
        unsafe content.withUnsafeBytes { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    /// The content as octets.
    public var bytes: [UInt8] { unsafe content.withUnsafeBytes { bytes in unsafe [UInt8](bytes) } }

    /// The attributes that the content holds.
    public var nested: Attributes {
        @_lifetime(copy self)
        get { Attributes(content) }
    }
}

extension RawSpan {
    /// The first octets as a plain value; nil if there are too few.
    public func value<Value: BitwiseCopyable>(at offset: Int = 0, as type: Value.Type) -> Value? {
        guard offset >= 0, byteCount - offset >= MemoryLayout<Value>.size else { return nil }
        return unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: type)
    }
}
