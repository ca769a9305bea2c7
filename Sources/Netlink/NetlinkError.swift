import Glibc

/// Why a netlink exchange failed.
public enum NetlinkError: Error, Hashable, Sendable {
    /// A system call of ours failed: its name and its errno.
    case system(call: String, errno: Int32)
    /// The kernel refused one or more messages of a request, in the order of the request; never empty.
    /// The messages that are not listed were carried out (rtnetlink), or not (nf_tables, which is all or
    /// nothing).
    case refused([Refusal])
    /// The request cannot be encoded; nothing was sent.
    case encoding(EncodingFailure)
    /// A dump was disturbed by changes as often as it was tried.
    case interrupted(attempts: Int)
    /// The kernel dropped messages because our receive buffer was full (ENOBUFS).
    case overrun
    /// An answer that is not netlink, or is cut off.
    case malformed(String)

    /// One message that the kernel refused.
    public struct Refusal: Hashable, Sendable {
        /// The place of the message in its request, from 0.
        public var index: Int
        /// The kernel's errno, positive.
        public var errno: Int32
        /// The kernel's own text (`NLMSGERR_ATTR_MSG`), where it gave one.
        public var text: String?
        /// Where in the message the offending attribute starts (`NLMSGERR_ATTR_OFFS`), where the kernel says.
        public var offset: Int?
        /// The attribute that is missing (`NLMSGERR_ATTR_MISS_TYPE`), where the kernel says.
        public var missingAttribute: Int?

        /// Makes a refusal of the message at `index`.
        public init(
            index: Int, errno: Int32, text: String? = nil, offset: Int? = nil, missingAttribute: Int? = nil
        ) {
            self.index = index
            self.errno = errno
            self.text = text
            self.offset = offset
            self.missingAttribute = missingAttribute
        }
    }

    /// The first refusal, where the kernel refused.
    public var refusal: Refusal? {
        guard case .refused(let refusals) = self else { return nil }
        return refusals.first
    }

    /// Every refusal, where the kernel refused.
    public var refusals: [Refusal] {
        guard case .refused(let refusals) = self else { return [] }
        return refusals
    }

    /// The errno of the first refusal or of the system call that failed.
    public var errno: Int32? {
        switch self {
        case .system(_, let errno): errno
        case .refused(let refusals): refusals.first?.errno
        case .overrun: ENOBUFS
        case .encoding, .interrupted, .malformed: nil
        }
    }

    /// The place of the first refused message in its request.
    public var index: Int? { refusal?.index }
}

/// Why a message cannot be encoded.
public enum EncodingFailure: Error, Hashable, Sendable {
    /// An attribute, or a nest with all it holds, is longer than the 16-bit length field can say.
    case attributeTooLong(type: Int, length: Int)
    /// A message is longer than the 32-bit length field can say.
    case messageTooLong(length: Int)
    /// A string holds a NUL, which would cut it short.
    case stringHoldsNUL(type: Int)
    /// What was asked cannot be said in netlink, in words.
    case unsupported(String)
}

extension EncodingFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .attributeTooLong(let type, let length):
            "attribute \(type) has \(length) octets, more than the 65535 that netlink can carry"
        case .messageTooLong(let length): "a message has \(length) octets, more than netlink can carry"
        case .stringHoldsNUL(let type): "the text of attribute \(type) holds a NUL"
        case .unsupported(let reason): reason
        }
    }
}

extension NetlinkError.Refusal: CustomStringConvertible {
    /// The errno in words, then the kernel's own text.
    public var description: String {
        var description = errorText(errno)
        if let text { description += ": \(text)" }
        if let missingAttribute { description += " (attribute \(missingAttribute) is missing)" }
        return description
    }
}

extension NetlinkError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .system(let call, let errno): return "\(call): \(errorText(errno))"
        case .refused(let refusals):
            guard let first = refusals.first else { return "refused" }
            let others = refusals.count > 1 ? " (and \(refusals.count - 1) more refused)" : ""
            return first.description + others
        case .encoding(let failure): return failure.description
        case .interrupted(let attempts): return "the dump was interrupted \(attempts) times"
        case .overrun: return "the kernel dropped messages: receive buffer full"
        case .malformed(let what): return "malformed answer: \(what)"
        }
    }
}

/// The C library's text for an errno.
func errorText(_ number: Int32) -> String {
    guard let text = unsafe strerror(number) else { return "errno \(number)" }
    return unsafe String(cString: text)
}
