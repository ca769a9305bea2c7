/// What can be asked of the store.
public enum StoreRequest: Hashable, Sendable {
    case read(String)
    case write(String, [UInt8])
    case directory(String)
    case directoryPart(String, offset: Int)
    case makeDirectory(String)
    case remove(String)
    case getPermissions(String)
    case setPermissions(String, [StorePermission])
    case watch(String, token: String)
    case unwatch(String, token: String)
    case startTransaction
    case endTransaction(commit: Bool)
    /// Makes a domain known, with the frame of its ring and its event channel.
    case introduce(domain: UInt32, frame: UInt64, eventChannel: UInt32)
    /// Forgets a domain.
    case release(domain: UInt32)
    case isIntroduced(domain: UInt32)
    case domainPath(UInt32)

    /// The message of this request.
    ///
    /// - Throws: ``StoreError/invalid(_:)`` if a path is none, or it does not fit into a message.
    public func message(request: UInt32, transaction: UInt32) throws(StoreError) -> StoreMessage {
        for path in paths { try Self.check(path) }
        let message = StoreMessage(kind, request: request, transaction: transaction, payload: payload)
        guard message.payload.count <= StoreMessage.maximumPayload else {
            throw .invalid("\(self) has more than \(StoreMessage.maximumPayload) octets")
        }
        return message
    }

    private var kind: StoreMessage.Kind {
        switch self {
        case .read: .read
        case .write: .write
        case .directory: .directory
        case .directoryPart: .directoryPart
        case .makeDirectory: .makeDirectory
        case .remove: .remove
        case .getPermissions: .getPermissions
        case .setPermissions: .setPermissions
        case .watch: .watch
        case .unwatch: .unwatch
        case .startTransaction: .transactionStart
        case .endTransaction: .transactionEnd
        case .introduce: .introduce
        case .release: .release
        case .isIntroduced: .isDomainIntroduced
        case .domainPath: .getDomainPath
        }
    }

    /// What it carries. Every text ends with NUL, but a value is whatever octets it has.
    private var payload: [UInt8] {
        switch self {
        case .read(let path), .directory(let path), .makeDirectory(let path), .remove(let path),
            .getPermissions(let path):
            Self.fields(path)
        case .write(let path, let value): Self.fields(path) + value
        case .directoryPart(let path, let offset): Self.fields(path, "\(offset)")
        case .setPermissions(let path, let permissions):
            Self.fields(path) + permissions.flatMap { Self.fields($0.description) }
        case .watch(let path, let token), .unwatch(let path, let token): Self.fields(path, token)
        case .startTransaction: Self.fields("")
        case .endTransaction(let commit): Self.fields(commit ? "T" : "F")
        case .introduce(let domain, let frame, let channel):
            Self.fields("\(domain)", "\(frame)", "\(channel)")
        case .release(let domain), .isIntroduced(let domain), .domainPath(let domain):
            Self.fields("\(domain)")
        }
    }

    private static func fields(_ texts: String...) -> [UInt8] { texts.flatMap { Array($0.utf8) + [0] } }

    private var paths: [String] {
        switch self {
        case .read(let path), .write(let path, _), .directory(let path), .directoryPart(let path, _),
            .makeDirectory(let path), .remove(let path), .getPermissions(let path),
            .setPermissions(let path, _):
            [path]
        case .watch(let path, _), .unwatch(let path, _): path.hasPrefix("@") ? [] : [path]
        default: []
        }
    }

    /// Refuses what is no path: the store would answer EINVAL without saying of what.
    private static func check(_ path: String) throws(StoreError) {
        let limit = path.hasPrefix("/") ? 3072 : 2048
        guard !path.isEmpty, path.utf8.count <= limit, path == "/" || !path.hasSuffix("/"),
            !path.contains("//"),
            path.utf8.allSatisfy({
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                    || [45, 47, 95, 64].contains($0)
            })
        else { throw .invalid("'\(path)' is not a path") }
    }
}

extension StoreRequest: CustomStringConvertible {
    /// What is asked, for people.
    public var description: String {
        switch self {
        case .read(let path): "read \(path)"
        case .write(let path, _): "write \(path)"
        case .directory(let path), .directoryPart(let path, _): "list \(path)"
        case .makeDirectory(let path): "make \(path)"
        case .remove(let path): "remove \(path)"
        case .getPermissions(let path), .setPermissions(let path, _): "permissions of \(path)"
        case .watch(let path, _): "watch \(path)"
        case .unwatch(let path, _): "unwatch \(path)"
        case .startTransaction: "begin a transaction"
        case .endTransaction: "end a transaction"
        case .introduce(let domain, _, _): "introduce domain \(domain)"
        case .release(let domain): "release domain \(domain)"
        case .isIntroduced(let domain): "ask for domain \(domain)"
        case .domainPath(let domain): "the path of domain \(domain)"
        }
    }
}

/// How replies are read.
enum StoreReply {
    /// The payload, or the error that it tells.
    static func payload(
        of message: StoreMessage, to request: StoreRequest
    ) throws(StoreError) -> [UInt8] {
        if message.kind == StoreMessage.Kind.error.rawValue {
            throw .refused(code: texts(message.payload).first ?? "", request: request.description)
        }
        return message.payload
    }

    /// Texts that each end with NUL.
    static func texts(_ payload: [UInt8]) -> [String] {
        var parts = payload.split(separator: 0, omittingEmptySubsequences: false)
        if parts.last?.isEmpty == true { parts.removeLast() }
        return parts.map { String(decoding: $0, as: UTF8.self) }
    }

    static func transaction(_ payload: [UInt8]) throws(StoreError) -> UInt32 {
        guard let text = texts(payload).first, let number = UInt32(text) else {
            throw .malformed("the number of a transaction")
        }
        return number
    }
}
