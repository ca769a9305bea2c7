import CYAML
import SExpression

/// A part of a YAML document, with the place where it begins.
struct YAMLNode {
    enum Content {
        /// A single value; `isQuoted` is whether it had quotes or stood in a block.
        case scalar(String, isQuoted: Bool)
        case sequence([YAMLNode])
        case mapping([(key: YAMLNode, value: YAMLNode)])
    }

    var content: Content
    var place: SourceLocation

    /// What it is, for people.
    var kind: String {
        switch content {
        case .scalar("", isQuoted: false): "nothing"
        case .scalar(let text, _): "'\(text)'"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// Reads a YAML text by libyaml's events. Anchors, aliases, tags and further documents are refused.
struct YAMLReader {
    /// How deep a document may be nested.
    static let maximumDepth = 16

    /// The content of the only document; nil if there is none.
    static func read(_ text: String, file: String) throws(ConfigurationError) -> YAMLNode? {
        func refuse(_ place: SourceLocation?, _ message: String, _ expected: String? = nil)
            -> ConfigurationError
        {
            ConfigurationError(
                Diagnostic(
                    .error, file: file, line: place?.line, column: place?.column, message, expected: expected)
            )
        }
        // The parser keeps a pointer into the text and into itself, so both stay where they are.
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        defer { parser.deallocate() }
        guard yaml_parser_initialize(parser) == 1 else { throw refuse(nil, "there is no memory to read it") }
        defer { yaml_parser_delete(parser) }
        let octets = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: text.utf8.count)
        defer { octets.deallocate() }
        _ = octets.initialize(from: text.utf8)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, octets.baseAddress, octets.count)

        var root: YAMLNode?
        var documents = 0
        // What is open, with the keys and values it has so far.
        var open: [(place: SourceLocation, isMapping: Bool, parts: [YAMLNode])] = []
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(parser, &event) == 1 else {
                throw refuse(problemPlace(parser.pointee, text), problem(parser.pointee))
            }
            defer { yaml_event_delete(&event) }
            let place = location(event.start_mark)
            var finished: YAMLNode?
            switch event.type {
            case YAML_STREAM_END_EVENT: return root
            case YAML_DOCUMENT_START_EVENT:
                documents += 1
                guard documents == 1 else { throw refuse(place, "a second document begins", "only one") }
            case YAML_ALIAS_EVENT:
                throw refuse(place, "aliases are not supported", "the value itself")
            case YAML_SCALAR_EVENT:
                let scalar = event.data.scalar
                guard scalar.anchor == nil else { throw refuse(place, "anchors are not supported") }
                guard scalar.tag == nil else {
                    throw refuse(place, "tags are not supported", "a value alone")
                }
                let value = String(
                    decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
                finished = YAMLNode(
                    content: .scalar(value, isQuoted: scalar.style != YAML_PLAIN_SCALAR_STYLE), place: place)
            case YAML_SEQUENCE_START_EVENT, YAML_MAPPING_START_EVENT:
                let isMapping = event.type == YAML_MAPPING_START_EVENT
                let start = event.data
                guard (isMapping ? start.mapping_start.anchor : start.sequence_start.anchor) == nil else {
                    throw refuse(place, "anchors are not supported")
                }
                guard (isMapping ? start.mapping_start.tag : start.sequence_start.tag) == nil else {
                    throw refuse(place, "tags are not supported", "a value alone")
                }
                guard open.count < maximumDepth else { throw refuse(place, "is nested too deep") }
                open.append((place, isMapping, []))
            case YAML_SEQUENCE_END_EVENT:
                if let last = open.popLast() {
                    finished = YAMLNode(content: .sequence(last.parts), place: last.place)
                }
            case YAML_MAPPING_END_EVENT:
                if let last = open.popLast() {
                    let pairs = stride(from: 0, to: last.parts.count - 1, by: 2).map {
                        (key: last.parts[$0], value: last.parts[$0 + 1])
                    }
                    finished = YAMLNode(content: .mapping(pairs), place: last.place)
                }
            default: break
            }
            guard let finished else { continue }
            if open.isEmpty { root = finished } else { open[open.count - 1].parts.append(finished) }
        }
    }

    private static func location(_ mark: yaml_mark_t) -> SourceLocation {
        SourceLocation(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    private static func problem(_ parser: yaml_parser_t) -> String {
        let problem = parser.problem.map { String(cString: $0) } ?? "it is not YAML"
        guard let context = parser.context else { return problem }
        return "\(String(cString: context)), \(problem)"
    }

    /// Where the problem is. Of a character that is not allowed libyaml tells only how many octets stand
    /// before it.
    private static func problemPlace(_ parser: yaml_parser_t, _ text: String) -> SourceLocation? {
        guard parser.error == YAML_READER_ERROR else { return location(parser.problem_mark) }
        var place = SourceLocation(line: 1, column: 1)
        var offset = 0
        for scalar in text.unicodeScalars {
            guard offset < parser.problem_offset else { break }
            offset += UTF8.width(scalar)
            if scalar == "\n" {
                place = SourceLocation(line: place.line + 1, column: 1)
            } else {
                place.column += 1
            }
        }
        return place
    }
}
