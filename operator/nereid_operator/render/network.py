"""Network → NetworkPolicy over every pod of a model. Pure; called by render/children.py.

    in:   the chart's own pods on every port; the platform's clients on the ports that serve
    out:  DNS; what the model is fetched from, never a link-local address

Probes come from the node itself, which is always let in. Port 53 is open towards everything, because DNS caches on
nodes have link-local addresses.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from nereid_operator.api.resources import LABEL_MODEL, LABEL_NAMESPACE, LABEL_SYSTEM, NETWORK_POLICY
from nereid_operator.plan.ir import Network, Owner
from nereid_operator.render.metadata import Component, Manifest, labels, metadata
from nereid_operator.render.ports import FRONTEND_PORT, GRPC_PORT, HTTP_PORT, METRICS_PORT

# Where clouds tell a pod what its node may do, and what no model is fetched from.
LINK_LOCAL = tuple(map(ip_network, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128")))
SERVING_PORTS = (FRONTEND_PORT, HTTP_PORT, GRPC_PORT, METRICS_PORT)
DNS_PORT = 53


def network_policy(owner: Owner, network: Network) -> Manifest:
    """Return the policy; what it does not name is refused in both directions."""
    return {
        "apiVersion": NETWORK_POLICY.api_version,
        "kind": NETWORK_POLICY.kind,
        "metadata": metadata(owner, owner.name, labels(owner, Component.MODEL)),
        "spec": {
            "podSelector": {"matchLabels": {LABEL_MODEL: owner.name}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": _ingress(network),
            "egress": _egress(network),
        },
    }


def _ingress(network: Network) -> list[dict[str, Any]]:
    system = {
        "namespaceSelector": {"matchLabels": {LABEL_NAMESPACE: network.operator_namespace}},
        "podSelector": {"matchLabels": {LABEL_SYSTEM: "true"}},
    }
    rules: list[dict[str, Any]] = [{"from": [system]}]
    # A rule without peers would let everybody in.
    if network.clients:
        ports = [{"protocol": "TCP", "port": port} for port in SERVING_PORTS]
        rules.append({"from": [dict(client) for client in network.clients], "ports": ports})
    return rules


def _egress(network: Network) -> list[dict[str, Any]]:
    dns = {"ports": [{"protocol": protocol, "port": DNS_PORT} for protocol in ("UDP", "TCP")]}
    destinations = list(map(ip_network, network.egress_cidrs))
    peers: list[dict[str, Any]] = [{"ipBlock": _block(destination)} for destination in destinations]
    # To some network plugins a pod is never part of an address range.
    if any(destination.prefixlen == 0 for destination in destinations):
        peers.append({"namespaceSelector": {}})
    return [dns, {"to": peers}] if peers else [dns]


def _block(destination: IPv4Network | IPv6Network) -> dict[str, Any]:
    """Return the range without the link-local ones inside it; the API server takes no exception that lies outside."""
    holes = [str(hole) for hole in LINK_LOCAL if _is_inside(hole, destination)]
    return {"cidr": str(destination), **({"except": holes} if holes else {})}


def _is_inside(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    return inner.version == outer.version and inner != outer and inner.subnet_of(outer)  # type: ignore[arg-type]
