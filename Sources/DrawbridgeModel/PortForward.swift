/// What is carried to ports (RFC 9293, RFC 768).
public enum TransportProtocol: String, Hashable, Sendable, Codable, CaseIterable {
    case tcp, udp

    /// Its number in IP (`IPPROTO_*`).
    public var number: UInt8 { self == .tcp ? 6 : 17 }
}

/// A port of the host's that leads to a guest.
public struct PortForward: Hashable, Sendable, Codable {
    public var transport: TransportProtocol
    /// The port on every address of the host's but loopback ones.
    public var port: UInt16
    /// The vif or the name of the guest.
    public var guest: String
    /// The guest's port.
    public var guestPort: UInt16

    /// Makes one of its parts.
    public init(_ transport: TransportProtocol, port: UInt16, to guest: String, port guestPort: UInt16) {
        self.transport = transport
        self.port = port
        self.guest = guest
        self.guestPort = guestPort
    }

    /// Reads the host's part, `8080/tcp` or `8080`, which is TCP; nil for anything else.
    public static func read(_ text: some StringProtocol) -> (port: UInt16, transport: TransportProtocol)? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let port = readPort(parts[0]) else { return nil }
        guard let transport = parts.count == 1 ? .tcp : TransportProtocol(rawValue: String(parts[1])) else {
            return nil
        }
        return (port, transport)
    }

    /// Reads a port; nil for anything else, and for 0, which nobody can ask for.
    public static func readPort(_ text: some StringProtocol) -> UInt16? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(text),
            port > 0
        else { return nil }
        return port
    }

    /// The host's part: `8080/tcp`.
    public var key: String { "\(port)/\(transport.rawValue)" }
}
