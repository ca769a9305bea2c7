import DrawbridgeModel
import Glibc
import LinuxHeaders

/// What udhcpc runs when its lease begins, is renewed, or is lost.
///
/// Debian's own script takes every address and route of the interface away when the client starts; this one leaves
/// the bridge as it was moved, and renews what there is. It is held in memory that is sealed and inherited by the
/// client: nothing to install, nothing that anybody can change, no matter whether `/run` allows programs, and
/// there for as long as the client is, also while no daemon runs.
enum DHCPEventScript {
    /// `DRAWBRIDGE_LEASE` names a file with the process that got the lease and the address; `$mask` is the length of
    /// the prefix.
    static let text = """
        #!/bin/sh
        owner= known=
        [ -r "$DRAWBRIDGE_LEASE" ] && read -r owner known < "$DRAWBRIDGE_LEASE"
        case "$1" in
        bound | renew)
            address="$ip/${mask:-32}"
            line=$(ip -4 -o addr show dev "$interface" to "$ip" | grep -F " $address " | head -n 1)
            case "$line" in
            "")
                # Another address than before: it comes with the lifetime of its lease, and the old one goes.
                ip -4 addr add "$address" ${broadcast:+broadcast "$broadcast"} dev "$interface" \\
                    ${lease:+valid_lft "$lease" preferred_lft "$lease"}
                if [ -n "$known" ] && [ "$known" != "$address" ]; then
                    ip -4 addr del "$known" dev "$interface"
                fi
                if [ -n "$router" ]; then
                    ip -4 route replace default via "${router%% *}" dev "$interface"
                fi
                ;;
            *"valid_lft forever"*) ;;
            *)
                metric=$(printf '%s\\n' "$line" | sed -n 's/.* metric \\([0-9]*\\) .*/\\1/p')
                ip -4 addr change "$address" ${metric:+metric "$metric"} dev "$interface" \\
                    ${lease:+valid_lft "$lease" preferred_lft "$lease"}
                ;;
            esac
            echo "$PPID $address" > "$DRAWBRIDGE_LEASE"
            ;;
        deconfig)
            # A client says this when it starts as well; only the one that had the lease can have lost it.
            if [ "$owner" = "$PPID" ] && [ -n "$known" ]; then
                ip -4 addr del "$known" dev "$interface"
                rm -f "$DRAWBRIDGE_LEASE"
            fi
            ;;
        esac
        exit 0

        """

    /// The script in sealed memory.
    static func open() throws(DrawbridgeError) -> SharedDescriptor {
        guard
            let memory = OwnedDescriptor(
                memfd_create("drawbridge-dhcp-event", UInt32(LINUX_MFD_CLOEXEC | LINUX_MFD_ALLOW_SEALING)))
        else { throw DrawbridgeError(.kernel, "memfd_create", systemText(errno)) }
        guard SmallFile.append(Array(text.utf8), to: memory.number),
            fcntl(memory.number, Int32(LINUX_F_ADD_SEALS), Int32(LINUX_SEALS_ALL)) == 0
        else { throw DrawbridgeError(.kernel, "memfd_create", systemText(errno)) }
        return SharedDescriptor(memory)
    }
}
