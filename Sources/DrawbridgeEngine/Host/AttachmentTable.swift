import DrawbridgeModel
import NetworkTypes

/// What is attached, found by vif and by the index of its device.
struct AttachmentTable: Sendable {
    private var attached: [VifID: Attachment] = [:]
    private var vifs: [Int32: VifID] = [:]
    private var rivals = RivalTable()

    subscript(id: VifID) -> Attachment? {
        get { attached[id] }
        set {
            if let old = attached[id] {
                if vifs[old.index] == id { vifs[old.index] = nil }
                rivals.remove(old.held)
            }
            attached[id] = newValue
            if let newValue { rivals.insert(newValue.held) }
            if let newValue, newValue.index != 0 { vifs[newValue.index] = id }
        }
    }

    /// The vif whose device had this index when it was attached.
    subscript(device index: Int32) -> Attachment? { vifs[index].flatMap { attached[$0] } }

    /// What is attached and may have what one of these is given.
    func rivals(of requests: [VifRequest]) -> [Attachment] {
        requests.reduce(into: Set<VifID>()) { $0.formUnion(rivals.rivals(of: $1)) }
            .sorted().compactMap { attached[$0] }
    }

    /// Whether a vif was given this hardware address.
    func isTaken(_ address: MACAddress) -> Bool { rivals.isTaken(address) }

    /// Whether a vif with this hardware address is connected to a network.
    func isConnected(_ address: MACAddress, to network: NetworkName) -> Bool {
        rivals.vifs(with: address).contains { attached[$0]?.network == network }
    }

    /// Every attachment, in no order.
    var values: Dictionary<VifID, Attachment>.Values { attached.values }
    /// Every vif that is attached, in no order.
    var keys: Dictionary<VifID, Attachment>.Keys { attached.keys }
}
