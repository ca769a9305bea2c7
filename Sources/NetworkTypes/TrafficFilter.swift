/// What is done with the frames that a device receives, before anything else sees them: a filter of tc on the
/// device's `ingress` (tc-u32(8), tc-mirred(8)).
public struct TrafficFilter<Device: Hashable & Sendable>: Hashable, Sendable {
    public var device: Device
    /// The queueing discipline it hangs on, `major:minor` as one number.
    public var parent: UInt32
    /// The place among the filters, from 1; the lower comes first.
    public var priority: UInt16
    public var action: Action

    /// What it does.
    public enum Action: Hashable, Sendable {
        /// Every frame goes out of another device instead, and comes back when that has sent it; nil where the
        /// other device is gone, and every frame is lost.
        case redirect(to: Device?)
        /// Any other, by the kernel's name for its kind.
        case other(String)
    }

    public init(device: Device, parent: UInt32, priority: UInt16, action: Action) {
        self.device = device
        self.parent = parent
        self.priority = priority
        self.action = action
    }
}

extension TrafficFilter: Codable where Device: Codable {}
extension TrafficFilter.Action: Codable where Device: Codable {}

extension TrafficFilter {
    /// The same filter with its devices translated; nil where the device itself is not known.
    public func mapDevices<Other>(_ translate: (Device) -> Other?) -> TrafficFilter<Other>? {
        guard let device = translate(device) else { return nil }
        let action: TrafficFilter<Other>.Action =
            switch action {
            case .redirect(let target): .redirect(to: target.flatMap(translate))
            case .other(let kind): .other(kind)
            }
        return TrafficFilter<Other>(device: device, parent: parent, priority: priority, action: action)
    }
}
