import Glibc
import NetworkTypes
import Testing

@testable import DrawbridgeHost

@Suite struct ForeignTests {
    private func write(_ text: String, to path: String) throws {
        var directory = ""
        for part in path.split(separator: "/").dropLast() {
            directory += "/" + part
            mkdir(directory, 0o755)
        }
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
    }

    @Test("a device is managed if its manager's own file says so")
    func managers() throws {
        var template = Array("/tmp/managersXXXXXX".utf8CString)
        let root = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer {
            for name in ["links/3", "links/4", "links/5"] { unlink("\(root)/run/systemd/netif/\(name)") }
            for name in ["6", "7"] { unlink("\(root)/run/NetworkManager/devices/\(name)") }
            for name in [
                "systemd/netif/links", "systemd/netif", "systemd", "NetworkManager/devices", "NetworkManager",
                "",
            ] { rmdir("\(root)/run/\(name)") }
            rmdir(root)
        }
        try write(
            "# private\nADMIN_STATE=configured\nOPER_STATE=routable\n",
            to: "\(root)/run/systemd/netif/links/3")
        try write("ADMIN_STATE=unmanaged\n", to: "\(root)/run/systemd/netif/links/4")
        try write("ADMIN_STATE=configuring\n", to: "\(root)/run/systemd/netif/links/5")
        try write("[device]\nmanaged=true\n", to: "\(root)/run/NetworkManager/devices/6")
        try write("[device]\nmanaged=false\n", to: "\(root)/run/NetworkManager/devices/7")
        #expect(ManagerFiles.name(ofLink: 3, root: root) == "systemd-networkd")
        #expect(ManagerFiles.name(ofLink: 4, root: root) == nil)
        #expect(ManagerFiles.name(ofLink: 5, root: root) == "systemd-networkd")
        #expect(ManagerFiles.name(ofLink: 6, root: root) == "NetworkManager")
        #expect(ManagerFiles.name(ofLink: 7, root: root) == nil)
        #expect(ManagerFiles.name(ofLink: 8, root: root) == nil)
    }

    @Test(
        "a root file system on the network is known by its mount or by the kernel's command line",
        arguments: [
            (
                "22 1 0:20 / / rw,relatime shared:1 - nfs4 192.0.2.1:/srv rw,vers=4.2,addr=192.0.2.1", "",
                "192.0.2.1"
            ),
            ("22 1 0:20 / / rw - nfs server:/srv rw,vers=3,addr=2001:db8::1", "", "2001:db8::1"),
            ("22 1 0:20 / / rw - nfs4 [2001:db8::5]:/srv rw", "", "2001:db8::5"),
            (
                "22 1 8:1 / / rw - ext4 /dev/sda1 rw", "root=/dev/nfs nfsroot=198.51.100.7:/srv,tcp ip=dhcp",
                "198.51.100.7"
            ),
            ("22 1 8:1 / / rw - ext4 /dev/nbd0 rw", "", "none"),
            ("22 1 8:1 / / rw - ext4 /dev/sda1 rw", "root=/dev/nfs", "none"),
        ])
    func networkRoot(mounts: String, commandLine: String, server: String) throws {
        let root = try #require(NetworkRoot(mountInfo: mounts, commandLine: commandLine))
        #expect(root.server?.description ?? "none" == server)
    }

    @Test("a local root file system is none, whatever else is mounted from the network")
    func localRoot() {
        let mounts = """
            22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
            40 22 0:40 / /home rw - nfs4 192.0.2.1:/home rw,addr=192.0.2.1
            """
        #expect(NetworkRoot(mountInfo: mounts, commandLine: "root=/dev/sda1 ro") == nil)
    }

    @Test(
        "DHCP clients are known by how they were started",
        arguments: [
            (["udhcpc", "-i", "eth0"], true), (["/bin/busybox", "udhcpc", "-ieth0", "-f"], true),
            (["busybox", "udhcpc", "--interface=eth1"], false), (["udhcpc"], true),
            (["/sbin/dhclient", "-v", "eth0"], true), (["dhclient", "eth1"], false),
            (["dhcpcd: eth0 [ip4] [ip6]"], true), (["dhcpcd: eth1 [ip4]"], false),
            (["vim", "eth0"], false), ([], false),
        ])
    func clients(arguments: [String], isClient: Bool) {
        #expect(Processes.isClient(arguments, for: ["eth0"]) == isClient)
    }
}
