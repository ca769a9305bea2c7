/// What a script event may consist of. Everything else is refused before it is sent; nothing is evaluated.
enum Grammar {
    /// The names this program is installed under.
    static let scripts = [
        "network-bridge", "vif-bridge", "network-route", "network-nat", "vif-route", "vif-nat",
        "vif-openvswitch",
        "vif-setup", "qemu-ifup", "qemu-ifdown",
    ]

    /// The keys of a vif's directory in the store that are passed on, and those that the client itself needs.
    static let storeKeys = [
        "bridge", "ip", "mac", "mtu", "vifname", "rate", "domain", "gatewaydev", "vlan", "frontend",
        "frontend-id",
    ]

    /// Of those the ones that are passed on.
    static let passedKeys: Set<String> = [
        "bridge", "ip", "mac", "mtu", "vifname", "rate", "domain", "name", "uuid", "gatewaydev", "vlan",
        "trusted",
    ]

    /// The variables that are passed on: those that the kernel, udev and libxl set, the keys that stand in for a
    /// store, and the token of an outer event.
    static let variables = [
        "XENBUS_PATH", "XENBUS_TYPE", "XENBUS_BASE_PATH", "vif", "INTERFACE", "script", "netdev", "UDEV_CALL",
        "ACTION", "bridge", "ip", "mac", "mtu", "vifname", "rate", "rate_in", "rate_packets",
        "rate_in_packets", "gatewaydev",
        "vlan",
        "DRAWBRIDGE_EVENT",
    ]

    static let maximumArguments = 64
    static let maximumLength = 4096

    /// Refuses a text that is too long, not UTF-8 or has control characters; `what` names it to people.
    static func check(_ octets: [UInt8], _ what: String) throws(Failure) {
        guard octets.count <= maximumLength else {
            throw Failure(.usage, "\(what): has more than \(maximumLength) octets")
        }
        guard octets.allSatisfy({ $0 >= 32 && $0 != 127 }) else {
            throw Failure(.usage, "\(what): has control characters")
        }
        guard String(validating: octets, as: UTF8.self) != nil else {
            throw Failure(.usage, "\(what): is not UTF-8")
        }
    }
}
