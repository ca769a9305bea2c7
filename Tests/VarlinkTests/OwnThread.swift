import TestSupport
import Testing

/// Gives each case of a test a thread of its own: blocking clients would starve the tasks that answer them.
struct OwnThread: SuiteTrait, TestTrait, TestScoping {
    let isRecursive = true

    func provideScope(
        for test: Test, testCase: Test.Case?,
        performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        let executor = ThreadExecutor()
        defer { executor.finish() }
        try await withTaskExecutorPreference(executor) { try await function() }
    }

    func scopeProvider(for test: Test, testCase: Test.Case?) -> OwnThread? { testCase == nil ? nil : self }
}

extension Trait where Self == OwnThread {
    /// Each case runs on a thread of its own.
    static var ownThread: OwnThread { OwnThread() }
}
