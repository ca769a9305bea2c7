import Glibc
import Xenstore

/// What the store holds of one vif: what is asked for it, and what came of it.
struct VifStore: ~Copyable {
    /// How long to try while nobody serves the store, in milliseconds.
    private static let connectLimit = 10_000
    /// How long one answer may take, in seconds.
    private static let answerLimit = 5

    let location: StoreLocation
    /// The vif's directory.
    let path: String
    private var session: StoreSession

    /// Connects.
    ///
    /// - Parameter limit: how long to try, in milliseconds.
    init(_ location: StoreLocation, path: String, limit: Int = Self.connectLimit) throws(StoreError) {
        self.location = location
        self.path = path
        session = try Self.connect(location, limit: limit)
    }

    private static func connect(_ location: StoreLocation, limit: Int) throws(StoreError) -> StoreSession {
        let deadline = Clock.now() + limit
        while true {
            do throws(StoreError) {
                return try StoreSession(to: location, seconds: answerLimit)
            } catch {
                guard error.isOfConnection, Clock.now() < deadline else { throw error }
            }
            usleep(50_000)
        }
    }

    /// Whether udev's rules are to keep still, since the toolstack runs the scripts (Xen 4.2 to 4.5).
    mutating func saysUdevIsDisabled() throws(StoreError) -> Bool {
        try session.readIfPresent("libxl/disable_udev") != nil
    }

    /// The vif's keys, those that are there; nil if the vif itself is not.
    ///
    /// - Parameter identifiesDomain: whether the domain's UUID is asked for, and its name where the vif's directory
    ///   does not have it: Open vSwitch is told both.
    mutating func keys(identifyingDomain identifiesDomain: Bool) throws(StoreError) -> [String: String]? {
        guard try session.readIfPresent(path) != nil else { return nil }
        var keys: [String: String] = [:]
        for key in Grammar.storeKeys { keys[key] = try session.readIfPresent("\(path)/\(key)") }
        // libxl writes no name of the domain, only the domain's number; a driver domain may not read it.
        if keys["domain"] == nil, let number = keys["frontend-id"], UInt32(number) != nil {
            keys["name"] = try readIfPermitted("/local/domain/\(number)/name")
        }
        if identifiesDomain, let number = keys["frontend-id"], UInt32(number) != nil {
            keys["uuid"] = try uuid(ofDomain: number)
        }
        if let frontend = keys["frontend"], frontend.hasPrefix("/local/domain/") {
            // The guest can write there: what is neither of the two says nothing.
            let trusted = try readIfPermitted("\(frontend)/trusted")
            keys["trusted"] = trusted.flatMap { ["0", "1"].contains($0) ? $0 : nil }
        }
        return keys
    }

    /// The UUID of a domain; nil where the store does not tell, or not to a driver domain.
    private mutating func uuid(ofDomain number: String) throws(StoreError) -> String? {
        guard let path = try readIfPermitted("/local/domain/\(number)/vm") else { return nil }
        return try readIfPermitted("\(path)/uuid")
    }

    /// An entry of another domain's; nil where there is none, or where this domain may not read it.
    private mutating func readIfPermitted(_ path: String) throws(StoreError) -> String? {
        do throws(StoreError) {
            return try session.readIfPresent(path)
        } catch {
            guard !error.isOfConnection else { throw error }
            return nil
        }
    }

    /// Does something, and once more where the connection was cut: a store that was started anew knows what the old one
    /// knew.
    mutating func retrying<Value>(
        _ body: (inout VifStore) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        do throws(StoreError) {
            return try body(&self)
        } catch {
            guard error.isOfConnection else { throw error }
        }
        session = try Self.connect(location, limit: 2000)
        return try body(&self)
    }

    /// Tells the other end the MTU, at the path that the store itself names: a renamed device says nothing of it.
    mutating func tell(mtu: Int, to frontend: String?) throws(StoreError) {
        guard let frontend, frontend.hasPrefix("/local/domain/") else { return }
        _ = try session.write([(path: "\(frontend)/mtu", value: "\(mtu)")], where: frontend)
    }

    /// Says that the vif is connected; false if the vif has gone meanwhile.
    mutating func tellConnected() throws(StoreError) -> Bool {
        try session.write([(path: "\(path)/hotplug-status", value: "connected")], where: path)
    }

    /// Says why it is not; false if the vif has gone meanwhile.
    mutating func tell(error: String) throws(StoreError) -> Bool {
        try session.write(
            [
                (path: "\(path)/hotplug-error", value: error),
                (path: "\(path)/hotplug-status", value: "error"),
            ], where: path)
    }
}
