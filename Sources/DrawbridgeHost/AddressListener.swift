public import DrawbridgeModel
import Glibc
import LinuxHeaders
public import NetworkTypes
import Synchronization

/// What is heard at vifs of the addresses of their guests, on one thread for all vifs.
///
/// A packet socket that is bound to a device (packet(7)) gets what goes out by it, and what comes in before the filter
/// looks at it. The kernel passes up only what may matter: DHCP servers' answers, and where first use counts ARP and
/// neighbour discovery from the guest's own hardware address. The thread ends with the last reader.
public final class AddressListener: AsyncSequence, Sendable {
    /// A claim, and the index of the device at which it was heard.
    public struct Element: Hashable, Sendable {
        public var index: Int32
        public var claim: AddressClaim
    }

    private let heard: Heard
    private let stream: AsyncStream<Element>

    /// - Throws: `kernel` where the thread cannot be made.
    public init() throws(DrawbridgeError) {
        let (stream, continuation) = AsyncStream<Element>.makeStream(bufferingPolicy: .bufferingNewest(4096))
        let heard = try Heard(continuation)
        let thread = try KernelThread()
        continuation.onTermination = { _ in heard.stop() }
        thread.perform {
            heard.run()
            thread.stop()
        }
        self.heard = heard
        self.stream = stream
    }

    public func makeAsyncIterator() -> AsyncStream<Element>.Iterator { stream.makeAsyncIterator() }

    /// Listens at a device no longer.
    public func leave(_ index: Int32) { heard.leave(index) }

    /// Listens at a device, instead of how it was listened to before. For ``HostAccess/listen(_:at:of:heedingUse:)``.
    func listen(at index: Int32, of mac: MACAddress, heedingUse: Bool) throws(DrawbridgeError) {
        try heard.listen(at: index, of: mac, heedingUse: heedingUse)
    }
}

extension HostAccess {
    /// Listens at a device of the host's for what tells of the addresses of the guest behind it.
    ///
    /// - Parameters:
    ///   - mac: The guest's hardware address.
    ///   - heedingUse: Whether the guest's own use of an address counts, besides what DHCP servers give it.
    /// - Throws: `kernel`; CAP_NET_RAW is needed.
    public func listen(
        _ listener: AddressListener, at index: Int32, of mac: MACAddress, heedingUse: Bool
    ) throws(DrawbridgeError) {
        try listener.listen(at: index, of: mac, heedingUse: heedingUse)
    }
}

/// The sockets, and the thread's loop over them.
private final class Heard: Sendable {
    /// One device's socket.
    private final class Ear: Sendable {
        /// How many addresses that a guest uses are passed on: more than any guest of one interface has, and a bound to
        /// what a guest can have the daemon do.
        static let limit = 64

        let index: Int32
        let mac: MACAddress
        let descriptor: Int32
        let uses = Mutex<Set<Prefix>>([])

        init(index: Int32, mac: MACAddress, descriptor: consuming Descriptor) {
            self.index = index
            self.mac = mac
            self.descriptor = descriptor.release()
        }

        deinit { close(descriptor) }

        /// Whether a guest's use of an address is news.
        func isNews(_ claim: AddressClaim) -> Bool {
            claim.source == .server
                || uses.withLock { $0.count < Self.limit && $0.insert(claim.prefix).inserted }
        }
    }

    private let ears = Mutex<[Int32: Ear]>([:])
    private let poll: Descriptor
    private let wakeup: Descriptor
    private let continuation: AsyncStream<AddressListener.Element>.Continuation

    init(_ continuation: AsyncStream<AddressListener.Element>.Continuation) throws(DrawbridgeError) {
        guard let poll = Descriptor(epoll_create1(Int32(EPOLL_CLOEXEC))) else {
            throw DrawbridgeError(system: "epoll", "cannot be made")
        }
        guard let wakeup = Descriptor(eventfd(0, Int32(EFD_CLOEXEC))) else {
            throw DrawbridgeError(system: "eventfd", "cannot be made")
        }
        self.poll = poll
        self.wakeup = wakeup
        self.continuation = continuation
        // No device has the index 0.
        try watch(self.wakeup.number, as: 0)
    }

    func stop() { eventfd_write(wakeup.number, 1) }

    func leave(_ index: Int32) {
        // The kernel forgets a descriptor that is closed.
        _ = ears.withLock { $0.removeValue(forKey: index) }
    }

    func listen(at index: Int32, of mac: MACAddress, heedingUse: Bool) throws(DrawbridgeError) {
        guard
            let socket = Descriptor(
                socket(
                    AF_PACKET,
                    Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
                        | Int32(SOCK_NONBLOCK.rawValue), 0))
        else { throw DrawbridgeError(system: "packet socket", "cannot be opened") }
        // With its filter before it is bound: nothing else ever comes in.
        var filter = PacketFilter.addresses(of: mac, heedingUse: heedingUse)
        let attached = filter.withUnsafeMutableBufferPointer { instructions in
            var program = sock_fprog(len: UInt16(instructions.count), filter: instructions.baseAddress)
            return setsockopt(
                socket.number, SOL_SOCKET, SO_ATTACH_FILTER, &program,
                socklen_t(MemoryLayout<sock_fprog>.size))
        }
        guard attached == 0 else { throw DrawbridgeError(system: "packet socket", "takes no filter") }
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_protocol = UInt16(ETH_P_ALL).bigEndian
        address.sll_ifindex = index
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket.number, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
            }
        }
        guard bound == 0 else { throw DrawbridgeError(system: "interface \(index)", "cannot be listened at") }
        let ear = Ear(index: index, mac: mac, descriptor: socket)
        ears.withLock { $0[index] = ear }
        try watch(ear.descriptor, as: index)
    }

    private func watch(_ descriptor: Int32, as index: Int32) throws(DrawbridgeError) {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        event.data.u64 = UInt64(UInt32(bitPattern: index))
        guard epoll_ctl(poll.number, EPOLL_CTL_ADD, descriptor, &event) == 0 else {
            throw DrawbridgeError(system: "epoll", "cannot watch")
        }
    }

    func run() {
        var events = [epoll_event](repeating: epoll_event(), count: 32)
        var buffer = [UInt8](repeating: 0, count: 2048)
        while true {
            let count = epoll_wait(poll.number, &events, Int32(events.count), -1)
            guard count >= 0 || errno == EINTR else { break }
            for event in events.prefix(Int(max(count, 0))) {
                let index = Int32(bitPattern: UInt32(truncatingIfNeeded: event.data.u64))
                guard index != 0 else {
                    ears.withLock { $0 = [:] }
                    continuation.finish()
                    return
                }
                guard let ear = ears.withLock({ $0[index] }) else { continue }
                read(ear, &buffer)
            }
        }
    }

    private func read(_ ear: Ear, _ buffer: inout [UInt8]) {
        // Not more at a time than leaves the others their turn.
        for _ in 0..<16 {
            var sender = sockaddr_ll()
            var length = socklen_t(MemoryLayout<sockaddr_ll>.size)
            let count = withUnsafeMutablePointer(to: &sender) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(ear.descriptor, &buffer, buffer.count, 0, $0, &length)
                }
            }
            guard count > 0 else { return }
            let frame = buffer.prefix(count)
            let claims =
                sender.sll_pkttype == UInt8(PACKET_OUTGOING)
                ? AddressClaim.given(by: frame, to: ear.mac) : AddressClaim.used(in: frame, by: ear.mac)
            for claim in claims where ear.isNews(claim) {
                continuation.yield(AddressListener.Element(index: ear.index, claim: claim))
            }
        }
    }
}
