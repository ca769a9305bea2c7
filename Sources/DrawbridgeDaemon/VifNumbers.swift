import DrawbridgeModel

/// Keeps two requests from meaning the same vif at once, and chooses numbers where none was given.
actor VifNumbers {
    /// Domain numbers from here on are never a Xen domain's (DOMID_FIRST_RESERVED is 0x7ff0, xen/include/public).
    static let firstOwnDomain: UInt32 = 32768

    private struct Reservation {
        var owner: UInt32
        var domain: String?
    }
    private var reserved: [VifID: Reservation] = [:]

    /// Reserves this id, until `release`.
    func reserve(_ id: VifID, owner: UInt32, domain: String?) throws(DrawbridgeError) {
        guard reserved[id] == nil else {
            throw DrawbridgeError(
                .conflict, id.description, "another request for it is under way", advice: "try again")
        }
        reserved[id] = Reservation(owner: owner, domain: domain)
    }

    /// Reserves the next device of the user's domain of that name, or the first of a domain number that is free.
    func reserveNext(domain: String?, owner: UInt32, among vifs: [VifRequest]) -> VifID {
        var taken = Set(vifs.map(\.id))
        taken.formUnion(reserved.keys)
        var number: UInt32?
        if let domain {
            number =
                vifs.filter { $0.domainName == domain && $0.owner == owner }.map(\.id.domain).min()
                ?? reserved.filter { $0.value.domain == domain && $0.value.owner == owner }.map(\.key.domain)
                .min()
        }
        let domains = Set(taken.map(\.domain))
        var candidate = Self.firstOwnDomain
        while number == nil {
            if !domains.contains(candidate) { number = candidate }
            candidate += 1
        }
        let chosen = number ?? Self.firstOwnDomain
        var device: UInt32 = 0
        while taken.contains(VifID(domain: chosen, device: device)) { device += 1 }
        let id = VifID(domain: chosen, device: device)
        reserved[id] = Reservation(owner: owner, domain: domain)
        return id
    }

    /// How many vifs the user has among these, with those that are asked for just now.
    func count(of owner: UInt32, among vifs: [VifID]) -> Int {
        Set(vifs).union(reserved.filter { $0.value.owner == owner }.keys).count
    }

    /// Takes a reservation back.
    func release(_ id: VifID) { reserved.removeValue(forKey: id) }
}
