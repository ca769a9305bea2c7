import Glibc
import NetworkTypes
import Nftables

/// The devices that have base chains of their own, where the kernel knows no chains for devices that are not there yet.
///
/// Such a chain goes with its device: one of the same name that is made later has none, and is told by its index.
struct OwnChains: Sendable {
    /// The index of each device when its chain was made.
    private var indexes: [LinkName: UInt32] = [:]
    /// Devices that are to have one and are not there yet.
    private(set) var awaited: Set<LinkName> = []

    /// Those of the devices that have no chain: their names are told where they can have one now, and awaited else.
    mutating func lacking(_ devices: [LinkName]) -> [LinkName] {
        devices.filter { device in
            let index = if_nametoindex(device.rawValue)
            guard index != 0 else {
                awaited.insert(device)
                return false
            }
            return indexes[device] != index
        }
    }

    /// Those that were awaited and are there now.
    func made() -> [LinkName] { awaited.filter { if_nametoindex($0.rawValue) != 0 }.sorted() }

    /// Chains were made for devices.
    mutating func note(_ devices: [LinkName]) {
        for device in devices {
            indexes[device] = if_nametoindex(device.rawValue)
            awaited.remove(device)
        }
    }

    /// Devices have no chain any more.
    mutating func forget(_ devices: [LinkName]) {
        for device in devices {
            indexes[device] = nil
            awaited.remove(device)
        }
    }
}

extension ChainDefinition {
    /// The chain that all devices share: a base chain for all of them, or one that theirs lead to.
    func shared(_ hooks: FilterLayout.Hooks) -> ChainDefinition {
        hooks == .shared ? self : ChainDefinition(name, in: table)
    }

    /// A device's own base chain, which leads to this one.
    func own(of device: LinkName) -> ChainDefinition {
        var chain = self
        chain.name = "\(name)-\(device)"
        chain.hook?.devices = [device.rawValue]
        return chain
    }
}

extension NftablesTransaction {
    /// Makes base chains for devices of their own, each of which leads to the chain that they share.
    mutating func addOwn(_ chain: ChainDefinition, of devices: [LinkName]) {
        for device in devices {
            let own = chain.own(of: device)
            add(own)
            // One that was there has its rule already.
            delete(rule: nil, of: own.name, of: chain.table)
            add(rule: [.verdict(.goto(chain.name))], to: own.name, of: chain.table)
        }
    }
}
