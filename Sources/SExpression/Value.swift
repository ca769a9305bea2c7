/// A place in a text; both numbers count from 1, columns count characters (Unicode scalars).
public struct SourceLocation: Hashable, Sendable, Comparable {
    /// The line.
    public var line: Int
    /// The column.
    public var column: Int

    /// Makes a location of a line and a column.
    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    /// Whether the one stands before the other in the text.
    public static func < (left: SourceLocation, right: SourceLocation) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

extension SourceLocation: CustomStringConvertible {
    /// `3:7`.
    public var description: String { "\(line):\(column)" }
}

/// One S-expression, as Xen's configuration and its API have them: `(network-script 'network-bridge')`.
public struct Value: Sendable {
    /// What it is.
    public enum Content: Hashable, Sendable {
        /// A word without quotes.
        case atom(String)
        /// A quoted text.
        case string(String)
        /// A list in parentheses.
        case list([Value])
    }

    /// What it is, and what it holds.
    public var content: Content
    /// Where it began in the text it was read from; nil if it was not read. Not compared.
    public var location: SourceLocation?

    /// Makes a value.
    public init(_ content: Content, at location: SourceLocation? = nil) {
        self.content = content
        self.location = location
    }

    /// A word without quotes.
    public static func atom(_ text: String) -> Value { Value(.atom(text)) }
    /// A quoted text.
    public static func string(_ text: String) -> Value { Value(.string(text)) }
    /// A list.
    public static func list(_ elements: [Value]) -> Value { Value(.list(elements)) }
}

extension Value: Hashable {
    /// Equal if they hold the same, wherever they were read.
    public static func == (left: Value, right: Value) -> Bool { left.content == right.content }
    /// Hashes what it holds.
    public func hash(into hasher: inout Hasher) { hasher.combine(content) }
}

/// How xend looks things up (`xen/xend/sxp.py`).
extension Value {
    /// The text of an atom or a string, which xend does not tell apart; nil for a list.
    public var text: String? {
        switch content {
        case .atom(let text), .string(let text): text
        case .list: nil
        }
    }

    /// The elements of a list; nil for anything else.
    public var elements: [Value]? {
        guard case .list(let elements) = content else { return nil }
        return elements
    }

    /// The text a list begins with: its name. Nil if it is no list, or begins with a list.
    public var head: String? { elements?.first?.text }

    /// What follows the name of a list, its attribute list left out.
    public var children: [Value] {
        guard let elements, !elements.isEmpty else { return [] }
        return Array(elements.dropFirst(attributeList == nil ? 1 : 2))
    }

    /// The pairs of the attribute list: the second element, if it is a list that begins with `@`.
    public var attributes: [Value] { Array((attributeList?.elements ?? []).dropFirst()) }

    /// The first child that is a list of that name; later ones do not count.
    public func child(named name: String) -> Value? { children.first { $0.head == name } }

    /// The first child of the first child list of that name; nil if there is no such list or it is empty.
    public func childValue(_ name: String) -> Value? { child(named: name)?.children.first }

    private var attributeList: Value? {
        guard let elements, elements.count > 1, elements[1].head == "@" else { return nil }
        return elements[1]
    }
}
