import Glibc

/// Whether there is a file of that name.
public func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// Reads a configuration file: at most ``ConfigurationLoader/maximumSize`` octets of UTF-8; nil if there is no
/// file of that name.
public func readConfigurationFile(_ path: String) throws(ConfigurationError) -> String? {
    func failure(_ message: String) -> ConfigurationError {
        ConfigurationError(Diagnostic(.error, file: path, message))
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
    guard descriptor >= 0 else {
        if errno == ENOENT { return nil }
        throw failure("cannot be opened: \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    var octets: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
        let count = read(descriptor, &buffer, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw failure("cannot be read: \(String(cString: strerror(errno)))") }
        guard count > 0 else { break }
        octets += buffer[..<count]
        guard octets.count <= ConfigurationLoader.maximumSize else {
            throw failure("has more than \(ConfigurationLoader.maximumSize) octets")
        }
    }
    guard let text = String(validating: octets, as: UTF8.self) else {
        let line = octets.prefix(validUTF8Count(octets)).count { $0 == 10 } + 1
        throw ConfigurationError(Diagnostic(.error, file: path, line: line, "is not UTF-8 from this line on"))
    }
    return text
}

/// How many of the leading octets are valid UTF-8.
private func validUTF8Count(_ octets: [UInt8]) -> Int {
    var decoder = UTF8()
    var iterator = octets.makeIterator()
    var valid = 0
    while case .scalarValue(let scalar) = decoder.decode(&iterator) { valid += UTF8.width(scalar) }
    return valid
}
