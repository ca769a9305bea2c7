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

    /// The host's part: `8080/tcp`.
    public var key: String { "\(port)/\(transport.rawValue)" }
}
