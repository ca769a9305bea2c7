import DrawbridgeAPI
import DrawbridgeEngine
import DrawbridgeModel
import Glibc
import LinuxHeaders
import Varlink

/// What the direct socket answers with: script events and vifs that bring their namespace along.
struct DirectService: Sendable {
    let operations: Operations
    let scriptDirectory: String
    let syslog: Syslog

    func answer(_ packet: DirectPacket, from caller: Caller) async -> DirectAnswer {
        // The packet closes what came with it when it goes: not before the answer is there.
        defer { withExtendedLifetime(packet) {} }
        let request: DirectRequest
        do throws(DirectMessageError) {
            guard !packet.isTruncated else {
                throw DirectMessageError("is longer than \(DirectMessage.maximumRequest) octets")
            }
            request = try DirectRequest(parsing: packet.content)
        } catch {
            return DirectAnswer(
                reply: Self.reply(to: DrawbridgeError(.invalidArgument, "message", error.description)))
        }
        switch request {
        case .script(let name, let arguments, let environment):
            return DirectAnswer(reply: await run(name, arguments, environment, by: caller))
        case .attach(let request):
            return DirectAnswer(
                reply: await attach(request, namespace: packet.descriptor, by: caller))
        case .tap(let vif, let hasVirtioHeader):
            return await makeTap(vif, hasVirtioHeader: hasVirtioHeader, by: caller)
        }
    }

    private func makeTap(
        _ vif: VifSpecification, hasVirtioHeader: Bool, by caller: Caller
    ) async -> DirectAnswer {
        do throws(DrawbridgeError) {
            let (answer, tap) = try await operations.addTap(
                vif, hasVirtioHeader: hasVirtioHeader, by: caller)
            let warnings = answer.outcome.warnings.joined(separator: "; ")
            return DirectAnswer(reply: DirectReply(exitCode: 0, message: warnings), tap: tap)
        } catch {
            return DirectAnswer(reply: Self.reply(to: error))
        }
    }

    private func run(
        _ name: String, _ arguments: [String], _ environment: [String: String], by caller: Caller
    ) async -> DirectReply {
        let script = name.split(separator: "/").last.map(String.init) ?? name
        let path = name.hasPrefix("/") ? name : "\(scriptDirectory)/\(script)"
        var invocation = ScriptInvocation(script: script, arguments: arguments, environment: environment)
        invocation.separateStore()
        let context = environment["XENBUS_PATH"].map { " XENBUS_PATH=\($0)" } ?? ""
        syslog.send(.debug, tag: path, arguments.joined(separator: " ") + context)
        let reply: DirectReply
        do throws(DrawbridgeError) {
            try ScriptFields.check(invocation)
            if let tap = TapScript(script) {
                reply = DirectReply(
                    exitCode: 0, message: try await tap.run(invocation, on: operations, by: caller))
            } else {
                let answer = try await operations.run(invocation, by: caller)
                reply = DirectReply(exitCode: answer.exitCode, message: answer.message, output: answer.output)
            }
        } catch {
            reply = Self.reply(to: error)
        }
        if reply.exitCode != 0 {
            syslog.send(.error, tag: path, reply.message)
        } else if !reply.message.isEmpty {
            syslog.send(.notice, tag: path, reply.message)
        }
        return reply
    }

    private func attach(_ request: AddVif, namespace: Int32?, by caller: Caller) async -> DirectReply {
        do throws(DrawbridgeError) {
            if let namespace { try Self.check(namespace: namespace) }
            let answer = try await operations.addVif(request, namespace: namespace, by: caller)
            let reply = Reply(Coding.encode(answer))
            return DirectReply(exitCode: 0, output: Self.text(of: reply))
        } catch {
            var reply = Self.reply(to: error)
            reply.output = Self.text(of: Reply(Failure(error).callError))
            return reply
        }
    }

    private static func text(of reply: Reply) -> String {
        String(decoding: reply.octets.dropLast(), as: UTF8.self)
    }

    private static func reply(to error: DrawbridgeError) -> DirectReply {
        DirectReply(exitCode: ExitCode(Failure(error)).rawValue, message: error.description)
    }

    /// Refuses what is not a network namespace, and the daemon's own (ioctl_ns(2)).
    static func check(namespace: Int32) throws(DrawbridgeError) {
        // NS_GET_NSTYPE is _IO(0xb7, 0x3), a macro that does not cross into Swift.
        let type = ioctl(namespace, 0xb703)
        guard type == Int32(LINUX_CLONE_NEWNET) else {
            throw DrawbridgeError(
                .invalidArgument, "namespace", "the descriptor that was passed is no network namespace",
                advice: "open /run/netns/NAME or /proc/PID/ns/net")
        }
        var passed = stat()
        var own = stat()
        guard fstat(namespace, &passed) == 0, stat("/proc/self/ns/net", &own) == 0 else {
            throw DrawbridgeError(.internal, "namespace", String(cString: strerror(errno)))
        }
        guard (passed.st_dev, passed.st_ino) != (own.st_dev, own.st_ino) else {
            throw DrawbridgeError(
                .invalidArgument, "namespace", "the namespace that was passed is the host's own")
        }
    }
}

extension ScriptInvocation {
    /// Takes what the client read in xenstore, `xenstore/bridge=xenbr0`, out of the variables. `xenstore/=` tells that
    /// there is a store.
    fileprivate mutating func separateStore() {
        let prefix = "xenstore/"
        for (name, value) in environment where name.hasPrefix(prefix) {
            environment[name] = nil
            let key = String(name.dropFirst(prefix.utf8.count))
            store = store ?? [:]
            if !key.isEmpty { store?[key] = value }
        }
    }
}

/// What the fields of a script event may hold. The client checks the same before it sends.
enum ScriptFields {
    static func check(_ invocation: ScriptInvocation) throws(DrawbridgeError) {
        guard isPlain(invocation.script), invocation.script.utf8.count <= 64 else {
            throw DrawbridgeError(
                .invalidArgument, "script", "its name has control characters or is too long")
        }
        for (index, argument) in invocation.arguments.enumerated() {
            guard isPlain(argument), argument.utf8.count <= 4096 else {
                throw DrawbridgeError(
                    .invalidArgument, invocation.script,
                    "argument \(index + 1) has control characters or more than 4096 octets")
            }
        }
        for (name, value) in invocation.environment.sorted(by: { $0.key < $1.key }) {
            guard known.contains(name) else {
                throw DrawbridgeError(
                    .invalidArgument, invocation.script, "the variable '\(name)' is not one that is passed")
            }
            guard isPlain(value), value.utf8.count <= 4096 else {
                throw DrawbridgeError(
                    .invalidArgument, invocation.script,
                    "the variable \(name) has control characters or more than 4096 octets")
            }
        }
        for (key, value) in (invocation.store ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard VifEvent.storeKeys.contains(key) else {
                throw DrawbridgeError(
                    .invalidArgument, invocation.script, "'\(key)' is no key of the store that is read")
            }
            guard isPlain(value), value.utf8.count <= 4096 else {
                throw DrawbridgeError(
                    .invalidArgument, invocation.script,
                    "\(key) in the store has control characters or more than 4096 octets")
            }
        }
    }

    /// The variables that hypervisors set, and the keys that take the place of a store.
    static let known: Set<String> = [
        "XENBUS_PATH", "XENBUS_TYPE", "XENBUS_BASE_PATH", "vif", "INTERFACE", "script", "netdev", "UDEV_CALL",
        "ACTION", "bridge", "ip", "mac", "mtu", "vifname", "rate", "rate_in", "rate_packets",
        "rate_in_packets", "gatewaydev",
        "vlan",
        "DRAWBRIDGE_EVENT",
    ]

    private static func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 32 && $0 != 127 }
    }
}
