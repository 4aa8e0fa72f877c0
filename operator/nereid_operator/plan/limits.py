"""What the ServingPolicies of a namespace allow whatever a spec says. Pure; called by plan/policy.py and reconciler.py.

It holds also for what serves while the newest spec cannot be used.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from ipaddress import IPv4Network, IPv6Network, ip_network

from nereid_operator.api.serving_policy import Policy, ServingPolicy
from nereid_operator.plan.ir import Egress, Network, Platform, Proxy

IPNetwork = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Limits:
    """The strictest of all policies; None where none of them sets a limit. `egress_hosts` has each one's own list.

    Without `are_known` there is one that cannot be read, and nobody knows what it would allow.
    """

    are_known: bool
    max_replicas: int | None
    max_accelerators: int | None
    egress_hosts: tuple[tuple[str, ...], ...]
    egress_cidrs: tuple[str, ...] | None

    def narrowed(self, platform: Platform) -> Platform:
        """Return the platform's settings with the hosts and networks that its policies leave open."""
        return replace(platform, network=self._network(platform.network), egress=self._egress(platform.proxy))

    def _network(self, network: Network | None) -> Network | None:
        if network is None or self.egress_cidrs is None:
            return network
        return replace(network, egress_cidrs=self.egress_cidrs)

    def _egress(self, proxy: Proxy | None) -> Egress | None:
        urls = () if proxy is None else tuple(dict.fromkeys(url for url in (proxy.http, proxy.https) if url))
        if not urls and not self.egress_hosts and self.egress_cidrs is None:
            return None
        return Egress(self.egress_hosts, self.egress_cidrs, urls)

    def most_replicas(self, accelerators: int) -> int | None:
        """Return how many pods with so many devices each are allowed; None when any number is."""
        if not self.are_known:
            return 0
        by_devices = (
            self.max_accelerators // accelerators if accelerators and self.max_accelerators is not None else None
        )
        return _least((self.max_replicas, by_devices))


def limits(policies: Iterable[Policy]) -> Limits:
    """Return what the policies of a namespace allow together."""
    policies = tuple(policies)
    specs = [policy.spec for policy in policies if isinstance(policy, ServingPolicy)]
    return Limits(
        are_known=len(specs) == len(policies),
        max_replicas=_least(spec.max_replicas for spec in specs),
        max_accelerators=_least(spec.max_accelerators for spec in specs),
        egress_hosts=tuple(spec.allowed_hosts for spec in specs if spec.allowed_hosts is not None),
        egress_cidrs=_egress_cidrs(spec.allowed_cidrs for spec in specs),
    )


def _least(many: Iterable[int | None]) -> int | None:
    return min((one for one in many if one is not None), default=None)


def _egress_cidrs(allowed: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    lists: list[list[IPNetwork]] = [[ip_network(cidr) for cidr in cidrs] for cidrs in allowed if cidrs is not None]
    if not lists:
        return None
    common: list[IPNetwork] = reduce(_common, lists)
    return tuple(map(str, common))


def _common(some: list[IPNetwork], others: list[IPNetwork]) -> list[IPNetwork]:
    """Return what two lists of networks have in common: two networks lie inside each other or apart."""
    smaller = (min(one, other, key=_size) for one in some for other in others if _overlap(one, other))
    return sorted(
        set(smaller), key=lambda network: (network.version, network.network_address.packed, network.prefixlen)
    )


def _size(network: IPNetwork) -> int:
    return network.num_addresses


def _overlap(one: IPNetwork, other: IPNetwork) -> bool:
    return one.version == other.version and one.overlaps(other)
