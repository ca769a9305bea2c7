/// A text of S-expressions: its forms, one after the other.
public struct Document: Hashable, Sendable {
    /// Something in the text that was read as xend read it, though it is hardly what the author meant.
    public struct Oddity: Hashable, Sendable {
        /// Where it stands.
        public var location: SourceLocation
        /// What it is.
        public var message: String
    }

    /// The forms on the top level.
    public var forms: [Value]
    /// What was read as xend read it, though it is hardly what the author meant.
    public var oddities: [Oddity]

    /// Makes a document of its forms.
    public init(_ forms: [Value]) {
        self.forms = forms
        oddities = []
    }

    /// The first form of that name; later ones do not count.
    public func child(named name: String) -> Value? { forms.first { $0.head == name } }

    /// The first child of the first form of that name; nil if there is no such form or it is empty.
    public func childValue(_ name: String) -> Value? { child(named: name)?.children.first }
}
