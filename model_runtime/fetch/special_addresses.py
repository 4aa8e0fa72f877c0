"""Addresses that no public source has: those of hosts, links, clusters and clouds themselves. Pure; called by `egress`.

The blocks are those of IANA's special-purpose registries (RFC 6890 and its updates) and the addresses at which clouds
answer with credentials. `ipaddress.is_global` is not asked: it takes multicast for global, and changes with Python.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# An IPv4 address in the last four bytes: mapped, compatible (RFC 4291) and translated (RFC 6052).
_IPV4_LAST = tuple(map(IPv6Network, ("::ffff:0:0/96", "::/96", "64:ff9b::/96")))


@dataclass(frozen=True, slots=True)
class Block:
    """A network of special addresses, and what they are."""

    network: Network
    what: str


_NETWORKS = {
    "an address of this machine": ("0.0.0.0/8", "127.0.0.0/8", "::/128", "::1/128"),
    "a link-local address": ("169.254.0.0/16", "fe80::/10"),
    "a cloud's metadata address": (
        "169.254.169.254/32",
        "169.254.170.2/32",
        "168.63.129.16/32",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "fd00:ec2::254/128",
        "fd20:ce::254/128",
    ),
    "a private address": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
    "an address between a provider and its customers": ("100.64.0.0/10",),
    "an address for benchmarks": ("198.18.0.0/15", "2001:2::/48"),
    "an address for documentation": (
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "2001:db8::/32",
        "3fff::/20",
    ),
    "a multicast address": ("224.0.0.0/4", "ff00::/8"),
    "a reserved address": (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "240.0.0.0/4",
        "::/8",
        "64:ff9b:1::/48",
        "100::/8",
        "200::/7",
        "400::/6",
        "800::/5",
        "1000::/4",
        "2001::/23",
        "2002::/16",
        "4000::/2",
        "8000::/1",
    ),
}
# The smallest block that holds an address says what it is.
_BLOCKS = sorted(
    (Block(ip_network(network), what) for what, networks in _NETWORKS.items() for network in networks),
    key=lambda block: -block.network.prefixlen,
)


def special_block(address: Address) -> Block | None:
    """Return the smallest block of special addresses that holds the address; None for one that is globally routed."""
    return next((block for block in _BLOCKS if address in block.network), None)


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, or the address itself.

    That of 6to4 and Teredo is the one at the end of the tunnel.
    """
    if isinstance(address, IPv4Address):
        return address
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    # ::1 and :: are no IPv4 addresses, though they have the form.
    if int(address) > 1 and any(address in network for network in _IPV4_LAST):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
