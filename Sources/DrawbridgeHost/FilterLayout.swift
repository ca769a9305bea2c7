import Glibc
import Nftables

/// How the filter lies in the kernel: what that depends on is asked of the kernel once.
public struct FilterLayout: Hashable, Sendable, CustomStringConvertible {
    /// How vifs come to the rules.
    public enum Hooks: Hashable, Sendable {
        /// One base chain for all, whose devices need not exist yet (Linux 6.16).
        case shared
        /// One base chain for each vif, which leads to the rules that all share; made while the vif is down.
        case perVif
    }

    public var hooks: Hooks
    /// Whether the table has an owner and persists (Linux 6.9): nobody else can change or flush it then.
    public var isOwned: Bool

    public init(hooks: Hooks, isOwned: Bool) {
        self.hooks = hooks
        self.isOwned = isOwned
    }

    /// `one chain for all vifs, owned`
    public var description: String {
        let chains =
            switch hooks {
            case .shared: "one chain for all vifs"
            case .perVif: "one chain for each vif"
            }
        return chains + (isOwned ? ", owned" : ", repaired when others change it")
    }

    var tableFlags: TableFlags { isOwned ? [.owner, .persist] : [] }
}

extension NftablesSocket {
    /// Asks the kernel what it can do. Nothing is left behind by the questions.
    mutating func filterLayout() -> FilterLayout {
        let isOwned = (try? knowsPersistentOwner()) ?? false
        let probe = Table(.netdev, "drawbridge-probe-\(getpid())")
        // A name that no device can have: it is as long as a name may be, and holds a number that is ours.
        let absent = String("dbprobe\(getpid())".prefix(15))
        let chain = ChainDefinition("probe", in: probe, hook: .ingress(0, devices: [absent]))
        do throws(NftablesError) {
            try commit { transaction in
                transaction.add(probe)
                transaction.add(chain)
                transaction.delete(probe)
            }
            return FilterLayout(hooks: .shared, isOwned: isOwned)
        } catch { return FilterLayout(hooks: .perVif, isOwned: isOwned) }
    }
}

extension NftablesTransaction {
    /// Sends what comes in by devices to the filter.
    mutating func hook(_ devices: [String], _ hooks: FilterLayout.Hooks) {
        switch hooks {
        case .shared: add(devices: devices, to: FilterTable.guests)
        case .perVif:
            for device in devices {
                let chain = FilterTable.hook(of: device)
                add(chain)
                // One that was there has its rule already.
                delete(rule: nil, of: chain.name, of: FilterTable.table)
                add(rule: [.verdict(.goto(FilterTable.guests.name))], to: chain.name, of: FilterTable.table)
            }
        }
    }

    /// Leaves devices to themselves. The kernel refuses what is not hooked.
    mutating func unhook(_ devices: [String], _ hooks: FilterLayout.Hooks) {
        switch hooks {
        case .shared: delete(devices: devices, from: FilterTable.guests)
        case .perVif:
            for device in devices {
                delete(chain: FilterTable.hook(of: device).name, of: FilterTable.table)
            }
        }
    }
}

extension FilterTable {
    static let hookPrefix = "hook-"

    /// A vif's own base chain, in the layout that has them.
    static func hook(of device: String) -> ChainDefinition {
        ChainDefinition(
            hookPrefix + device, in: table, hook: .ingress(-500, devices: [device]), dropsByDefault: true)
    }

    /// The chain that all vifs share: a base chain, or one that theirs lead to.
    static func guests(_ hooks: FilterLayout.Hooks) -> ChainDefinition {
        hooks == .shared ? guests : ChainDefinition(guests.name, in: table)
    }
}
