"""Addresses and networks in settings."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_interface, ip_network

ANY = "*"  # in a list of trusted proxies
Network = IPv4Network | IPv6Network
MAPPED_BITS = 96  # of an IPv6 address that stands for an IPv4 address (::ffff:10.0.0.1)


def networks(text: str) -> tuple[Network, ...]:
    """The networks in a list with commas; an address is a network of one. Raises ValueError, with a sentence."""
    return tuple(_network(part) for part in map(str.strip, text.split(",")) if part)


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(_fault(text)) from None
    if "%" in text:
        raise ValueError(f"{text} has a zone: write the address without it")
    first = network.network_address
    if isinstance(first, IPv6Address) and first.ipv4_mapped and network.prefixlen >= MAPPED_BITS:
        return IPv4Network((first.ipv4_mapped, network.prefixlen - MAPPED_BITS))
    return network


def _fault(text: str) -> str:
    try:
        interface = ip_interface(text)
    except ValueError:
        hint = "separate several with commas" if set(text) & set("; \t") else "names are not looked up"
        return f"{text} is neither an address such as 127.0.0.1 nor a network such as 10.0.0.0/8; {hint}"
    return (
        f"{text} is an address within {interface.network}: write the network, or {interface.ip} for this address alone"
    )
