import Glibc
import LinuxHeaders
import Netlink
import TestSupport
import Testing

@Suite("Network namespaces")
struct NamespaceTests {
    @Test("a body entered into a namespace acts there, and the thread comes back, also after an error")
    func enter() async throws {
        try await withTestNamespace {
            let other = try NetworkNamespace(adopting: makeNamespace())
            let home = try NetworkNamespace.current()
            struct Stop: Error {}
            #expect(throws: Stop.self) {
                try other.enter { () throws in
                    _ = try run("ip", "link", "add", "there", "type", "bridge")
                    throw Stop()
                }
            }
            let isHome = try home.isSame(as: .current())
            #expect(isHome)
            #expect(if_nametoindex("there") == 0)
            let index = try other.enter { () throws(NetlinkError) in if_nametoindex("there") }
            #expect(index > 0)
            let isSame = home.isSame(as: other)
            #expect(!isSame)
        }
    }

    @Test("a socket stays in the namespace that it was opened in")
    func socketStays() async throws {
        try await withTestNamespace {
            let other = try NetworkNamespace(adopting: makeNamespace())
            let socket = try other.enter { () throws(NetlinkError) in try NetlinkSocket(.route) }
            let cookies = try (socket.namespaceCookie(), other.cookie(), NetworkNamespace.current().cookie())
            #expect(cookies.0 == cookies.1)
            #expect(cookies.0 != cookies.2)
        }
    }

    @Test("the namespace of a process is found, and a duplicate is the same one")
    func ofProcess() async throws {
        try await withTestNamespace {
            let own = try NetworkNamespace(path: "/proc/thread-self/ns/net")
            let process = try NetworkNamespace(process: getpid())
            let isProcess = own.isSame(as: process)
            let isCopy = try own.isSame(as: own.duplicate())
            #expect(!isProcess)
            #expect(isCopy)
        }
    }

    @Test(
        "what is not a network namespace is refused by name",
        arguments: ["/proc/self/ns/mnt", "/dev/null", "/proc/self/ns"])
    func notANamespace(_ path: String) {
        do throws(NetlinkError) {
            _ = try NetworkNamespace(path: path)
            Issue.record("nothing was thrown")
        } catch {
            #expect(error == .system(call: "\(path) is not a network namespace", errno: EINVAL))
        }
    }

    @Test("a path that does not exist is named with the cause")
    func missing() {
        do throws(NetlinkError) {
            _ = try NetworkNamespace(path: "/run/netns/none-such")
            Issue.record("nothing was thrown")
        } catch {
            #expect(error.description == "open(/run/netns/none-such): No such file or directory")
        }
    }

    @Test("a descriptor that is refused is closed")
    func adopted() throws {
        let descriptor = open("/dev/null", O_RDONLY)
        #expect(!NetworkNamespace.isNetworkNamespace(descriptor))
        _ = try? NetworkNamespace(adopting: descriptor)
        var status = stat()
        let isOpen = fstat(descriptor, &status) == 0 && status.st_rdev == makedev(1, 3)
        #expect(!isOpen)
    }

    private func makedev(_ major: UInt, _ minor: UInt) -> UInt { major << 8 | minor }
}
