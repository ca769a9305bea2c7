import DrawbridgeHost
import DrawbridgeModel
import DrawbridgePlanning
import NetworkTypes

/// How the filter of a vif changes that goes from one network to another: nothing passes of it from before it leaves the
/// one until it is where it is to be in the other.
///
/// What is permitted on one of the two must not pass on the other, and while it is a port of neither, the host itself
/// would take what it sends.
struct FilterMove {
    private let change: FilterChange
    /// As on the network it goes to, and as on the one it comes from, but that nothing passes.
    private let (new, old): (VifFilter, VifFilter)

    init(_ change: FilterChange, of request: VifRequest, device: LinkName, to network: NetworkName) {
        self.change = change
        let unfiltered = VifFilter(
            request.id, device: device, network: network, mode: .open, mac: request.mac ?? .xenVif)
        new = (change.new ?? change.old ?? unfiltered).silenced
        old = (change.old ?? unfiltered).silenced
    }

    /// From what was permitted to nothing.
    var closing: FilterChange { FilterChange(from: change.old, to: new) }
    /// From nothing to what is to be permitted.
    var opening: FilterChange { FilterChange(from: new, to: change.new) }
    /// From the one nothing to the other, where the move is taken back.
    var turning: FilterChange { FilterChange(from: new, to: old) }
    /// From nothing to what was permitted.
    var reopening: FilterChange { FilterChange(from: old, to: change.old) }
}

extension Attachment? {
    /// Whether it is what is known of a vif that was connected to another network, or on its way from there.
    func isFrom(anotherThan network: NetworkName) -> Bool {
        guard let self, let old = self.network else { return false }
        return old != network || self.isMoving == true
    }

    /// How the filter changes as the vif goes to a network; nil where it comes from none, or stays.
    func move(to network: NetworkName, as request: VifRequest, _ change: FilterChange) -> FilterMove? {
        guard isFrom(anotherThan: network), let device = request.filteredDevice else { return nil }
        return FilterMove(change, of: request, device: device, to: network)
    }
}

extension HostEngine {
    /// The devices in which what vifs send may wait, by the vifs.
    func limiters(of ids: [VifID]) -> [LinkKey: Int32] {
        var found: [LinkKey: Int32] = [:]
        for id in ids { found[.vif(id)] = shapers[id] }
        return found
    }
}

extension HostAccess {
    /// Drops what waits at limits: it was permitted on the network that its vif leaves, and would come out on the next
    /// one, since nothing filters what has waited. A device that goes down empties its queue.
    mutating func empty(_ limiters: [Int32]) throws(DrawbridgeError) {
        for limiter in limiters where try link(index: limiter)?.flags.contains(.up) == true {
            try takeDown(limiter)
            try bringUp(limiter)
        }
    }
}
