/// By what name a guest behind `vif-nat` is known to a DHCP server, derived as Xen's script derives it.
public enum GuestHostName {
    /// Of the domain's name, as the store had it in old times, else of its number: `web-1-test` or `dom3`, with `-2` for
    /// its second vif.
    ///
    /// What is no part of a host's name becomes a hyphen: the name goes into the files of other programs.
    public static func derived(domain name: String?, of id: VifID) -> String {
        let own = id.own
        let suffix = own.device == 0 ? "" : "-\(own.device + 1)"
        let stem = name.map { String($0.unicodeScalars.map { isPlain($0) ? Character($0) : "-" }) } ?? ""
        let name = String(stem.prefix(63 - suffix.utf8.count)) + suffix
        return !stem.isEmpty && DomainName.isLabel(name) ? name : "dom\(own.domain)" + suffix
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
    }
}
