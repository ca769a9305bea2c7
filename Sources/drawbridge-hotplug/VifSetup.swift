import Glibc

/// `vif-setup`: goes over into the script that the store names, with the words that follow its name (Xen's rules for
/// udev called it, since a rule cannot split them), or `vif-bridge` where none is named.
enum VifSetup {
    /// Does not return unless it fails.
    static func run(_ event: Event) -> Failure {
        let directory = event.calledAs.lastIndex(of: "/").map { event.calledAs[...$0] } ?? ""
        var words = (event.variable("script") ?? "").split(whereSeparator: { $0 == " " || $0 == "\t" })
            .map(String.init)
        if words.isEmpty { words = [directory + "vif-bridge"] }
        if !words[0].contains("/") { words[0] = directory + words[0] }
        guard words[0].split(separator: "/").last != "vif-setup" else {
            return Failure(.usage, "\(words[0]): calls itself; name the script that connects the vif")
        }
        let arguments = words.map { Array($0.utf8) } + event.arguments
        var pointers = arguments.map { octets in strdup(String(decoding: octets, as: UTF8.self)) }
        pointers.append(nil)
        execv(words[0], pointers)
        return Failure(.failed, "\(words[0]): \(String(cString: strerror(errno)))")
    }
}
