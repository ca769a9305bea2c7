/// A program to be started, with all that it finds when it starts. No shell has a part in it.
public struct Program: Sendable {
    /// What a program inherits. It is held, not lent as a number, so that it is still open when the program starts.
    public enum Inheritance: Sendable {
        case descriptor(SharedDescriptor)
        /// What running this script by descriptor needs.
        case script(ScriptFile)

        var number: Int32 {
            switch self {
            case .descriptor(let descriptor): descriptor.number
            case .script(let script): script.inherited
            }
        }
    }
    /// What is run.
    public enum Executable: Sendable {
        /// The file at this path.
        case path(String)
        /// A script that was checked and is held open.
        case script(ScriptFile)
    }
    public var executable: Executable
    /// `argv`, the program's own name first.
    public var arguments: [String]
    /// `NAME=value`, all of it: nothing of the daemon's own is added.
    public var environment: [String]
    /// Where it starts.
    public var directory = "/"
    /// How long it may run; then its process group gets SIGTERM, and SIGKILL after `grace`.
    public var timeLimit: Duration?
    /// How long it has to end once it was told to.
    public var grace = Duration.seconds(2)
    /// What its standard input, output and error are.
    public var standardFiles = StandardFiles.logged
    /// Whether it goes on when the daemon ends.
    public var outlivesRunner = false
    /// What it inherits as descriptor 10, besides its first three.
    public var inherited: Inheritance?
    /// Takes every line of its output, bounded in length and number; called on the runner's thread.
    public var log: (@Sendable (String) -> Void)?

    /// The first three descriptors of a program.
    public enum StandardFiles: Sendable, Hashable {
        /// Nothing to read; what it writes goes to `log`.
        case logged
        /// These files; `/dev/null` for nil and for what cannot be opened.
        case files([String?])
    }

    /// The descriptor under which a program finds what it inherits: the first that a shell's redirections of one
    /// digit do not reach.
    public static let inheritedDescriptor: Int32 = 10

    public init(_ executable: Executable, arguments: [String], environment: [String] = []) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
    }
}

/// How a program ended.
public struct ProgramResult: Sendable, Hashable {
    public enum Ending: Sendable, Hashable {
        case exited(Int32)
        /// A signal ended it.
        case signalled(Int32)
        /// It was no child of this daemon, so nobody told how it ended.
        case unknown
    }
    public var ending: Ending
    /// Whether it was ended because its time was over.
    public var exceededTimeLimit = false
    /// Whether it was ended because nobody waits for it any more.
    public var wasCancelled = false
    /// The last line it wrote that is not empty.
    public var lastLine = ""
    /// How many octets of output were not logged, because there were too many.
    public var droppedOctets = 0

    public var succeeded: Bool { ending == .exited(0) && !exceededTimeLimit && !wasCancelled }
}

/// Cuts a program's output into lines, within bounds: neither a line without an end nor a flood of lines takes
/// memory or fills the log.
struct OutputLines {
    static let lineLimit = 1024
    static let totalLimit = 64 << 10

    private(set) var lastLine = ""
    private(set) var droppedOctets = 0
    private var line: [UInt8] = []
    private var logged = 0

    /// Takes output as it comes; hands on every line that is complete.
    mutating func append(_ bytes: ArraySlice<UInt8>, to log: ((String) -> Void)?) {
        for byte in bytes {
            if byte == 10 {
                flush(to: log)
            } else if line.count < Self.lineLimit {
                line.append(byte)
            } else {
                droppedOctets += 1
            }
        }
    }

    /// Hands on what was not ended by a newline.
    mutating func flush(to log: ((String) -> Void)?) {
        defer { line.removeAll(keepingCapacity: true) }
        let text = Self.printable(line)
        guard !text.isEmpty else { return }
        lastLine = text
        guard logged + line.count <= Self.totalLimit else {
            droppedOctets += line.count
            return
        }
        logged += line.count
        log?(text)
    }

    /// The text without what would move the cursor of whoever reads the log.
    private static func printable(_ bytes: [UInt8]) -> String {
        var scalars = String.UnicodeScalarView()
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            let isControl = scalar.value < 32 || (127..<160).contains(scalar.value)
            scalars.append(isControl ? " " : scalar)
        }
        let text = String(scalars)
        guard let start = text.firstIndex(where: { $0 != " " }),
            let end = text.lastIndex(where: { $0 != " " })
        else { return "" }
        return String(text[start...end])
    }
}
