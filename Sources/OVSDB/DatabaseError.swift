public import Varlink

/// Why a transaction did not take place.
public enum DatabaseError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A system call failed; nobody listening is `ENOENT` or `ECONNREFUSED`.
    case socket(SocketError)
    /// The server closed the connection.
    case closed
    /// No answer in time.
    case timedOut
    /// What came is not what RFC 7047 says.
    case malformed(String)
    /// The server refused the operation of that number, counted from 0; one more than there are stands for the
    /// constraints that are checked at the end. `name` is for programs, as `timed out` of a wait in vain.
    case refused(operation: Int, name: String, details: String?)

    /// Whether there is no connection: none could be made, or it has ended.
    public var isOfConnection: Bool {
        switch self {
        case .socket, .closed: true
        case .timedOut, .malformed, .refused: false
        }
    }

    /// One line for people, the server's own words included.
    public var description: String {
        switch self {
        case .socket(let error): "\(error)"
        case .closed: "the database closed the connection"
        case .timedOut: "no answer of the database in time"
        case .malformed(let problem): "the database's answer is malformed: \(problem)"
        case .refused(_, let name, let details): details.map { "\(name): \($0)" } ?? name
        }
    }
}
