"""What a guest is called and may use: the same in the floor, the client, the pump and what the peers are told."""


def mac(domain):
    return f"00:16:3e:{domain >> 16 & 255:02x}:{domain >> 8 & 255:02x}:{domain & 255:02x}"


def ipv4(domain):
    return f"10.{domain >> 16 & 255}.{domain >> 8 & 255}.{domain & 255}"


def ipv6(domain):
    return f"fd00::{domain >> 16 & 255:x}:{domain & 0xffff:x}"


def elements(vif, domain, network="0x1f8df42c"):
    """What `nft` has to be told for a vif, in the sets of floor/filter.nft: what Drawbridge puts there."""
    name = f'"{vif}"'
    sets = {"senders": f"{name} . {mac(domain)}", "networks": f"{name} : {network}",
            "ipv4-sources": f"{name} . {mac(domain)} . {ipv4(domain)}",
            "ipv6-sources": f"{name} . {mac(domain)} . {ipv6(domain)}",
            "ipv4-protected": f"{network} . {ipv4(domain)}", "ipv6-protected": f"{network} . {ipv6(domain)}",
            "ipv4-clients": name, "ipv6-clients": name, "pinning": name,
            "drops": ", ".join(f"{name} . {reason}" for reason in range(1, 13)), "modes": f"{name} : goto filtered"}
    return [(f"netdev drawbridge {name}", value) for name, value in sets.items()]


def permit(vif, domain):
    """Lines for `nft` that filter a vif."""
    lines = [f"add element {place} {{ {value} }}" for place, value in elements(vif, domain)]
    lines.append("add chain netdev drawbridge guests { type filter hook ingress devices = { "
                 f"{vif} }} priority -500; policy drop; }}")
    return "\n".join(lines)


def forbid(vif, domain):
    """Lines for `nft` that take a vif's elements away. nft 1.0.6 cannot take a device off a chain: it stays there."""
    return "\n".join(f"delete element {place} {{ {value} }}" for place, value in elements(vif, domain))
