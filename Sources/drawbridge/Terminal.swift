import DrawbridgeAPI
import Glibc
import Varlink

/// What is printed, and how: for people on a terminal, or for programs.
enum Terminal {
    /// Whether standard output takes colours: a terminal, unless NO_COLOR is set (https://no-color.org).
    static let hasColor: Bool = {
        if let value = getenv("NO_COLOR"), value.pointee != 0 { return false }
        if let value = getenv("TERM"), String(cString: value) == "dumb" { return false }
        return isatty(STDOUT_FILENO) == 1
    }()

    /// A look that says what a word means.
    enum Style: String {
        case plain = ""
        case heading = "1"
        case good = "32"
        case bad = "31"
        case pending = "33"
        case faint = "2"
    }

    static func styled(_ text: String, _ style: Style) -> String {
        guard hasColor, style != .plain else { return text }
        return "\u{1b}[\(style.rawValue)m\(text)\u{1b}[0m"
    }

    /// Prints a line without control characters, which a name from elsewhere may hold.
    static func say(_ line: String) { write(line + "\n", to: STDOUT_FILENO) }

    /// Prints an error as one line.
    static func complain(_ message: String) { write("drawbridge: \(cleaned(message))\n", to: STDERR_FILENO) }

    /// Prints what should be known although it worked.
    static func warn(_ warnings: [String]) {
        for warning in warnings { complain("warning: \(warning)") }
    }

    /// Prints one line of JSON, keys sorted.
    static func json(_ value: some Encodable) { say(Coding.encode(value).description) }

    /// The text with its control characters as blanks.
    static func cleaned(_ text: String) -> String {
        // Hardly any text has one; those of Latin 1 begin with 0xc2.
        guard text.utf8.contains(where: { $0 < 32 || $0 == 127 || $0 == 0xc2 }) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? " " : $0 }))
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 32 || (127..<160).contains(scalar.value)
    }

    private static func write(_ text: String, to file: Int32) {
        let octets = Array(text.utf8)
        var written = 0
        while written < octets.count {
            let count = octets[written...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            written += count
        }
    }
}

/// A table with aligned columns.
struct Table {
    /// A cell: its text and its look.
    struct Cell {
        let text: String
        var style = Terminal.Style.plain
        /// How many places it takes.
        let width: Int
        init(_ text: String?, _ style: Terminal.Style = .plain) {
            self.text = Terminal.cleaned(text ?? "-")
            self.style = style
            // What a person sees as one character is to be found out only beyond ASCII.
            width = self.text.utf8.allSatisfy { $0 < 128 } ? self.text.utf8.count : self.text.count
        }
    }

    var headings: [String]
    var rows: [[Cell]] = []

    init(_ headings: String...) { self.headings = headings }

    /// The lines, without blanks at their ends.
    var lines: [String] {
        let all = [headings.map { Cell($0, .heading) }] + rows
        var widths = headings.map { _ in 0 }
        for row in all {
            for (column, cell) in row.enumerated() where column < widths.count {
                widths[column] = max(widths[column], cell.width)
            }
        }
        return all.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += Terminal.styled(cell.text, cell.style)
                guard column < row.count - 1 else { continue }
                for _ in cell.width..<widths[column] + 2 { line += " " }
            }
            return line
        }
    }

    /// Prints it in one piece.
    func show() { Terminal.say(lines.joined(separator: "\n")) }
}
