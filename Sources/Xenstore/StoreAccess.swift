/// What can be done with the store, within a transaction or without one.
public protocol StoreAccess: Sendable {
    /// Asks, and waits for the answer's payload.
    func perform(_ request: StoreRequest) async throws(StoreError) -> [UInt8]
}

extension StoreAccess {
    /// The octets of an entry.
    public func readOctets(_ path: String) async throws(StoreError) -> [UInt8] {
        try await perform(.read(path))
    }

    /// The value of an entry as text.
    public func read(_ path: String) async throws(StoreError) -> String {
        String(decoding: try await perform(.read(path)), as: UTF8.self)
    }

    /// The value of an entry as text; nil if there is no such entry.
    public func readIfPresent(_ path: String) async throws(StoreError) -> String? {
        do throws(StoreError) {
            return try await read(path)
        } catch {
            guard error.isMissing else { throw error }
            return nil
        }
    }

    /// Makes an entry, and those above it that are missing, or changes its value.
    public func write(_ path: String, _ value: String) async throws(StoreError) {
        _ = try await perform(.write(path, Array(value.utf8)))
    }

    /// The names right below an entry; also of one with more than fit into a message.
    public func directory(_ path: String) async throws(StoreError) -> [String] {
        do throws(StoreError) {
            return StoreReply.texts(try await perform(.directory(path)))
        } catch {
            guard error.code == "E2BIG" else { throw error }
        }
        return try await directoryInParts(path)
    }

    /// As ``directory(_:)``; nil if there is no such entry.
    public func directoryIfPresent(_ path: String) async throws(StoreError) -> [String]? {
        do throws(StoreError) {
            return try await directory(path)
        } catch {
            guard error.isMissing else { throw error }
            return nil
        }
    }

    /// Makes an entry without a value, where there is none.
    public func makeDirectory(_ path: String) async throws(StoreError) {
        _ = try await perform(.makeDirectory(path))
    }

    /// Removes an entry and everything below it; one that is not there is removed already.
    public func remove(_ path: String) async throws(StoreError) {
        do throws(StoreError) {
            _ = try await perform(.remove(path))
        } catch {
            guard error.isMissing else { throw error }
        }
    }

    /// Who may do what with an entry.
    public func permissions(of path: String) async throws(StoreError) -> [StorePermission] {
        var permissions: [StorePermission] = []
        for text in StoreReply.texts(try await perform(.getPermissions(path))) {
            guard let permission = StorePermission(text) else { throw .malformed("permission '\(text)'") }
            permissions.append(permission)
        }
        return permissions
    }

    /// Sets who may do what with an entry; the first names its owner.
    public func setPermissions(
        of path: String, _ permissions: [StorePermission]
    ) async throws(StoreError) {
        _ = try await perform(.setPermissions(path, permissions))
    }

    /// Makes a domain known to the store.
    public func introduce(
        domain: UInt32, frame: UInt64, eventChannel: UInt32
    ) async throws(StoreError) {
        _ = try await perform(.introduce(domain: domain, frame: frame, eventChannel: eventChannel))
    }

    /// Makes the store forget a domain.
    public func release(domain: UInt32) async throws(StoreError) {
        _ = try await perform(.release(domain: domain))
    }

    /// Whether the store knows a domain.
    public func isIntroduced(domain: UInt32) async throws(StoreError) -> Bool {
        StoreReply.texts(try await perform(.isIntroduced(domain: domain))).first == "T"
    }

    /// The home of a domain: `/local/domain/3`.
    public func path(ofDomain domain: UInt32) async throws(StoreError) -> String {
        StoreReply.texts(try await perform(.domainPath(domain))).first ?? ""
    }

    /// Lists in pieces, and from the start again when the entry changes between two of them.
    private func directoryInParts(_ path: String) async throws(StoreError) -> [String] {
        let attempts = 100
        attempt: for _ in 0..<attempts {
            var octets: [UInt8] = []
            var generation: String?
            while true {
                let part = try await perform(.directoryPart(path, offset: octets.count))
                guard let end = part.firstIndex(of: 0) else { throw .malformed("a part of a directory") }
                let found = String(decoding: part[..<end], as: UTF8.self)
                if let generation, generation != found { continue attempt }
                generation = found
                let names = part[(end + 1)...]
                // The last part ends with an empty name.
                let isLast =
                    names.isEmpty || names.elementsEqual([0]) || names.suffix(2).elementsEqual([0, 0])
                octets += isLast ? names.dropLast() : names
                if isLast { return StoreReply.texts(octets) }
            }
        }
        throw .contended(attempts: attempts)
    }
}
