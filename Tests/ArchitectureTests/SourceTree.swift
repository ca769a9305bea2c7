import Glibc
import Testing

/// A Swift source file of this package.
struct SourceFile: CustomTestStringConvertible {
    /// The target that it belongs to: the folder below `Sources`.
    var target: String
    /// The path from the package's folder.
    var path: String
    var lines: [Substring]

    var testDescription: String { path }

    /// The modules that the file imports, each with the number of the line that says so.
    ///
    /// Attributes, access levels and kinds (`@testable public import struct Module.Name`) are looked through.
    var imports: [(module: String, line: Int)] {
        var found: [(String, Int)] = []
        for (number, line) in lines.enumerated() {
            var words = line.split(separator: " ")
            while let first = words.first, first.hasPrefix("@") || Self.modifiers.contains(String(first)) {
                words.removeFirst()
            }
            guard words.first == "import", words.count > 1 else { continue }
            words.removeFirst()
            if Self.kinds.contains(String(words[0])), words.count > 1 { words.removeFirst() }
            let module = words[0].prefix { $0 != "." && $0 != ";" }
            found.append((String(module), number + 1))
        }
        return found
    }

    private static let modifiers: Set<String> = ["public", "package", "internal", "fileprivate", "private"]
    private static let kinds: Set<String> = [
        "struct", "class", "enum", "protocol", "typealias", "func", "let", "var",
    ]
}

/// The package's own files, found from where this test stands.
enum SourceTree {
    /// The package's folder.
    static let root = String(
        #filePath.split(separator: "/").dropLast(3).joined(separator: "/").withPrefix("/"))

    /// Every Swift file below `Sources`, ordered by path.
    static let sources: [SourceFile] = files(below: "Sources").map { path in
        let parts = path.split(separator: "/")
        return SourceFile(target: String(parts[1]), path: path, lines: lines(of: path))
    }

    /// The paths of the Swift files below a folder of the package.
    static func files(below folder: String) -> [String] {
        var found: [String] = []
        guard let directory = opendir("\(root)/\(folder)") else { return [] }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(".") { continue }
            let path = "\(folder)/\(name)"
            if Int32(entry.pointee.d_type) == DT_DIR {
                found += files(below: path)
            } else if name.hasSuffix(".swift") {
                found.append(path)
            }
        }
        return found.sorted()
    }

    /// The lines of a file of the package; none where it cannot be read.
    static func lines(of path: String) -> [Substring] {
        guard let file = fopen("\(root)/\(path)", "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    }
}

extension String {
    fileprivate func withPrefix(_ prefix: String) -> String { prefix + self }
}
