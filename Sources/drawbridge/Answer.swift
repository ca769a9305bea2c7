import DrawbridgeEngine
import DrawbridgeModel
import Synchronization

/// Carries what a task came to back to the command that waits for it.
final class Answer: Sendable {
    private let result = Mutex<Result<Outcome, DrawbridgeError>?>(nil)

    func set(_ value: Result<Outcome, DrawbridgeError>) { result.withLock { $0 = value } }
    func get() -> Result<Outcome, DrawbridgeError>? { result.withLock { $0 } }
}
