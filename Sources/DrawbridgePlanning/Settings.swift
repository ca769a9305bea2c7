/// Which settings are read, copied from an uplink to its bridge, and compared.
///
/// The names are those of Documentation/networking/ip-sysctl.rst. A kernel that lacks one is not an error: what
/// was not read is not written.
extension SettingKey {
    public static let disableIPv6 = SettingKey(.ipv6Conf, "disable_ipv6")
    public static let addressGeneration = SettingKey(.ipv6Conf, "addr_gen_mode")
    public static let stableSecret = SettingKey(.ipv6Conf, "stable_secret")
    public static let keepsAddressesOnDown = SettingKey(.ipv6Conf, "keep_addr_on_down")
    public static let acceptsRouterAdvertisements = SettingKey(.ipv6Conf, "accept_ra")
    public static let promotesSecondaries = SettingKey(.ipv4Conf, "promote_secondaries")
    public static let reversePathFilter = SettingKey(.ipv4Conf, "rp_filter")
    public static let arpFilter = SettingKey(.ipv4Conf, "arp_filter")
    /// Whether the device joins what it receives into large packets (`ethtool -k`), which cannot be forwarded: the
    /// kernel switches it off when the device becomes a port (`dev_disable_lro`), and never on again.
    public static let largeReceiveOffload = SettingKey(.offload, "large-receive-offload")

    /// The settings of an uplink that its bridge takes over and that a stop gives back.
    ///
    /// `addr_gen_mode` is not among them: it is ``NetworkTypes/Link/addressGeneration``, since rtnetlink sets it
    /// without the side effect of generating an address at once, which the sysctl has.
    public static let copied: [SettingKey] =
        [
            "rp_filter", "arp_accept", "arp_announce", "arp_filter", "arp_ignore", "arp_notify",
            "arp_evict_nocarrier", "accept_local", "accept_redirects", "accept_source_route",
            "send_redirects", "secure_redirects", "shared_media", "forwarding", "proxy_arp",
            "proxy_arp_pvlan", "promote_secondaries", "route_localnet", "src_valid_mark", "log_martians",
            "bc_forwarding", "disable_policy", "disable_xfrm", "drop_gratuitous_arp",
            "drop_unicast_in_l2_multicast", "force_igmp_version", "ignore_routes_with_linkdown",
        ].map { SettingKey(.ipv4Conf, $0) }
        + [
            "disable_ipv6", "accept_ra", "accept_ra_defrtr", "accept_ra_from_local",
            "accept_ra_min_hop_limit", "accept_ra_min_lft", "accept_ra_mtu", "accept_ra_pinfo",
            "accept_ra_rt_info_max_plen", "accept_ra_rt_info_min_plen", "accept_ra_rtr_pref",
            "accept_redirects", "accept_source_route", "accept_untracked_na", "autoconf", "use_tempaddr",
            "temp_prefered_lft", "temp_valid_lft", "max_addresses", "stable_secret", "accept_dad",
            "dad_transmits", "forwarding", "hop_limit", "mtu", "ndisc_notify", "ndisc_evict_nocarrier",
            "ra_defrtr_metric", "use_oif_addrs_only", "use_optimistic", "optimistic_dad",
            "enhanced_dad", "keep_addr_on_down", "router_solicitations",
            "router_solicitation_interval", "router_solicitation_delay",
            "router_solicitation_max_interval", "force_mld_version", "force_tllao", "proxy_ndp",
            "suppress_frag_ndisc", "drop_unicast_in_l2_multicast", "drop_unsolicited_na",
        ].map { SettingKey(.ipv6Conf, $0) }
        + [Tree.ipv4Neigh, .ipv6Neigh].flatMap { tree in
            [
                "app_solicit", "base_reachable_time_ms", "delay_first_probe_time", "gc_stale_time",
                "locktime",
                "mcast_resolicit", "mcast_solicit", "proxy_delay", "proxy_qlen", "retrans_time_ms",
                "ucast_solicit", "unres_qlen_bytes",
            ].map { SettingKey(tree, $0) }
        }

    /// The settings of a vif, or of any other port, that are read.
    public static let ofPorts: [SettingKey] = [disableIPv6]

    /// Those of `all` that decide together with a link's own (`IN_DEV_ORCONF`, `IN_DEV_MAXCONF` in
    /// linux/inetdevice.h).
    public static let globals: [SettingKey] = [
        promotesSecondaries, reversePathFilter, arpFilter, keepsAddressesOnDown,
    ]
}
