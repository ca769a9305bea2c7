"""The host, the router beyond its uplink, and the guests behind its vifs."""

from .namespaces import Namespace

HOST_IPV4 = "192.0.2.10"
HOST_IPV4_SECOND = "192.0.2.11"
HOST_IPV6 = "2001:db8:1::10"
ROUTER_IPV4 = "192.0.2.1"
ROUTER_IPV6 = "2001:db8:1::1"
GUESTS_IPV4 = {"1.0": "192.0.2.21", "3.1": "192.0.2.31"}
GUESTS_IPV6 = {"1.0": "2001:db8:1::21", "3.1": "2001:db8:1::31"}
NEIGHBOUR = "192.0.2.77"
NEIGHBOUR_MAC = "02:00:00:00:00:77"

# Settings an administrator may have made on the uplink: none of them is what a new device starts with.
UPLINK_SETTINGS = {
    "ipv4/conf/{}/rp_filter": 2,
    "ipv4/conf/{}/arp_announce": 1,
    "ipv4/conf/{}/send_redirects": 0,
    "ipv6/conf/{}/hop_limit": 61,
    "ipv4/neigh/{}/gc_stale_time": 71,
}


class Topology:
    """A host with `eth0` and a router behind it; guests are added as a test needs them.

        guest (eth0) ── vif1.0 ┐
                               xenbr0 ── eth0 ──── lan0  router ── far away (10.20.0.0/16, …)
        guest (eth0) ── vif3.1 ┘
    """

    def __init__(self, uplink="eth0"):
        self.uplink = uplink
        self.host = Namespace("host")
        self.router = Namespace("router")
        self.guests = {}
        self._connect()

    def _connect(self):
        host, router, uplink = self.host, self.router, self.uplink
        for namespace in (host, router):
            # Duplicate address detection would make every set-up a second longer. On the host only its
            # uplink goes without, so that a bridge that merely takes the defaults shows as a difference.
            namespace.sysctl("ipv6/conf/default/accept_dad", 0)
        router.sysctl("ipv4/ip_forward", 1)
        router.sysctl("ipv6/conf/all/forwarding", 1)
        host.ip("link", "add", uplink, "type", "veth", "peer", "name", "lan0", "netns", router.name)
        host.sysctl("ipv6/conf/default/accept_dad", 1)
        for path, value in UPLINK_SETTINGS.items():
            host.sysctl(path.format(uplink), value)
        router.batch([
            "link set lan0 address 02:00:00:00:01:01 up",
            f"address add {ROUTER_IPV4}/24 dev lan0",
            f"address add {ROUTER_IPV6}/64 dev lan0 nodad",
            "address add 10.20.0.1/32 dev lo",
            "address add 10.30.0.1/32 dev lo",
            "address add 2001:db8:20::1/128 dev lo",
        ])
        host.batch([
            f"link set {uplink} address 02:00:00:00:00:10 up",
            f"address add {HOST_IPV4}/24 brd + dev {uplink}",
            f"address add {HOST_IPV4_SECOND}/24 brd + dev {uplink} label {uplink}:1",
            f"address add {HOST_IPV6}/64 dev {uplink}",
            f"route add default via {ROUTER_IPV4} dev {uplink}",
            f"route add 10.20.0.0/16 via {ROUTER_IPV4} dev {uplink} metric 50",
            f"route add 10.30.0.0/16 via {ROUTER_IPV4} dev {uplink} src {HOST_IPV4_SECOND} mtu 1400",
            f"route add ::/0 via {ROUTER_IPV6} dev {uplink}",
            f"neighbour add {NEIGHBOUR} lladdr {NEIGHBOUR_MAC} dev {uplink} nud permanent",
        ])
        self.settle()

    def settle(self, timeout=5):
        """Waits until the uplink's link-local address is there and none is tentative any more."""
        self.host.settled(self.uplink, timeout)

    def add_guest(self, vif):
        """Makes the namespace of a guest; its vif is made by whoever attaches it."""
        guest = Namespace("guest" + vif.replace(".", "x"))
        guest.sysctl("ipv6/conf/default/accept_dad", 0)
        self.guests[vif] = guest
        return guest

    def add_guest_with_device(self, vif, mac=None):
        """Makes a guest whose vif is there already, as netback or QEMU would have made it: down."""
        guest = self.add_guest(vif)
        self.host.ip("link", "add", f"vif{vif}", "type", "veth", "peer", "name", "eth0",
                     "netns", guest.name)
        domain, device = (int(part) % 256 for part in vif.split("."))
        guest.ip("link", "set", "eth0", "address", mac or f"00:16:3e:00:{domain:02x}:{device:02x}")
        return guest

    def address_guest(self, vif):
        """Gives the guest's end its addresses and its default route, as the guest itself would."""
        guest = self.guests[vif]
        guest.batch([
            "link set eth0 up",
            f"address add {GUESTS_IPV4[vif]}/24 dev eth0",
            f"address add {GUESTS_IPV6[vif]}/64 dev eth0 nodad",
            f"route add default via {ROUTER_IPV4} dev eth0",
        ])

    def remove(self):
        for namespace in (self.host, self.router, *self.guests.values()):
            namespace.remove()
