import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import NetworkTypes
import Testing

@testable import DrawbridgeEngine

@Suite struct JournalTests {
    let directory: TestDirectory
    let sample = SampleState()
    let identity = JournalIdentity(bootID: "boot", namespaceCookie: 1, programVersion: "1")

    init() throws { directory = try TestDirectory() }

    @Test func `What is written is there for the next daemon, and nothing else`() throws {
        let path = directory.path + "/state"
        let other = LinkName(".a+b")!
        let attachment = Attachment(
            request: VifRequest(id: VifID(domain: 3, device: 1), source: .existing(LinkName("vif3.1")!)),
            network: sample.network, device: LinkName("vif3.1")!, index: 9)
        let baseline = BaselineRecord(
            network: Network(name: sample.network, uplink: .defaultRoute), state: sample.state, takenAt: 5,
            identity: identity)
        do {
            let journal = try Journal(path: path + "/")
            #expect(try journal.networks() == [])
            #expect(try journal.baseline(of: sample.network) == nil)
            try journal.setBaseline(baseline, of: sample.network)
            try journal.setIntent(IntentRecord(.raising, since: 1, identity: identity), of: sample.network)
            try journal.setIntent(IntentRecord(.up, since: 2, identity: identity), of: sample.network)
            try journal.setSettled(
                SettledRecord(state: sample.state, takenAt: 6, identity: identity), of: other)
            try journal.setAttachments(AttachmentsRecord(attachments: [attachment], identity: identity))
            try journal.setLinkGroup(70000)
        }
        let journal = try Journal(path: path)
        #expect(try journal.networks() == [other, sample.network])
        #expect(try journal.baseline(of: sample.network) == baseline)
        #expect(try journal.baseline(of: other) == nil)
        #expect(try journal.intent(of: sample.network)?.phase == .up)
        #expect(try journal.settled(of: other)?.takenAt == 6)
        #expect(try journal.attachments()?.attachments == [attachment])
        #expect(try journal.linkGroup() == 70000)
        try journal.forget(sample.network)
        try journal.forget(other)
        #expect(try journal.networks() == [])
        #expect(try journal.linkGroup() == 70000)
    }

    private func attachment(_ domain: UInt32, index: Int32) -> DrawbridgeEngine.Attachment {
        Attachment(
            request: VifRequest(
                id: VifID(domain: domain, device: 0), source: .existing(LinkName("vif\(domain).0")!)),
            network: sample.network, device: LinkName("vif\(domain).0")!, index: index)
    }

    @Test func `Changes of the attachments follow the whole, and a cut one is left out`() throws {
        let path = directory.path + "/state"
        let journal = try Journal(path: path)
        #expect(journal.attachmentsAreDue)
        try journal.setAttachments(
            AttachmentsRecord(attachments: [attachment(1, index: 5)], identity: identity))
        #expect(!journal.attachmentsAreDue)
        try journal.changeAttachments(
            AttachmentsChange(set: [attachment(2, index: 0), attachment(3, index: 7)]))
        try journal.changeAttachments(
            AttachmentsChange(set: [attachment(2, index: 6)], removed: [VifID(domain: 1, device: 0)]))
        let expected = [attachment(2, index: 6), attachment(3, index: 7)]
        #expect(try journal.attachments()?.attachments == expected)
        #expect(try journal.attachments()?.identity == identity)

        let whole = try journal.directory.read("attachments")!
        try journal.changeAttachments(AttachmentsChange(removed: [VifID(domain: 2, device: 0)]))
        let longer = try journal.directory.read("attachments")!
        for length in whole.count..<longer.count {
            try journal.directory.write("attachments", Array(longer[..<length]))
            #expect(try journal.attachments()?.attachments == expected, "cut at \(length)")
        }
        // Damage is not a cut: a change within a record, and anything else than a record after it.
        var damaged = longer
        damaged[longer.count - 3] ^= 1
        for content in [damaged, longer + Array("nothing of ours\n".utf8)] {
            try journal.directory.write("attachments", content)
            #expect(throws: RecordError.self) { try journal.attachments() }
        }
        unlink(path + "/attachments")
        #expect(journal.attachmentsAreDue)
    }

    @Test func `What a change of the attachments writes does not grow with what is attached`() throws {
        let journal = try Journal(path: directory.path + "/state")
        var grown: [Int] = []
        for count in [UInt32(1), 1000] {
            let all = (1...count).map { attachment($0, index: Int32($0)) }
            try journal.setAttachments(AttachmentsRecord(attachments: all, identity: identity))
            let before = try journal.directory.read("attachments")!.count
            try journal.changeAttachments(AttachmentsChange(set: [attachment(5000, index: 5000)]))
            grown.append(try journal.directory.read("attachments")!.count - before)
        }
        #expect(grown[0] == grown[1])
        // They are written anew once the changes are longer than what they change.
        while !journal.attachmentsAreDue {
            try journal.changeAttachments(AttachmentsChange(set: [attachment(5000, index: 5000)]))
        }
        #expect(try journal.directory.read("attachments")!.count < 1 << 20)
    }

    @Test func `The directory is made for root alone, and so are its files`() throws {
        let journal = try Journal(path: directory.path + "/state")
        try journal.setLinkGroup(70000)
        var status = stat()
        stat(directory.path + "/state", &status)
        #expect(status.st_mode & 0o7777 == 0o700)
        stat(directory.path + "/state/link-group", &status)
        #expect(status.st_mode & 0o7777 == 0o600)
        try journal.admitPassage(true)
        stat(directory.path + "/state", &status)
        #expect(status.st_mode & 0o7777 == 0o711)
    }

    func refusal(_ path: String, _ use: StateDirectory.Use = .exclusive) -> DrawbridgeError? {
        do throws(DrawbridgeError) {
            _ = try Journal(path: path, for: use)
            return nil
        } catch {
            return error
        }
    }

    @Test func `A directory that is a link, another's, writable by others, or no directory is refused`()
        throws
    {
        mkdir(directory.path + "/real", 0o700)
        symlink("real", directory.path + "/link")
        #expect(refusal(directory.path + "/link")?.cause.contains("it is a link") == true)
        #expect(refusal(directory.path + "/link/")?.cause.contains("it is a link") == true)
        #expect(refusal(directory.path + "/real") == nil)
        chmod(directory.path + "/real", 0o770)
        #expect(refusal(directory.path + "/real")?.cause.contains("mode 0770") == true)
        chmod(directory.path + "/real", 0o755)
        #expect(refusal(directory.path + "/real") == nil)
        chown(directory.path + "/real", 65534, 0)
        #expect(refusal(directory.path + "/real")?.cause.contains("belongs to user 65534") == true)
        directory.write("file", "")
        #expect(refusal(directory.path + "/file")?.kind == .journal)
        #expect(refusal(directory.path + "/none/state")?.cause.contains("No such file") == true)
        #expect(refusal("/proc/drawbridge")?.cause.contains("cannot be made") == true)
    }

    @Test func `A directory that cannot be written is refused before anything happens`() {
        // Root may write everywhere but where the kernel does not let anybody.
        let error = refusal("/proc/self")
        #expect(error?.kind == .journal)
        #expect(error != nil)
    }

    @Test func `Of two daemons the second is refused; a reader is not`() throws {
        let path = directory.path + "/state"
        #expect(refusal(path, .reading)?.cause.contains("No such file") == true)
        let first = try Journal(path: path)
        #expect(refusal(path)?.kind == .conflict)
        #expect(refusal(path, .reading) == nil)
        #expect(first.path == path)
    }

    @Test func `A directory is free once its daemon lets go, whoever still holds a copy of the descriptor`()
        throws
    {
        let path = directory.path + "/state"
        var journal: Journal? = try Journal(path: path)
        // A copy as a forked child has it: of the same open file, and so of the same lock.
        var status = stat()
        stat(path, &status)
        var copy: Int32 = -1
        for number in 3..<Int32(1024) {
            var other = stat()
            guard fstat(number, &other) == 0, other.st_ino == status.st_ino, other.st_dev == status.st_dev
            else {
                continue
            }
            copy = dup(number)
        }
        #expect(copy >= 0)
        defer { close(copy) }
        #expect(refusal(path)?.kind == .conflict)
        #expect(try journal?.networks() == [])
        journal = nil
        #expect(refusal(path) == nil)
    }

    @Test func `A file that is a link, another's, or writable by others is not read`() throws {
        let path = directory.path + "/state"
        let journal = try Journal(path: path)
        try journal.setLinkGroup(70000)
        func cause() -> RecordError.Cause? {
            do throws(RecordError) {
                _ = try journal.linkGroup()
                return nil
            } catch { return error.cause }
        }
        chmod(path + "/link-group", 0o620)
        #expect(cause() == .writableByOthers(0o100620))
        chmod(path + "/link-group", 0o600)
        chown(path + "/link-group", 65534, 0)
        #expect(cause() == .owner(65534))
        rename(path + "/link-group", directory.path + "/elsewhere")
        symlink(directory.path + "/elsewhere", path + "/link-group")
        #expect(cause() == .link)
        unlink(path + "/link-group")
        mkfifo(path + "/link-group", 0o600)
        #expect(cause() == .notAFile)
        // Writing replaces whatever stands there, and never writes through it.
        try journal.setLinkGroup(70001)
        #expect(try journal.linkGroup() == 70001)
    }

    @Test func `A file half written by one who was killed is neither read nor in the way`() throws {
        let path = directory.path + "/state"
        let journal = try Journal(path: path)
        directory.write("state/.link-group.new", "half")
        #expect(try journal.linkGroup() == nil)
        try journal.setLinkGroup(70000)
        #expect(try journal.linkGroup() == 70000)
        #expect(access(path + "/.link-group.new", F_OK) != 0)
    }
}
