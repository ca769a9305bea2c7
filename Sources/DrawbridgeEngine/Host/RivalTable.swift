import DrawbridgeModel
import NetworkTypes

/// Finds the vifs that may have what another is given, without looking at all of them.
struct RivalTable: Sendable {
    private var byMAC: [MACAddress: Set<VifID>] = [:]
    private var byAddress: [Prefix: Set<VifID>] = [:]
    /// Vifs with a prefix of more than one address: few, and in the way of many.
    private var withPrefixes: Set<VifID> = []
    /// Vifs with any address at all.
    private var withAddresses: Set<VifID> = []

    mutating func insert(_ request: VifRequest) {
        if let mac = request.mac { byMAC[mac, default: []].insert(request.id) }
        for prefix in request.addresses {
            withAddresses.insert(request.id)
            byAddress[prefix, default: []].insert(request.id)
            if prefix.length != prefix.family.bits { withPrefixes.insert(request.id) }
        }
    }

    mutating func remove(_ request: VifRequest) {
        if let mac = request.mac { Self.remove(request.id, &byMAC, mac) }
        for prefix in request.addresses { Self.remove(request.id, &byAddress, prefix) }
        withPrefixes.remove(request.id)
        withAddresses.remove(request.id)
    }

    private static func remove<Key>(_ id: VifID, _ table: inout [Key: Set<VifID>], _ key: Key) {
        table[key]?.remove(id)
        if table[key]?.isEmpty == true { table[key] = nil }
    }

    func isTaken(_ address: MACAddress) -> Bool { byMAC[address] != nil }

    func vifs(with address: MACAddress) -> Set<VifID> { byMAC[address] ?? [] }

    /// Every vif that may clash with the request, and some that do not.
    func rivals(of request: VifRequest) -> Set<VifID> {
        var found: Set<VifID> = []
        if let mac = request.mac { found.formUnion(byMAC[mac] ?? []) }
        for prefix in request.addresses {
            guard prefix.length == prefix.family.bits else {
                found.formUnion(withAddresses)
                continue
            }
            found.formUnion(byAddress[prefix] ?? [])
            found.formUnion(withPrefixes)
        }
        found.remove(request.id)
        return found
    }
}
