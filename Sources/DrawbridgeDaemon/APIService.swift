import DrawbridgeAPI
import DrawbridgeEngine
import DrawbridgeModel
import Varlink

/// `io.drawbridge` as a Varlink interface: one method of the wire is one operation.
struct APIService: Sendable {
    let operations: Operations

    /// The interface, for a service.
    func interface() -> Interface? {
        Interface(description: API.description) { call, stream throws(CallError) in
            try await answer(call, stream)
        }
    }

    private func answer(_ call: IncomingCall, _ stream: ReplyStream) async throws(CallError) -> JSONValue {
        let caller = Caller(call.peer)
        switch call.method {
        case GetStatus.method:
            return try await perform(GetStatus.self, call) { _ throws(DrawbridgeError) in
                try await operations.status(by: caller)
            }
        case GetDaemonStatus.method:
            return try await perform(GetDaemonStatus.self, call) { _ throws(DrawbridgeError) in
                try await operations.daemonStatus(by: caller)
            }
        case StartNetwork.method:
            return try await perform(StartNetwork.self, call) { request throws(DrawbridgeError) in
                try await operations.startNetwork(request, by: caller)
            }
        case StopNetwork.method:
            return try await perform(StopNetwork.self, call) { request throws(DrawbridgeError) in
                try await operations.stopNetwork(request, by: caller)
            }
        case ListNetworks.method:
            return try await perform(ListNetworks.self, call) { _ throws(DrawbridgeError) in
                try await operations.networks(by: caller)
            }
        case GetNetwork.method:
            return try await perform(GetNetwork.self, call) { request throws(DrawbridgeError) in
                try await operations.network(request, by: caller)
            }
        case AddVif.method:
            return try await perform(AddVif.self, call) { request throws(DrawbridgeError) in
                try await operations.addVif(request, namespace: nil, by: caller)
            }
        case RemoveVif.method:
            return try await perform(RemoveVif.self, call) { request throws(DrawbridgeError) in
                try await operations.removeVif(request, by: caller)
            }
        case SetVif.method:
            return try await perform(SetVif.self, call) { request throws(DrawbridgeError) in
                try await operations.setVif(request, by: caller)
            }
        case MoveVif.method:
            return try await perform(MoveVif.self, call) { request throws(DrawbridgeError) in
                try await operations.moveVif(request, by: caller)
            }
        case ListVifs.method:
            return try await perform(ListVifs.self, call) { _ throws(DrawbridgeError) in
                try await operations.vifs(by: caller)
            }
        case GetVif.method:
            return try await perform(GetVif.self, call) { request throws(DrawbridgeError) in
                try await operations.vif(request, by: caller)
            }
        case ListAddresses.method:
            return try await perform(ListAddresses.self, call) { _ throws(DrawbridgeError) in
                try await operations.addresses(by: caller)
            }
        case AddForward.method:
            return try await perform(AddForward.self, call) { request throws(DrawbridgeError) in
                try await operations.addForward(request, by: caller)
            }
        case RemoveForward.method:
            return try await perform(RemoveForward.self, call) { request throws(DrawbridgeError) in
                try await operations.removeForward(request, by: caller)
            }
        case ListForwards.method:
            return try await perform(ListForwards.self, call) { _ throws(DrawbridgeError) in
                try await operations.forwards(by: caller)
            }
        case FollowEvents.method: return try await follow(call, stream, by: caller)
        case ReloadConfiguration.method:
            return try await perform(ReloadConfiguration.self, call) { request throws(DrawbridgeError) in
                try await operations.reload(request, by: caller)
            }
        case Shutdown.method:
            return try await perform(Shutdown.self, call) { request throws(DrawbridgeError) in
                try await operations.shutDown(request, by: caller)
            }
        default: throw .methodNotImplemented("\(API.interface).\(call.method)")
        }
    }

    private func perform<R: Request>(
        _ type: R.Type, _ call: IncomingCall, _ body: (R) async throws(DrawbridgeError) -> R.Answer
    ) async throws(CallError) -> JSONValue {
        let request = try Coding.decode(type, from: call.parameters)
        do throws(DrawbridgeError) {
            return Coding.encode(try await body(request))
        } catch {
            throw Failure(error).callError
        }
    }

    private func follow(
        _ call: IncomingCall, _ stream: ReplyStream, by caller: Caller
    ) async throws(CallError) -> JSONValue {
        let request = try Coding.decode(FollowEvents.self, from: call.parameters)
        guard call.more else { throw .expectedMore }
        let events: AsyncStream<EventRecord>
        do throws(DrawbridgeError) {
            events = try await operations.events(request, by: caller)
        } catch {
            throw Failure(error).callError
        }
        for await event in events {
            stream.send(Coding.encode(FollowEvents.Answer(event: EventReport(event))))
        }
        return Coding.encode(FollowEvents.Answer())
    }
}
