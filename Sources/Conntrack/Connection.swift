import Glibc
import Netlink
public import NetworkTypes

/// A connection that the kernel keeps track of, as far as it is needed to tell it from others.
public struct Connection: Hashable, Sendable {
    /// The number of the transport protocol (IPPROTO_*).
    public var transport: UInt8
    /// What the first packet was bound for.
    public var destination: IPAddress
    public var port: UInt16
    /// Who answers: another than the packet was bound for where that was rewritten.
    public var answerer: IPAddress
    public var answeringPort: UInt16
    /// The first packet's addresses and ports as the kernel told them, and its number for the connection.
    let original: [UInt8]
    let identifier: UInt32?

    /// Reads a message of a dump; nil for a connection without ports.
    static func decode(_ message: borrowing Message) -> Connection? {
        var (original, reply): (Direction?, Direction?) = (nil, nil)
        var (octets, identifier): ([UInt8], UInt32?) = ([], nil)
        var attributes = message.attributes(after: ConntrackAttribute.headerLength)
        while let attribute = attributes.next() {
            switch attribute.type {
            case ConntrackAttribute.original:
                original = Direction(attribute)
                octets = attribute.bytes
            case ConntrackAttribute.reply: reply = Direction(attribute)
            case ConntrackAttribute.identifier: identifier = attribute.value()
            default: break
            }
        }
        guard let original, let reply, original.transport == reply.transport else { return nil }
        return Connection(
            transport: original.transport, destination: original.destination, port: original.destinationPort,
            answerer: reply.source, answeringPort: reply.sourcePort, original: octets, identifier: identifier)
    }
}

/// Whom packets of one direction are from and for (`CTA_TUPLE_*`).
private struct Direction {
    var transport: UInt8
    var source: IPAddress
    var sourcePort: UInt16
    var destination: IPAddress
    var destinationPort: UInt16

    init?(_ tuple: borrowing Attribute) {
        var (transport, ports): (UInt8?, (source: UInt16?, destination: UInt16?)) = (nil, (nil, nil))
        var (source, destination): (IPAddress?, IPAddress?) = (nil, nil)
        var parts = tuple.nested
        while let part = parts.next() {
            var fields = part.nested
            while let field = fields.next() {
                switch (part.type, field.type) {
                case (1, 1), (1, 3): source = Self.address(field)
                case (1, 2), (1, 4): destination = Self.address(field)
                case (2, 1): transport = field.value()
                case (2, 2): ports.source = field.bigEndian()
                case (2, 3): ports.destination = field.bigEndian()
                default: break
                }
            }
        }
        guard let transport, let source, let destination, let from = ports.source, let to = ports.destination
        else { return nil }
        (self.transport, self.source, self.destination) = (transport, source, destination)
        (sourcePort, destinationPort) = (from, to)
    }

    private static func address(_ field: borrowing Attribute) -> IPAddress? {
        switch field.bytes.count {
        case 4: field.bigEndian(as: UInt32.self).map { .ipv4(IPv4Address(value: $0)) }
        case 16: field.bigEndian(as: UInt128.self).map { .ipv6(IPv6Address(value: $0)) }
        default: nil
        }
    }
}

/// The numbers of linux/netfilter/nfnetlink_conntrack.h (`CTA_*`), and the length of the header before them.
enum ConntrackAttribute {
    static let original = 1
    static let reply = 2
    static let identifier = 12
    static let headerLength = 4
}
