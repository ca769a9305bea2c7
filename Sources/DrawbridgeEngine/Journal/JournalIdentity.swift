public import NetworkTypes

/// What a record tells of: this boot, this network namespace, this uplink. Kernel state dies with each of them,
/// and a record that outlived it must never be applied.
public struct JournalIdentity: Hashable, Sendable, Codable {
    /// `/proc/sys/kernel/random/boot_id`.
    public var bootID: String
    /// The cookie of the network namespace (`SO_NETNS_COOKIE`), never used twice in one boot.
    public var namespaceCookie: UInt64
    /// The uplink's interface index and permanent hardware address, for a network that has one.
    public var uplinkIndex: Int32?
    public var uplinkAddress: MACAddress?
    /// The version of the program that wrote the record, for people: a later one adopts what an earlier one wrote.
    public var programVersion: String

    public init(
        bootID: String, namespaceCookie: UInt64, uplinkIndex: Int32? = nil, uplinkAddress: MACAddress? = nil,
        programVersion: String
    ) {
        self.bootID = bootID
        self.namespaceCookie = namespaceCookie
        self.uplinkIndex = uplinkIndex
        self.uplinkAddress = uplinkAddress
        self.programVersion = programVersion
    }

    /// Why a record of this identity does not belong to the host as it is now; nil where it does.
    ///
    /// The uplink is compared as far as both sides know it: its hardware address need not be told by every driver.
    public func mismatch(with current: JournalIdentity) -> String? {
        if bootID != current.bootID {
            return "it was written before the machine was started (boot \(bootID), now \(current.bootID))"
        }
        if namespaceCookie != current.namespaceCookie {
            return "it was written in another network namespace "
                + "(cookie \(namespaceCookie), now \(current.namespaceCookie))"
        }
        if let uplinkIndex, let index = current.uplinkIndex, uplinkIndex != index {
            return "the uplink was interface \(uplinkIndex) and is now interface \(index)"
        }
        if let uplinkAddress, let address = current.uplinkAddress, uplinkAddress != address {
            return "the uplink's permanent address was \(uplinkAddress) and is now \(address)"
        }
        return nil
    }
}
