import Glibc
import Synchronization
import TestSupport
import Testing
import Xenstore

@Suite("A real xenstored", .timeLimit(.minutes(2)))
struct StoreTests {
    private func connection(_ store: TestStore) throws -> StoreConnection {
        try StoreConnection(to: .socket(store.socket))
    }

    @Test("an entry is written, read, listed and removed")
    func entries() async throws {
        let store = try TestStore()
        let connection = try connection(store)
        try await connection.write("/local/domain/3/device/vif/0/mtu", "1400")
        #expect(try await connection.read("/local/domain/3/device/vif/0/mtu") == "1400")
        try await connection.write("/local/domain/3/device/vif/0/mac", "")
        #expect(try await connection.directory("/local/domain/3/device/vif/0").sorted() == ["mac", "mtu"])
        #expect(try await connection.read("/local/domain/3/device/vif/0/mac").isEmpty)
        try await connection.remove("/local/domain/3")
        #expect(try await connection.readIfPresent("/local/domain/3/device/vif/0/mtu") == nil)
        #expect(try await connection.directoryIfPresent("/local/domain/3") == nil)
        try await connection.remove("/local/domain/3")
        await #expect(throws: StoreError.refused(code: "ENOENT", request: "read /local/domain/3")) {
            try await connection.read("/local/domain/3")
        }
    }

    @Test("a relative path is below the home of domain 0")
    func relativePaths() async throws {
        let store = try TestStore()
        let connection = try connection(store)
        try await connection.write("/local/domain/0/backend/vif/3/0/bridge", "xenbr0")
        #expect(try await connection.read("backend/vif/3/0/bridge") == "xenbr0")
        #expect(try await connection.path(ofDomain: 3) == "/local/domain/3")
        #expect(try await connection.isIntroduced(domain: 3) == false)
    }

    @Test("permissions are set and read back")
    func permissions() async throws {
        let store = try TestStore()
        let connection = try connection(store)
        try await connection.makeDirectory("/a")
        let permissions = [StorePermission(.none, domain: 0), StorePermission(.read, domain: 3)]
        try await connection.setPermissions(of: "/a", permissions)
        #expect(try await connection.permissions(of: "/a") == permissions)
    }

    @Test("a directory of more names than fit into a message is listed whole")
    func largeDirectory() async throws {
        let store = try TestStore()
        let connection = try connection(store)
        let names = (0..<900).map { "entry-\($0)" }
        for name in names { try await connection.write("/many/\(name)", "x") }
        #expect(try await connection.directory("/many").sorted() == names.sorted())
    }

    @Test("two transactions on one entry: the second is run again on what the first left")
    func transactions() async throws {
        let store = try TestStore()
        let first = try connection(store)
        let second = try connection(store)
        try await first.write("/counter", "1")
        let runs = Mutex(0)
        try await first.transaction { transaction throws(StoreError) in
            let value = Int(try await transaction.read("/counter")) ?? 0
            let run = runs.withLock { runs in
                runs += 1
                return runs
            }
            if run == 1 { try await second.write("/counter", "10") }
            try await transaction.write("/counter", "\(value + 1)")
        }
        #expect(runs.withLock { $0 } == 2)
        #expect(try await first.read("/counter") == "11")
    }

    @Test("twenty connections that count one entry up lose no count")
    func manyTransactions() async throws {
        let store = try TestStore()
        try await connection(store).write("/counter", "0")
        try await withThrowingTaskGroup { group in
            for _ in 0..<20 {
                let connection = try connection(store)
                group.addTask {
                    try await connection.transaction(attempts: 1000) { transaction throws(StoreError) in
                        let value = Int(try await transaction.read("/counter")) ?? 0
                        try await transaction.write("/counter", "\(value + 1)")
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await connection(store).read("/counter") == "20")
    }

    @Test("what throws within a transaction undoes it")
    func abort() async throws {
        let store = try TestStore()
        let connection = try connection(store)
        await #expect(throws: StoreError.invalid("no")) {
            try await connection.transaction { transaction throws(StoreError) in
                try await transaction.write("/a", "1")
                throw StoreError.invalid("no")
            }
        }
        #expect(try await connection.readIfPresent("/a") == nil)
    }

    @Test("a transaction that is always in the way is given up")
    func contention() async throws {
        let store = try TestStore()
        let connection = try connection(store)
        let other = try self.connection(store)
        try await connection.write("/a", "0")
        await #expect(throws: StoreError.contended(attempts: 3)) {
            try await connection.transaction(attempts: 3) { transaction throws(StoreError) in
                _ = try await transaction.read("/a")
                try await other.write("/a", "1")
                try await transaction.write("/a", "2")
            }
        }
    }

    @Test("a watch tells at once, and of every change below it")
    func watch() async throws {
        let store = try TestStore()
        let connection = try connection(store)
        let watch = try await connection.watch("backend/vif")
        var told = watch.makeAsyncIterator()
        #expect(try await told.next() == "backend/vif")
        try await connection.write("/local/domain/0/backend/vif/3/0/state", "2")
        #expect(try await told.next() == "backend/vif/3/0/state")
        try await self.connection(store).write("/local/domain/0/backend/vif/3/1/state", "2")
        #expect(try await told.next() == "backend/vif/3/1/state")
    }

    @Test("the arrival and the going of domains can be watched")
    func specialWatches() async throws {
        let store = try TestStore()
        let connection = try connection(store)
        var arrivals = try await connection.watch("@introduceDomain").makeAsyncIterator()
        var departures = try await connection.watch("@releaseDomain").makeAsyncIterator()
        #expect(try await arrivals.next() == "@introduceDomain")
        #expect(try await departures.next() == "@releaseDomain")
        try await connection.introduce(domain: 3, frame: 1, eventChannel: 1)
        #expect(try await arrivals.next() == "@introduceDomain")
        #expect(try await connection.isIntroduced(domain: 3))
        try await connection.release(domain: 3)
        #expect(try await departures.next() == "@releaseDomain")
        #expect(try await connection.isIntroduced(domain: 3) == false)
    }

    @Test("what a domain that is not there is asked for is refused, with the cause")
    func unknownDomain() async throws {
        let store = try TestStore()
        let connection = try connection(store)
        await #expect(throws: StoreError.refused(code: "ENOENT", request: "release domain 9")) {
            try await connection.release(domain: 9)
        }
        #expect(connection.failure == nil)
    }

    @Test("a store that is ended ends what is under way, and one that comes again is reached anew")
    func restart() async throws {
        var store: TestStore? = try TestStore()
        let location = StoreLocation.socket(try #require(store).socket)
        let connection = try StoreConnection(to: location)
        var told = try await connection.watch("/a").makeAsyncIterator()
        #expect(try await told.next() == "/a")
        store?.kill()
        await #expect(throws: StoreError.disconnected) { try await told.next() }
        await #expect(throws: StoreError.disconnected) { try await connection.read("/a") }
        store = nil
        #expect(throws: StoreError.self) { _ = try StoreConnection(to: location) }
        let next = try TestStore()
        try await StoreConnection(to: .socket(next.socket)).write("/a", "1")
    }

    @Test("a store that hangs is given up, and says so in one line")
    func hanging() async throws {
        let store = try TestStore()
        let connection = try StoreConnection(to: .socket(store.socket), seconds: 1)
        try await connection.write("/a", "1")
        store.suspend()
        await #expect(throws: StoreError.timeout(seconds: 1)) { try await connection.read("/a") }
        #expect(connection.failure == .timeout(seconds: 1))
        store.resume()
    }

    @Test("the session that waits writes only where its condition holds")
    func session() async throws {
        let store = try TestStore()
        var session = try StoreSession(to: .socket(store.socket))
        let values = [("/b/hotplug-error", "no"), ("/b/hotplug-status", "error")]
        #expect(try session.write(values.map { (path: $0.0, value: $0.1) }, where: "/b/mac") == false)
        #expect(try session.readIfPresent("/b/hotplug-error") == nil)
        _ = try session.perform(.write("/b/mac", []))
        #expect(try session.write(values.map { (path: $0.0, value: $0.1) }, where: "/b/mac"))
        #expect(try session.readIfPresent("/b/hotplug-error") == "no")
        #expect(try session.readIfPresent("/b/hotplug-status") == "error")
    }

    @Test("where no store is, none is found")
    func location() {
        #expect(StoreLocation.find(environment: ["XENSTORED_PATH": "/x"]) == .socket("/x"))
        #expect(throws: StoreError.self) { _ = try StoreConnection(to: .socket("/nowhere/socket")) }
        #expect(throws: StoreError.self) { _ = try StoreConnection(to: .device("/nowhere/xenbus")) }
    }
}
