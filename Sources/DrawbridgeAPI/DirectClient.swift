import Glibc
public import Varlink

/// Makes one request on `io.drawbridge.direct`.
public enum DirectClient {
    /// Sends a request, with a descriptor where one belongs to it, and waits for the reply.
    ///
    /// - Parameters:
    ///   - socket: the direct socket's own path.
    ///   - timeout: how long to wait for the reply, in milliseconds.
    public static func send(
        _ request: DirectRequest, descriptor: borrowing OwnedDescriptor, to socket: String, timeout: Int32
    ) throws(ClientError) -> DirectReply {
        do throws(SocketError) {
            let connection = try UnixSocket.connect(to: socket, .sequencedPacket)
            try Packet.send(request.octets, descriptor: descriptor.rawValue, to: connection)
            guard UnixSocket.wait(connection, for: POLLIN, milliseconds: timeout) else {
                throw SocketError("reply from \(socket)", code: ETIMEDOUT)
            }
            guard
                let packet = try Packet.receive(from: connection, room: DirectMessage.maximumReply)
            else { throw SocketError("reply from \(socket)", code: ECONNRESET) }
            do throws(DirectMessageError) {
                return try DirectReply(parsing: packet.content)
            } catch {
                throw SocketError("reply from \(socket)", code: EPROTO)
            }
        } catch {
            throw .socket(error)
        }
    }
}
