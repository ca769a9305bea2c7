public import DrawbridgeModel
import DrawbridgePlanning
import Netlink
import NetworkTypes
import Nftables

/// The tables of the family netdev that hold vifs to something.
public enum GuestTable: Hashable, Sendable, CaseIterable {
    /// The filter against spoofing, the security groups, the limits.
    case filter, groups, rates

    fileprivate var table: Table {
        switch self {
        case .filter: FilterTable.table
        case .groups: GroupTable.table
        case .rates: RateTable.table
        }
    }
}

/// A change of one of these tables by somebody else.
public enum ForeignFilterChange: Hashable, Sendable {
    /// A program changed them; `pins` tells whether that was about what vifs have pinned.
    case changed(program: String, process: UInt32, pins: Bool, tables: Set<GuestTable>)
    /// Something was lost: anything may have changed.
    case overrun
}

/// What others change in these tables, as it changes: one element for each of their transactions.
public struct ForeignFilterChanges: AsyncSequence, Sendable {
    public typealias Element = ForeignFilterChange
    private let events: NftablesEvents

    /// - Parameter port: That of the socket of this process, of whose changes it knows.
    init(ignoring port: UInt32) throws(NetlinkError) { events = try NftablesEvents(ignoring: port) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var base: NftablesEvents.AsyncIterator
        private var touched: Set<GuestTable> = []
        private var touchesPins = false

        fileprivate init(_ base: NftablesEvents.AsyncIterator) { self.base = base }

        public mutating func next() async -> ForeignFilterChange? { await next(isolation: #isolation) }

        public mutating func next(isolation actor: isolated (any Actor)?) async -> ForeignFilterChange? {
            while let event = await base.next(isolation: actor) {
                switch event {
                case .overrun: return .overrun
                case .generation(_, let process, let program):
                    let (tables, pins) = (touched, touchesPins)
                    (touched, touchesPins) = ([], false)
                    if !tables.isEmpty {
                        return .changed(program: program, process: process, pins: pins, tables: tables)
                    }
                case .elements(_, let set, FilterTable.table),
                    .elementsDeleted(_, let set, FilterTable.table):
                    touched.insert(.filter)
                    if FilterTable.filledByPackets.contains(set) { touchesPins = true }
                default:
                    if let table = GuestTable.allCases.first(where: { $0.table == event.table }) {
                        touched.insert(table)
                    }
                }
            }
            return nil
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(events.makeAsyncIterator()) }
}

extension HostAccess {
    /// What others change in the tables that hold vifs to something, from now on.
    public func filterChanges() throws(DrawbridgeError) -> ForeignFilterChanges {
        do throws(NetlinkError) { return try ForeignFilterChanges(ignoring: nftables.port) } catch {
            throw DrawbridgeError(error, about: "nf_tables", doing: "cannot be listened to")
        }
    }
}
