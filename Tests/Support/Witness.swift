import Glibc

/// What a program printed and how it ended.
public struct ProgramResult: Sendable {
    public var status: Int32
    public var output: String
}

/// Runs an independent witness such as `ip`, `bridge` or `nft` in the thread's network namespace and returns what it
/// printed, standard error included.
/// - Throws: ``TestFailure`` where it cannot be run or does not end with 0.
@discardableResult
public func run(_ program: String, _ arguments: String...) throws -> String {
    let result = try execute([program] + arguments)
    guard result.status == 0 else {
        throw TestFailure(
            "\(program) \(arguments.joined(separator: " ")): \(result.status): \(result.output)")
    }
    return result.output
}

/// Runs a program and returns how it ended, whatever that is.
public func execute(_ arguments: [String]) throws -> ProgramResult {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw TestFailure("pipe: errno \(errno)") }
    defer { close(ends[0]) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    words.append(nil)
    defer { for word in words { free(word) } }
    var process: pid_t = 0
    let status = posix_spawnp(&process, arguments[0], &actions, nil, words, environ)
    close(ends[1])
    guard status == 0 else { throw TestFailure("\(arguments[0]): cannot be run: errno \(status)") }
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = read(ends[0], &chunk, chunk.count)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { break }
        output += chunk[..<count]
    }
    var ended: Int32 = 0
    while waitpid(process, &ended, 0) < 0, errno == EINTR {}
    let code = ended & 0x7f == 0 ? ended >> 8 & 0xff : -(ended & 0x7f)
    return ProgramResult(status: code, output: String(decoding: output, as: UTF8.self))
}
