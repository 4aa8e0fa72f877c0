"""The rendered NetworkPolicy, by its meaning: who reaches a model's pods, and what these reach."""

from dataclasses import replace
from typing import Any

import pytest

from nereid_operator.plan.ir import Network, Owner
from nereid_operator.render.network import network_policy
from tests.unit.operator.network_rules import Pod, lets_in, lets_out

OWNER = Owner("m", "team", "u")
TEAM, WEB = {"kubernetes.io/metadata.name": "team"}, {"kubernetes.io/metadata.name": "web", "tier": "front"}
SYSTEM = {"kubernetes.io/metadata.name": "nereid-system"}
REPLICA = Pod("team", {"nereid.dev/model": "m", "app.kubernetes.io/component": "replica"}, TEAM)
RESOLVE = Pod("team", {"nereid.dev/model": "m", "app.kubernetes.io/component": "resolve"}, TEAM)
OTHER_MODEL = Pod("team", {"nereid.dev/model": "other", "app.kubernetes.io/part-of": "nereid"}, TEAM)
SAME_NAME_ELSEWHERE = Pod("web", {"nereid.dev/model": "m"}, WEB)
OPERATOR = Pod("nereid-system", {"nereid.dev/system": "true"}, SYSTEM)
FALSE_OPERATOR = Pod("web", {"nereid.dev/system": "true"}, WEB)
BESIDE_OPERATOR = Pod("nereid-system", {"nereid.dev/model": "x", "app.kubernetes.io/part-of": "nereid"}, SYSTEM)
NEIGHBOUR = Pod("team", {"app": "client"}, TEAM)
STRANGER = Pod("web", {"app": "client"}, WEB)
OFFICE = Pod(address="192.0.2.7")
NOBODY: tuple[dict[str, Any], ...] = ()
NEIGHBOURS = ({"podSelector": {}},)
FRONT_ENDS = (
    {"namespaceSelector": {"matchLabels": {"tier": "front"}}, "podSelector": {"matchLabels": {"app": "client"}}},
)
OFFICES = ({"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.128/25"]}},)

INGRESS: dict[str, tuple[tuple[dict[str, Any], ...], Pod, Pod, int, bool]] = {
    "a pod of the same namespace asks the OpenAI API": (NEIGHBOURS, REPLICA, NEIGHBOUR, 8080, True),
    "a pod of the same namespace asks Triton over HTTP": (NEIGHBOURS, REPLICA, NEIGHBOUR, 8000, True),
    "a pod of the same namespace asks Triton over gRPC": (NEIGHBOURS, REPLICA, NEIGHBOUR, 8001, True),
    "a pod of the same namespace reads the metrics": (NEIGHBOURS, REPLICA, NEIGHBOUR, 8002, True),
    "a pod of the same namespace asks how the fetch goes": (NEIGHBOURS, REPLICA, NEIGHBOUR, 8082, False),
    "a pod of the same namespace tries ssh": (NEIGHBOURS, REPLICA, NEIGHBOUR, 22, False),
    "another model of the namespace is a client like others": (NEIGHBOURS, REPLICA, OTHER_MODEL, 8080, True),
    "a pod of another namespace": (NEIGHBOURS, REPLICA, STRANGER, 8080, False),
    "a model of the same name in another namespace": (NEIGHBOURS, REPLICA, SAME_NAME_ELSEWHERE, 8080, False),
    "the operator asks how the fetch goes": (NEIGHBOURS, REPLICA, OPERATOR, 8082, True),
    "the operator asks the resolve Job": (NEIGHBOURS, RESOLVE, OPERATOR, 8082, True),
    "the operator asks where nobody else may": (NOBODY, REPLICA, OPERATOR, 8080, True),
    "a pod of another namespace that bears the operator's label": (NEIGHBOURS, REPLICA, FALSE_OPERATOR, 8080, False),
    "a model in the operator's namespace is not the operator": (NEIGHBOURS, REPLICA, BESIDE_OPERATOR, 8080, False),
    "an address outside of the cluster": (NEIGHBOURS, REPLICA, OFFICE, 8080, False),
    "the same namespace where the platform names no clients": (NOBODY, REPLICA, NEIGHBOUR, 8080, False),
    "a front end of the namespaces that the platform names": (FRONT_ENDS, REPLICA, STRANGER, 8080, True),
    "another pod of the namespaces that the platform names": (
        FRONT_ENDS, REPLICA, replace(STRANGER, labels={"app": "job"}), 8080, False),
    "the same namespace where the platform names others": (FRONT_ENDS, REPLICA, NEIGHBOUR, 8080, False),
    "an address that the platform names": (OFFICES, REPLICA, OFFICE, 8080, True),
    "an address that the platform leaves out": (OFFICES, REPLICA, replace(OFFICE, address="192.0.2.200"), 8080, False),
    "a pod of the namespace that is no model's is not concerned": (NOBODY, NEIGHBOUR, STRANGER, 22, True),
    "a pod of another model is not concerned": (NOBODY, OTHER_MODEL, STRANGER, 22, True),
}  # fmt: skip


@pytest.mark.parametrize(("clients", "pod", "source", "port", "expected"), INGRESS.values(), ids=INGRESS.keys())
def test_who_reaches_the_pods(clients: tuple[dict[str, Any], ...], pod: Pod, source: Pod, port: int, expected: bool):
    policy = network_policy(OWNER, Network("nereid-system", clients))
    assert lets_in(policy, pod, source, port) is expected


ANYWHERE = Network("nereid-system", NEIGHBOURS)
STORE_ONLY = replace(ANYWHERE, egress_cidrs=("203.0.113.0/24", "2001:db8::/32"))
LINK_LOCAL_STORE = replace(ANYWHERE, egress_cidrs=("169.254.7.0/24",))
NOWHERE = replace(ANYWHERE, egress_cidrs=())
HUB, STORE, STORE_6 = Pod(address="198.51.100.4"), Pod(address="203.0.113.9"), Pod(address="2001:db8::9")
METADATA, METADATA_6 = Pod(address="169.254.169.254"), Pod(address="fd00:ec2::254")
IN_CLUSTER = Pod("stores", {"app": "s3"}, {}, "10.1.2.3")
# To network plugins such as Cilium a pod has no address that an ipBlock could hold.
WITHOUT_ADDRESS = replace(IN_CLUSTER, address="169.254.9.9")

EGRESS: dict[str, tuple[Network, Pod, int, str, bool]] = {
    "the public hub": (ANYWHERE, HUB, 443, "TCP", True),
    "a store on an unusual port": (ANYWHERE, STORE, 9000, "TCP", True),
    "a store over IPv6": (ANYWHERE, STORE_6, 443, "TCP", True),
    "a store in the cluster": (ANYWHERE, IN_CLUSTER, 9000, "TCP", True),
    "a store in the cluster whose address counts for nothing": (ANYWHERE, WITHOUT_ADDRESS, 9000, "TCP", True),
    "the metadata of the node": (ANYWHERE, METADATA, 80, "TCP", False),
    "the metadata of the node over IPv6": (ANYWHERE, METADATA_6, 80, "TCP", False),
    "a link-local address": (ANYWHERE, Pod(address="169.254.1.1"), 443, "TCP", False),
    "a link-local address of IPv6": (ANYWHERE, Pod(address="fe80::1"), 443, "TCP", False),
    "DNS over UDP": (ANYWHERE, IN_CLUSTER, 53, "UDP", True),
    "DNS over TCP": (ANYWHERE, IN_CLUSTER, 53, "TCP", True),
    "a DNS cache on the node": (ANYWHERE, Pod(address="169.254.20.10"), 53, "UDP", True),
    "the store that the platform allows": (STORE_ONLY, STORE, 443, "TCP", True),
    "the store that the platform allows over IPv6": (STORE_ONLY, STORE_6, 443, "TCP", True),
    "the public hub where the platform allows one store": (STORE_ONLY, HUB, 443, "TCP", False),
    "a pod of the cluster where the platform allows one store": (STORE_ONLY, IN_CLUSTER, 9000, "TCP", False),
    "DNS where the platform allows one store": (STORE_ONLY, IN_CLUSTER, 53, "UDP", True),
    "a link-local store that the platform names": (LINK_LOCAL_STORE, Pod(address="169.254.7.7"), 443, "TCP", True),
    "the metadata beside a link-local store": (LINK_LOCAL_STORE, METADATA, 80, "TCP", False),
    "the hub where the platform allows nothing": (NOWHERE, HUB, 443, "TCP", False),
    "DNS where the platform allows nothing": (NOWHERE, IN_CLUSTER, 53, "UDP", True),
}  # fmt: skip


@pytest.mark.parametrize(("network", "target", "port", "protocol", "expected"), EGRESS.values(), ids=EGRESS.keys())
def test_what_the_pods_reach(network: Network, target: Pod, port: int, protocol: str, expected: bool):
    policy = network_policy(OWNER, network)
    assert lets_out(policy, REPLICA, target, port, protocol) is expected
    assert lets_out(policy, RESOLVE, target, port, protocol) is expected


def test_no_exception_lies_outside_of_its_range():
    cidrs = ("0.0.0.0/0", "169.254.0.0/16", "169.0.0.0/8", "fd00::/8", "::/0")
    egress = network_policy(OWNER, replace(ANYWHERE, egress_cidrs=cidrs))["spec"]["egress"][1]["to"]
    assert [peer["ipBlock"].get("except", []) for peer in egress[:-1]] == [
        ["169.254.0.0/16"],
        [],
        ["169.254.0.0/16"],
        ["fd00:ec2::254/128"],
        ["fe80::/10", "fd00:ec2::254/128"],
    ]
