import DrawbridgeEngine
import Glibc
import TestSupport
import Testing

@testable import DrawbridgeDaemon

@Suite("Who may do what")
struct AuthorizationTests {
    private static let actions: [(Action, root: Bool, member: Bool, stranger: Bool)] = [
        (.look, true, true, false),
        (.attachPair(owner: nil), true, true, false),
        (.attachPair(owner: 1000), true, true, false),
        (.attachPair(owner: 1001), true, false, false),
        (.attachPair(owner: 0), true, false, false),
        (.attachTap(opener: 1000), true, true, false),
        (.attachTap(opener: 1001), true, false, false),
        (.attachTap(opener: nil), true, false, false),
        (.attachDevice, true, false, false),
        (.detach(owner: nil), true, true, false),
        (.detach(owner: 1000), true, true, false),
        (.detach(owner: 1001), true, false, false),
        (.detach(owner: 0), true, false, false),
        (.manageNetworks, true, false, false),
        (.runScript, true, false, false),
        (.limit, true, false, false),
        (.administer, true, false, false),
    ]

    @Test("the whole table, for the user 1000", arguments: actions.indices)
    func table(index: Int) {
        let (action, root, member, stranger) = Self.actions[index]
        #expect(Authorization.permits(.root, action) == root)
        #expect(Authorization.permits(.member(user: 1000), action) == member)
        #expect(Authorization.permits(.stranger, action) == stranger)
    }

    @Test("the group is found in its file, and membership by either kind of group")
    func standing() throws {
        let directory = try TestDaemon.makeDirectory()
        defer { _ = try? execute(["rm", "-rf", directory]) }
        try TestDaemon.write(
            "root:x:0:\nnotdrawbridge:x:7:\nbroken\ndrawbridge:x:4711:someone\n", to: "\(directory)/group")
        let callers = Callers(groupFile: "\(directory)/group")
        #expect(callers.groupIdentifier() == 4711)
        #expect(callers.standing(of: Caller(process: 1, user: 0, group: 0)) == .root)
        #expect(callers.standing(of: Caller(process: 1, user: 5, group: 4711)) == .member(user: 5))
        #expect(
            callers.standing(of: Caller(process: 1, user: 5, group: 5, groups: [4, 4711])) == .member(user: 5)
        )
        #expect(callers.standing(of: Caller(process: 1, user: 5, group: 7, groups: [5])) == .stranger)
        #expect(
            Callers(groupFile: "/nonexistent").standing(of: Caller(process: 1, user: 5, group: 0))
                == .stranger)
    }
}
