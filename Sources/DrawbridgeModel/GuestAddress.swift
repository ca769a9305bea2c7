public import NetworkTypes

/// The grammar of what a guest may be given as its own: an address (`192.0.2.7`), or a network whose every address
/// it may use (`192.0.2.0/28`, `2001:db8::/64`).
public enum GuestAddress {
    /// Why a text is none.
    public struct Problem: Error, Hashable, Sendable {
        /// One line for people, with the text.
        public var message: String
    }

    /// Reads an address or a network.
    ///
    /// A host with the length of its network's prefix (`192.0.2.7/24`) is refused: that would either let the guest
    /// use every address of the network, or mean something else than the same text does to Xen's scripts.
    public static func read(_ text: some StringProtocol) throws(Problem) -> Prefix {
        guard let prefix = Prefix(text) else {
            throw Problem(
                message:
                    "'\(text)' is not an address; expected one like 192.0.2.7, 192.0.2.0/28 or 2001:db8::7")
        }
        guard prefix.network == prefix else {
            throw Problem(
                message: "'\(text)' is a prefix where a host is needed, or a host where a prefix is; "
                    + "write \(prefix.address) for the one address, or \(prefix.network) for the whole network"
            )
        }
        if let kind = reserved.first(where: {
            $0.prefix.overlaps(prefix) && $0.prefix.length <= prefix.length
        }) {
            throw Problem(message: "'\(text)' is \(kind.name), which no guest can have")
        }
        return prefix
    }

    /// What no interface can be given (RFC 6890, RFC 4291 §2.5 and §2.7).
    private static let reserved: [(prefix: Prefix, name: String)] = [
        ("0.0.0.0/32", "no address"), ("127.0.0.0/8", "a loopback address"),
        ("224.0.0.0/4", "a multicast address"), ("255.255.255.255/32", "the broadcast address"),
        ("::/128", "no address"), ("::1/128", "a loopback address"), ("ff00::/8", "a multicast address"),
        ("::ffff:0:0/96", "an IPv4 address in disguise"),
    ].compactMap { text, name in Prefix(text).map { ($0, name) } }
}

extension VifRequest {
    /// Something that two vifs cannot both have.
    public struct Clash: Hashable, Sendable {
        /// The key by which it was given: `mac` or `ip`.
        public var key: String
        /// The value of the one that comes later.
        public var value: String
        /// One line for people.
        public var cause: String

        /// Makes one of its key, its value and the words for people.
        public init(key: String, value: String, cause: String) {
            self.key = key
            self.value = value
            self.cause = cause
        }
    }

    /// What this vif cannot have because another has it; nil where there is nothing.
    ///
    /// Within a network neither a hardware address nor an address may be on two vifs, and a prefix holds all its
    /// addresses. Within a domain no hardware address is on two, whatever their networks: guests tell their
    /// interfaces apart by it.
    ///
    /// - Parameter network: the network's name where both are on the same one; nil where they are not.
    public func clash(with other: VifRequest, on network: NetworkName?) -> Clash? {
        // The two ends of one interface are given the same.
        guard other.id.own != id.own else { return nil }
        if let mac, mac == other.mac {
            if other.id.domain == id.domain {
                return Clash(
                    key: "mac", value: "\(mac)",
                    cause: "The mac \"\(mac)\" is already defined, by \(other.id)")
            }
            if let network {
                return Clash(
                    key: "mac", value: "\(mac)",
                    cause: "'\(mac)' is already that of \(other.id) on \(network)")
            }
        }
        guard let network else { return nil }
        for prefix in addresses {
            guard let taken = other.addresses.first(where: { $0.overlaps(prefix) }) else { continue }
            let value = prefix.guestText
            let cause =
                taken == prefix
                ? "'\(value)' is already that of \(other.id) on \(network)"
                : "'\(value)' and '\(taken.guestText)' of \(other.id) on \(network) have addresses in common"
            return Clash(key: "ip", value: value, cause: cause)
        }
        return nil
    }
}

extension Prefix {
    /// As people write what a guest is given: without the length where it is one address.
    public var guestText: String { length == family.bits ? "\(address)" : "\(self)" }
}
