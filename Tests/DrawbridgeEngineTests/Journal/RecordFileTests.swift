import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes
import Testing

@testable import DrawbridgeEngine

@Suite struct RecordFileTests {
    let sample = SampleState()
    var identity: JournalIdentity {
        JournalIdentity(
            bootID: "d51a6b70-53a6-4d8f-b0cb-8a9f3c8e2a11", namespaceCookie: UInt64.max, uplinkIndex: 2,
            uplinkAddress: MACAddress("00:16:3e:5e:6c:00"), programVersion: "0.1.0")
    }
    var record: BaselineRecord {
        BaselineRecord(
            network: Network(name: sample.network, uplink: .named(LinkName("enp3s0")!)), state: sample.state,
            takenAt: 12345, identity: identity)
    }

    @Test func `A record is read as it was written`() throws {
        let bytes = try RecordFile.encode(record, kind: "baseline")
        #expect(
            try RecordFile.decode(BaselineRecord.self, kind: "baseline", from: bytes, file: "f") == record)
    }

    @Test func `Equal records are written alike, however their dictionaries were filled`() throws {
        let bytes = try RecordFile.encode(record, kind: "baseline")
        var other = record
        // The same content in dictionaries with another history, and so with another order of their own.
        for key in other.state.links.keys.sorted(by: { "\($0)" > "\($1)" }) {
            let link = other.state.links.removeValue(forKey: key)
            other.state.links.reserveCapacity(512)
            other.state.links[key] = link
        }
        let metrics = other.state.routes[0].metrics
        other.state.routes[0].metrics = [:]
        for (key, value) in metrics.sorted(by: { $0.key > $1.key }) {
            other.state.routes[0].metrics[key] = value
        }
        for (key, value) in other.state.nexthops.sorted(by: { $0.key > $1.key }) {
            other.state.nexthops[key] = nil
            other.state.nexthops.reserveCapacity(1000)
            other.state.nexthops[key] = value
        }
        #expect(other == record)
        #expect(try RecordFile.encode(other, kind: "baseline") == bytes)
    }

    @Test func `A host with 500 routes fits into a quarter of a megabyte`() throws {
        var record = record
        record.state.routes = (0..<500).map { number in
            var route = Route<LinkKey>(.ipv4, to: Prefix("10.\(number / 250).\(number % 250).0/24"))
            route.nexthops = [RouteNexthop(device: sample.uplink, gateway: IPAddress("192.0.2.1"))]
            return route
        }
        #expect(try RecordFile.encode(record, kind: "baseline").count < 256 << 10)
    }

    @Test func `Every change of one octet, and every truncation, is found`() throws {
        var record = record
        record.state = HostState()
        let bytes = try RecordFile.encode(record, kind: "baseline")
        func isRefused(_ bytes: [UInt8]) -> Bool {
            (try? RecordFile.decode(BaselineRecord.self, kind: "baseline", from: bytes, file: "f")) == nil
        }
        #expect(!isRefused(bytes))
        var accepted: [String] = []
        for index in bytes.indices {
            for change: UInt8 in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
                var changed = bytes
                changed[index] ^= change
                if !isRefused(changed) { accepted.append("octet \(index) by \(change)") }
            }
            if !isRefused(Array(bytes[..<index])) { accepted.append("cut at \(index)") }
        }
        if !isRefused(bytes + [10]) { accepted.append("an octet more") }
        #expect(accepted.isEmpty)
    }

    @Test func `What is wrong with a record is told`() throws {
        let bytes = try RecordFile.encode(record, kind: "baseline")
        func cause(_ bytes: [UInt8], kind: String = "baseline") -> RecordError.Cause? {
            do throws(RecordError) {
                _ = try RecordFile.decode(BaselineRecord.self, kind: kind, from: bytes, file: "/run/f")
                return nil
            } catch {
                #expect(error.file == "/run/f")
                return error.cause
            }
        }
        #expect(cause([]) == .notARecord)
        #expect(cause(Array("no record\n".utf8)) == .notARecord)
        #expect(cause(Array("drawbridge-record 2 whatever comes\nthen".utf8)) == .newerFormat(2))
        #expect(cause(bytes, kind: "settled") == .otherKind("baseline"))
        let end = bytes.firstIndex(of: 10)! + 1
        #expect(cause(bytes.dropLast()) == .length(expected: bytes.count - end, found: bytes.count - end - 1))
        var damaged = bytes
        damaged[end + 20] ^= 1
        #expect(cause(damaged) == .checksum)
        let settled = SettledRecord(state: HostState(), takenAt: 1, identity: identity)
        guard case .content? = cause(try RecordFile.encode(settled, kind: "baseline")) else {
            Issue.record("a record without its network was accepted")
            return
        }
        let error = RecordError("/run/f", .newerFormat(2)).reported
        #expect(error.kind == .journal)
        #expect(error.description.contains("/run/f: a later version"))
    }

    @Test func `The checksum is that of RFC 3720`() {
        // RFC 3720, B.4: 32 octets of zeros, and of ones; and the check value of every CRC catalogue.
        #expect(Checksum.crc32c([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(Checksum.crc32c([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
        #expect(Checksum.crc32c("123456789".utf8) == 0xe306_9283)
    }

    @Test func `A record of another boot, namespace or uplink is refused with the cause`() {
        let then = identity
        var now = then
        now.programVersion = "9.9.9"
        #expect(then.mismatch(with: now) == nil)
        now = then
        now.bootID = "other"
        #expect(then.mismatch(with: now)?.contains("before the machine was started") == true)
        now = then
        now.namespaceCookie = 1
        #expect(then.mismatch(with: now)?.contains("another network namespace") == true)
        now = then
        now.uplinkIndex = 3
        #expect(then.mismatch(with: now)?.contains("was interface 2 and is now interface 3") == true)
        now = then
        now.uplinkAddress = MACAddress("00:16:3e:5e:6c:99")
        #expect(then.mismatch(with: now)?.contains("permanent address") == true)
        now.uplinkAddress = nil
        #expect(then.mismatch(with: now) == nil)
    }
}
