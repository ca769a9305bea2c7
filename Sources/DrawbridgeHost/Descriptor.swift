import Glibc

/// A file descriptor that is closed once, by its owner's end.
struct Descriptor: ~Copyable {
    let number: Int32

    /// Takes over a descriptor; nil where a call failed and returned a negative one.
    init?(_ number: Int32) {
        guard number >= 0 else { return nil }
        self.number = number
    }

    deinit { close(number) }

    /// Gives it up without closing it.
    consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }
}

/// Reads all of a small file, as those under `/proc` and `/sys` are; nil where it cannot be opened or read.
func contents(ofFile path: String, limit: Int = 8 << 20) -> [UInt8]? {
    guard let file = Descriptor(open(path, O_RDONLY | O_CLOEXEC)) else { return nil }
    return contents(of: file.number, limit: limit)
}

/// Reads what is left of an open file; nil on an error.
func contents(of descriptor: Int32, limit: Int = 8 << 20) -> [UInt8]? {
    withUnsafeTemporaryAllocation(byteCount: 8192, alignment: 1) { chunk in
        var bytes: [UInt8] = []
        while bytes.count < limit {
            let count = read(descriptor, chunk.baseAddress, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { break }
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: chunk[..<count]))
        }
        return bytes
    }
}

/// A file's text; nil where it cannot be read.
func text(ofFile path: String) -> String? {
    contents(ofFile: path).map { String(decoding: $0, as: UTF8.self) }
}

/// The names in a directory, without `.` and `..`; empty where it cannot be read.
func names(inDirectory path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    return names(in: directory)
}

/// The names in an open directory, without `.` and `..`.
func names(in directory: OpaquePointer) -> [String] {
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
            tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names
}
