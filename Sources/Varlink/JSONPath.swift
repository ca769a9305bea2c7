/// Where in a value a coder is: written out only where somebody asks.
struct Path {
    private final class Node {
        let key: any CodingKey
        let parent: Node?

        init(_ key: any CodingKey, _ parent: Node?) {
            self.key = key
            self.parent = parent
        }
    }

    private var last: Node?

    func appending(_ key: any CodingKey) -> Path {
        var path = self
        path.last = Node(key, last)
        return path
    }

    /// From the outermost key to the innermost.
    var keys: [any CodingKey] {
        var keys: [any CodingKey] = []
        var node = last
        while let one = node {
            keys.append(one.key)
            node = one.parent
        }
        return keys.reversed()
    }
}

/// The place of an element in an array.
struct ElementKey: CodingKey {
    let index: Int

    init(_ index: Int) { self.index = index }
    init?(intValue: Int) { index = intValue }
    init?(stringValue: String) { nil }

    var intValue: Int? { index }
    var stringValue: String { "\(index)" }
}

/// Where a type puts what its superclass says.
struct SuperKey: CodingKey {
    init() {}
    init?(intValue: Int) { nil }
    init?(stringValue: String) { nil }

    var intValue: Int? { nil }
    var stringValue: String { "super" }
}
