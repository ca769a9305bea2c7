public import DrawbridgeModel
public import DrawbridgePlanning
import Netlink
public import NetworkTypes
import RouteNetlink

extension HostAccess {
    /// The settings by which this host forwards, of every interface and of `all` and `default`.
    public mutating func forwardingSettings() throws(DrawbridgeError) -> [HostSetting: String] {
        var settings: [HostSetting: String] = [:]
        for link in ["all", "default"] + (try linkNames()) {
            var keys = SettingKey.ofForwarding
            if link == "all" { keys.append(.acceptsRedirects) }
            for (key, value) in sysctl.settings(keys, ofLink: link) {
                settings[HostSetting(link, key)] = value
            }
            guard link != "all", link != "default",
                let isOn = Ethtool.largeReceiveOffload(ofLink: link)
            else { continue }
            settings[HostSetting(link, .largeReceiveOffload)] = isOn ? "1" : "0"
        }
        return settings
    }

    /// The interfaces that have routes from router advertisements.
    public mutating func advertisedLinks() throws(DrawbridgeError) -> Set<String> {
        var names: Set<String> = []
        traffic.reads += 1
        let indexes: Set<Int32>
        do throws(NetlinkError) {
            let routes = try route.routes(.ipv6).filter {
                $0.origin == .routerAdvertisement || ($0.origin == .kernel && $0.expires != nil)
            }
            indexes = Set(routes.flatMap(\.devices))
        } catch { throw DrawbridgeError(error, about: "routes", doing: "cannot be read") }
        for index in indexes {
            if let link = try link(index: index) { names.insert(link.name) }
        }
        return names
    }

    /// Writes settings in their order, one request to the kernel each.
    ///
    /// - Throws: `kernel` with the file and the kernel's own text. What was written before stays.
    public mutating func write(_ writes: [SettingWrite]) throws(DrawbridgeError) {
        for write in writes {
            traffic.changes += 1
            let (link, key) = (write.setting.link, write.setting.key)
            if key == .largeReceiveOffload {
                try Ethtool.setLargeReceiveOffload(ofLink: link, to: write.value != "0")
            } else {
                try sysctl.set(key, ofLink: link, to: write.value)
            }
        }
    }

    /// Whether the kernel speaks IPv6 at all.
    public func hasIPv6() -> Bool { !sysctl.settings([.disableIPv6], ofLink: "default").isEmpty }

    /// The first primary IPv4 address of an interface; nil where it has none, or is not there.
    public mutating func mainAddress(of index: Int32) throws(DrawbridgeError) -> IPv4Address? {
        traffic.reads += 1
        do throws(NetlinkError) {
            for address in try route.addresses(of: index) where !address.flags.contains(.secondary) {
                if case .ipv4(let own) = address.prefix.address { return own }
            }
            return nil
        } catch { throw DrawbridgeError(error, about: "interface \(index)", doing: "cannot be observed") }
    }

    private mutating func linkNames() throws(DrawbridgeError) -> [String] {
        traffic.reads += 1
        do throws(NetlinkError) { return try route.links().values.map(\.name).sorted() } catch {
            throw DrawbridgeError(error, about: "links", doing: "cannot be read")
        }
    }
}
