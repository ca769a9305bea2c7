import Varlink

/// One operation of a transaction (RFC 7047, section 5.2).
public enum Operation: Hashable, Sendable {
    /// Inserts a row, which the other operations of the transaction know by `name`.
    case insert(into: String, row: [String: Value], name: String? = nil)
    /// Reads the columns of the rows that meet all conditions.
    case select(from: String, where: [Condition], columns: [String])
    /// Sets columns of the rows that meet all conditions.
    case update(String, where: [Condition], row: [String: Value])
    /// Changes columns of the rows that meet all conditions by what they hold.
    case mutate(String, where: [Condition], [Mutation])
    /// Waits until the rows that meet all conditions are, or are not, these; at most so many milliseconds.
    case wait(String, where: [Condition], columns: [String], Until, rows: [[String: Value]], timeout: Int64)
    /// Says in the database's log what the transaction is for.
    case comment(String)

    /// What an operation waits for.
    public enum Until: String, Hashable, Sendable {
        case equal = "=="
        case different = "!="
    }

    var json: JSONValue {
        switch self {
        case .insert(let table, let row, let name):
            var members: [String: JSONValue] = ["op": "insert", "table": .string(table), "row": row.json]
            members["uuid-name"] = name.map { .string($0) }
            return .object(members)
        case .select(let table, let conditions, let columns):
            return [
                "op": "select", "table": .string(table), "where": conditions.json,
                "columns": .array(columns.map { .string($0) }),
            ]
        case .update(let table, let conditions, let row):
            return ["op": "update", "table": .string(table), "where": conditions.json, "row": row.json]
        case .mutate(let table, let conditions, let mutations):
            return [
                "op": "mutate", "table": .string(table), "where": conditions.json,
                "mutations": .array(
                    mutations.map { [.string($0.column), .string($0.mutator.rawValue), $0.value.json] }),
            ]
        case .wait(let table, let conditions, let columns, let until, let rows, let timeout):
            return [
                "op": "wait", "table": .string(table), "where": conditions.json,
                "columns": .array(columns.map { .string($0) }), "until": .string(until.rawValue),
                "rows": .array(rows.map(\.json)), "timeout": .integer(timeout),
            ]
        case .comment(let text): return ["op": "comment", "comment": .string(text)]
        }
    }
}

/// What a row has to meet.
public struct Condition: Hashable, Sendable {
    /// How a column is held against the value.
    public enum Function: String, Hashable, Sendable {
        case equals = "=="
        /// The column holds the value's atoms or pairs, all of them.
        case includes
    }

    public var column: String
    public var function: Function
    public var value: Value

    /// A condition: `Condition("name", .equals, .string("ovs0"))`.
    public init(_ column: String, _ function: Function, _ value: Value) {
        self.column = column
        self.function = function
        self.value = value
    }
}

/// A change of a column by what it holds.
public struct Mutation: Hashable, Sendable {
    /// What is done to the column.
    public enum Mutator: String, Hashable, Sendable {
        case add = "+="
        case insert
        case delete
    }

    public var column: String
    public var mutator: Mutator
    public var value: Value

    /// A mutation: `Mutation("next_cfg", .add, .integer(1))`.
    public init(_ column: String, _ mutator: Mutator, _ value: Value) {
        self.column = column
        self.mutator = mutator
        self.value = value
    }
}

/// What one operation came to.
public struct OperationResult: Hashable, Sendable {
    /// The rows that were selected.
    public var rows: [[String: Value]] = []
    /// How many rows it concerned, where it changes rows.
    public var count: Int64?
    /// The row that was inserted.
    public var uuid: String?
}

extension [String: Value] {
    fileprivate var json: JSONValue { .object(mapValues(\.json)) }
}

extension [Condition] {
    fileprivate var json: JSONValue {
        .array(map { [.string($0.column), .string($0.function.rawValue), $0.value.json] })
    }
}
