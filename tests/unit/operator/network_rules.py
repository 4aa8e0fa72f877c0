"""What a NetworkPolicy means: may this connection be made? After the API reference of networking.k8s.io/v1.

A pod that no policy selects for a direction is open in it; one that is selected takes what some rule allows. In a peer,
namespaceSelector and podSelector must both match; a podSelector alone means the policy's own namespace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Pod:
    """A pod, or with no namespace any other address."""

    namespace: str = ""
    labels: Labels = field(default_factory=dict)
    namespace_labels: Labels = field(default_factory=dict)
    address: str = "10.0.0.1"


def lets_in(policy: Mapping[str, Any], pod: Pod, source: Pod, port: int, protocol: str = "TCP") -> bool:
    """Return whether the policy lets `source` reach a port of `pod`."""
    rules = _rules(policy, pod, "Ingress", "ingress")
    return rules is None or any(
        _is_for(policy, rule.get("from"), source) and _is_open(rule, port, protocol) for rule in rules
    )


def lets_out(policy: Mapping[str, Any], pod: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
    """Return whether the policy lets `pod` reach a port of `target`."""
    rules = _rules(policy, pod, "Egress", "egress")
    return rules is None or any(
        _is_for(policy, rule.get("to"), target) and _is_open(rule, port, protocol) for rule in rules
    )


def _rules(policy: Mapping[str, Any], pod: Pod, kind: str, side: str) -> list[Mapping[str, Any]] | None:
    """Return the rules of a direction; None when the policy says nothing about the pod in it."""
    spec = policy["spec"]
    same = policy["metadata"]["namespace"] == pod.namespace
    if not same or not _selects(spec["podSelector"], pod.labels) or kind not in spec["policyTypes"]:
        return None
    return list(spec.get(side, ()))


def _is_open(rule: Mapping[str, Any], port: int, protocol: str) -> bool:
    ports = rule.get("ports")
    return not ports or any(
        entry.get("protocol", "TCP") == protocol and entry.get("port", port) == port for entry in ports
    )


def _is_for(policy: Mapping[str, Any], peers: Sequence[Mapping[str, Any]] | None, other: Pod) -> bool:
    return not peers or any(_is_peer(policy["metadata"]["namespace"], peer, other) for peer in peers)


def _is_peer(own_namespace: str, peer: Mapping[str, Any], other: Pod) -> bool:
    if "ipBlock" in peer:
        block, address = peer["ipBlock"], ip_address(other.address)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(hole) for hole in block.get("except", ())
        )
    if not other.namespace:
        return False
    if "namespaceSelector" in peer:
        in_namespace = _selects(peer["namespaceSelector"], other.namespace_labels)
    else:
        in_namespace = other.namespace == own_namespace
    return in_namespace and _selects(peer.get("podSelector", {}), other.labels)


def _selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    assert set(selector) <= {"matchLabels"}, selector
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
