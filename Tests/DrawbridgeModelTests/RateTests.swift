import DrawbridgeModel
import Testing

@Suite("Rates")
struct RateTests {
    private func read(_ text: String) throws -> RateText.Reading { try RateText.read(text) }

    @Test(
        "§7-107: every spelling gives the credit of the rule",
        arguments: [
            ("10Mb/s", "62500,50000"), ("250KB/s", "12500,50000"), ("1MB/s@20ms", "20000,20000"),
            ("10MB/s@20ms", "200000,20000"), ("10MB/s@50ms", "500000,50000"), ("3MB/s", "150000,50000"),
            ("1GB/s", "50000000,50000"), ("100GB/s", "5000000000,50000"), ("1B/s", "0,50000"),
            ("8b/s", "0,50000"), ("1000b/s@1s", "125,1000000"), ("100Kb/s@100us", "1,100"),
            ("100Kb/s@100u", "1,100"), ("1MB/s@20m", "20000,20000"), ("1MB/s@4294s", "4294000000,4294000000"),
            ("10Mb/s@20", "25000000,20000000"), ("010Mb/s", "50000,50000"), ("1MB/s@020ms", "16000,16000"),
            ("10Mb/s@50ms", "62500,50000"), ("62500,50000", "62500,50000"),
        ])
    func credit(text: String, stored: String) throws {
        #expect(try read(text).limit.rate?.stored == stored)
    }

    @Test(
        "§7-107: zero, overflow, an unknown unit and an empty interval name the cause",
        arguments: [
            ("", "no rate is specified"), ("foo", "'foo' is not a rate"), ("10M", "'10M' is not a rate"),
            ("0Mb/s", "is zero"), ("00b/s", "is zero"), ("7b/s", "less than one octet"),
            ("4294967296b/s", "'4294967296' in"), ("99999999999999999999b/s", "is too large"),
            ("4294967295GB/s@4294s", "beyond 64 bits"), ("1MB/s@5000s", "at most 4294 seconds"),
            ("10Xb/s", "'X' in '10Xb/s' is not a known unit"), ("10kb/s", "'k' in"), ("10M/s", "has no unit"),
            ("10Mb/s@", "has an empty interval"), ("10Mb/s@0ms", "is zero"), ("10Mb/s@xms", "'xms' in"),
            ("10Mb/s@5ns", "'5ns' in"), ("10Mb/s@5ms@6ms", "is not an interval"), ("-1Mb/s", "'-1' in"),
            ("1.5Mb/s", "'1.5' in"), ("08Mb/s", "octal"), (" 10Mb/s", "' 10' in"),
            ("0,50000", "rate of zero"),
        ])
    func refused(text: String, cause: String) {
        #expect(RateText.problem(in: text)?.contains(cause) == true, "\(RateText.problem(in: text) ?? "")")
    }

    @Test("§7-108: an interval without a unit is in seconds, and that is said")
    func bareInterval() throws {
        let reading = try read("1MB/s@20")
        #expect(reading.limit.rate?.window == 20_000_000)
        #expect(reading.notices.count == 1 && reading.notices[0].contains("20 seconds"))
        #expect(try read("1MB/s@20s").notices.isEmpty)
    }

    @Test("a leading zero means octal, as xl has it, and that is said")
    func octal() throws {
        let reading = try read("010Mb/s")
        #expect(reading.limit.rate?.octetsPerSecond == 1_000_000)
        #expect(reading.notices.count == 1 && reading.notices[0].contains("octal"))
    }

    @Test(
        "§7-106: the table of xend gives exactly these strings, and what it did not understand was no limit",
        arguments: [
            ("10Mb/s", "62500,50000"), ("250KB/s", "12500,50000"), ("1MB/s@20ms", "20000,20000"),
            ("10MB/s@20ms", "200000,20000"), ("10MB/s@50ms", "500000,50000"), ("3MB/s", "150000,50000"),
            ("1B/s", "4294967295,0"), ("foo", "4294967295,0"), ("100GB/s", "4294967295,0"),
            ("1MB/s@5000s", "4294967295,0"), ("1MB/s@2s", "2000000,2000000"), ("0Mb/s", "4294967295,0"),
            ("1MB/s@20", "4294967295,0"), ("", "4294967295,0"),
        ])
    func xend(text: String, stored: String) { #expect(RateText.storedByXend(text) == stored) }

    @Test("what xend stored for no limit is no limit", arguments: ["4294967295,0", "unlimited"])
    func unlimited(text: String) throws { #expect(try read(text).limit == .unlimited) }

    @Test(
        "it is told in its shortest form, and read again as the same",
        arguments: [
            ("10Mb/s", "10Mb/s"), ("1250KB/s", "10Mb/s"), ("1MB/s@20ms", "8Mb/s@20ms"), ("1B/s", "8b/s"),
            ("20000,30000", "5333336b/s@30ms"), ("1MB/s@1000000us", "8Mb/s@1s"),
            ("4294967295GB/s@1ms", "4294967295GB/s@1ms"),
        ])
    func description(text: String, shown: String) throws {
        let limit = try read(text).limit
        #expect("\(limit)" == shown)
        #expect(try RateText.read(shown).limit == limit)
    }
}
