/// Writes S-expressions so that ``Parser`` reads the same values back.
public enum Writer {
    /// Writes one value on one line.
    ///
    /// An atom goes without quotes wherever every version of xend reads it back as it is, and in quotes
    /// otherwise; a string always goes in single quotes.
    public static func write(_ value: Value) -> String {
        var text = ""
        write(value, to: &text)
        return text
    }

    /// Writes every form on a line of its own.
    public static func write(_ document: Document) -> String {
        document.forms.map { write($0) + "\n" }.joined()
    }

    private static func write(_ value: Value, to text: inout String) {
        switch value.content {
        case .atom(let word): text += isPlain(word) ? word : quoted(word)
        case .string(let word): text += quoted(word)
        case .list(let elements):
            text += "("
            for (index, element) in elements.enumerated() {
                if index > 0 { text += " " }
                write(element, to: &text)
            }
            text += ")"
        }
    }

    /// Whether every parser reads the word back as one atom: a separator can only begin one.
    static func isPlain(_ word: String) -> Bool {
        guard let first = word.unicodeScalars.first, isVisible(first),
            !"'\"#()".unicodeScalars.contains(first)
        else { return false }
        return word.unicodeScalars.dropFirst().allSatisfy {
            isVisible($0) && !"#{}()<>[];!".unicodeScalars.contains($0)
        }
    }

    private static func isVisible(_ scalar: Unicode.Scalar) -> Bool { (33...126).contains(scalar.value) }

    /// The text in single quotes, with escapes for what would end it or cannot be seen.
    static func quoted(_ text: String) -> String {
        var result = "'"
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "'": result += "\\'"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where scalar.value < 32 || scalar.value == 127:
                result += (scalar.value < 16 ? "\\x0" : "\\x") + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "'"
    }
}
