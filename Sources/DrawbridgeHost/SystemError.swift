import DrawbridgeModel
import Glibc

extension DrawbridgeError {
    /// An error of the system: the thing it is about, what could not be done, and the kernel's own text.
    init(system object: String, _ what: String, code: Int32 = errno) {
        self.init(.kernel, object, "\(what): \(Self.text(of: code))")
    }

    /// The text of an error number, as strerror(3) gives it.
    static func text(of code: Int32) -> String {
        strerror(code).map { String(cString: $0) } ?? "error \(code)"
    }
}
