public import DrawbridgeModel

extension HostEngine {
    public func attach(
        _ request: VifRequest, namespace: Int32?, dryRun: Bool, by caller: Caller
    ) async throws(DrawbridgeError) -> Outcome {
        let work = Work(request: request, namespace: namespace, caller: caller)
        if let call = ownVifScript { return try await attach(work, by: call, dryRun: dryRun) }
        guard dryRun else { return try await awaitTurn(.attach(work)) }
        await turn.begin()
        defer { turn.end() }
        return try await attachNow([work], dryRun: true).first ?? Outcome(changed: false)
    }

    public func detach(_ id: VifID, dryRun: Bool, by caller: Caller) async throws(DrawbridgeError) -> Outcome
    {
        if ownVifScript == nil, !dryRun { return try await awaitTurn(.remove(id, caller)) }
        await turn.begin()
        defer { turn.end() }
        if let call = ownVifScript {
            _ = try permitted(id, caller)
            if let known = attachments[id] { return try await detach(known, by: call, dryRun: dryRun) }
        }
        return try await detachNow([try permitted(id, caller)], dryRun: dryRun).first
            ?? Outcome(changed: false)
    }

    /// One attach of a transaction.
    struct Work: Sendable {
        var request: VifRequest
        /// The namespace for the guest's end of a pair; open until the attach is answered.
        var namespace: Int32?
        var caller: Caller
        /// Whether it may leave a network that is no bridge: what was there of it is gone.
        var isMove = false
    }

    /// What waits for its turn.
    enum PendingEvent: Sendable {
        case attach(Work)
        /// A vif that has to be attached, removed by somebody who may.
        case remove(VifID, Caller)
        /// A vif that goes offline, attached or not.
        case offline(VifRequest)

        var id: VifID {
            switch self {
            case .attach(let work): work.request.id
            case .remove(let id, _): id
            case .offline(let request): request.id
            }
        }

        var isAttach: Bool { if case .attach = self { true } else { false } }
    }

    /// An event with the one who waits for its end.
    struct Pending: Sendable {
        var event: PendingEvent
        var answer: CheckedContinuation<Result<Outcome, DrawbridgeError>, Never>
    }

    /// Handles an event of a vif, together with what waits for its turn by then.
    func awaitTurn(_ event: PendingEvent) async throws(DrawbridgeError) -> Outcome {
        let result: Result<Outcome, DrawbridgeError> = await withCheckedContinuation { continuation in
            pending.append(Pending(event: event, answer: continuation))
            // The first to wait takes the turn for all who wait by then.
            if pending.count == 1 { Task { await self.handlePending() } }
        }
        return try result.get()
    }

    private func handlePending() async {
        await turn.begin()
        defer { turn.end() }
        var rest = pending[...]
        let isMany = rest.count >= UnusedMemory.manyVifs
        pending = []
        // In the order of their arrival: those of one kind that follow each other are one transaction, as long as
        // no vif occurs twice.
        while let first = rest.first {
            var ids: Set<VifID> = []
            let run = rest.prefix {
                $0.event.isAttach == first.event.isAttach && ids.insert($0.event.id).inserted
            }
            rest = rest.dropFirst(run.count)
            let results =
                first.event.isAttach ? await attachEach(run.compactMap(\.work)) : await detachEach(run)
            for (one, result) in zip(run, results) { one.answer.resume(returning: result) }
        }
        if isMany { Task { self.giveBackMemory() } }
    }

    /// Once the answers are out and nothing waits.
    private func giveBackMemory() {
        if pending.isEmpty { UnusedMemory.giveBack() }
    }

    /// Attaches in one transaction; where that fails, each on its own, which tells who is at fault.
    func attachEach(_ work: [Work]) async -> [Result<Outcome, DrawbridgeError>] {
        do throws(DrawbridgeError) {
            return try await attachNow(work, dryRun: false).map { .success($0) }
        } catch {
            guard work.count > 1 else {
                for one in work { log.add("vif-online", "\(one.request.id)", error: "\(error)") }
                return work.map { _ in .failure(error) }
            }
        }
        var results: [Result<Outcome, DrawbridgeError>] = []
        for one in work { results += await attachEach([one]) }
        return results
    }

    private func detachEach(_ run: ArraySlice<Pending>) async -> [Result<Outcome, DrawbridgeError>] {
        do throws(DrawbridgeError) {
            var requests: [VifRequest] = []
            for one in run { requests.append(try request(of: one.event)) }
            return try await detachNow(requests, dryRun: false).map { .success($0) }
        } catch {
            guard run.count > 1 else { return run.map { _ in .failure(error) } }
        }
        var results: [Result<Outcome, DrawbridgeError>] = []
        for one in run { results += await detachEach([one]) }
        return results
    }

    private func request(of event: PendingEvent) throws(DrawbridgeError) -> VifRequest {
        switch event {
        case .attach(let work): work.request
        case .offline(let request): request
        case .remove(let id, let caller): try permitted(id, caller)
        }
    }

    /// The request of an attached vif that the caller may remove.
    private func permitted(_ id: VifID, _ caller: Caller) throws(DrawbridgeError) -> VifRequest {
        guard let known = attachments[id] else {
            throw DrawbridgeError(
                .notFound, "\(id)", "is not attached", advice: "'drawbridge vif list' shows those that are")
        }
        guard caller.isRoot || known.request.owner == caller.user else {
            throw DrawbridgeError(.permissionDenied, "\(id)", "belongs to another user", advice: "ask root")
        }
        return known.request
    }
}

extension HostEngine.Pending {
    fileprivate var work: HostEngine.Work? {
        if case .attach(let work) = event { work } else { nil }
    }
}
