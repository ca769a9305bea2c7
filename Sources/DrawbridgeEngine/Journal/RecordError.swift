public import DrawbridgeModel
import Glibc

/// Why a record was not read or written.
public struct RecordError: Error, Hashable, Sendable {
    /// The path of the file.
    public var file: String
    public var cause: Cause

    /// What is the matter with it.
    public enum Cause: Hashable, Sendable {
        /// It is a symbolic link, which is never followed.
        case link
        case notAFile
        /// It belongs to this user.
        case owner(UInt32)
        /// It can be written by others; the mode it has.
        case writableByOthers(UInt32)
        /// It has this many octets.
        case tooLarge(Int)
        /// Its first line is not that of a record.
        case notARecord
        /// It holds another kind of record.
        case otherKind(String)
        /// A later version of Drawbridge wrote it.
        case newerFormat(UInt32)
        /// It ends early, or goes on after its end.
        case length(expected: Int, found: Int)
        case checksum
        /// Its content is whole, but not what a record of its kind holds.
        case content(String)
        /// It tells of another boot, namespace or uplink.
        case identity(String)
        /// The kernel said no: what failed, and its text.
        case system(String, String)
    }

    public init(_ file: String, _ cause: Cause) {
        self.file = file
        self.cause = cause
    }

    /// The same, as it is told to people and over the socket.
    public var reported: DrawbridgeError {
        DrawbridgeError(.journal, file, "\(cause)", advice: cause.advice)
    }
}

extension RecordError: CustomStringConvertible {
    public var description: String { reported.description }
}

extension RecordError.Cause: CustomStringConvertible {
    public var description: String {
        switch self {
        case .link: "it is a symbolic link"
        case .notAFile: "it is not a file"
        case .owner(let user): "it belongs to user \(user)"
        case .writableByOthers(let mode): "it can be written by others (mode \(octal(mode)))"
        case .tooLarge(let octets): "it is too large (\(octets) octets)"
        case .notARecord: "it is not a record of Drawbridge"
        case .otherKind(let kind): "it holds a record of another kind (\(kind))"
        case .newerFormat(let version):
            "a later version of Drawbridge wrote it (format \(version), this one knows \(RecordFile.format))"
        case .length(let expected, let found): "it has \(found) octets of content and should have \(expected)"
        case .checksum: "it is damaged: its checksum does not match"
        case .content(let what): "its content cannot be used: \(what)"
        case .identity(let what): "it does not belong to this host: \(what)"
        case .system(let what, let text): "\(what): \(text)"
        }
    }

    /// What to do about it, where that is known.
    var advice: String? {
        switch self {
        case .newerFormat: "use the version that wrote it"
        case .identity: "remove it if the network it tells of is gone"
        default: nil
        }
    }
}
