"""What ServingPolicies allow together whatever a spec says: networks, and pods like those that serve."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from nereid_operator.api.policy_validation import read_policy
from nereid_operator.plan.ir import ANYWHERE, Egress, Image, Network, Platform, Proxy
from nereid_operator.plan.limits import Limits, limits


def _limits(*specs: Mapping[str, Any]) -> Limits:
    """Return the limits of policies named a, b, … in this order."""
    return limits(
        read_policy({"metadata": {"name": name}, "spec": spec}) for name, spec in zip("abcdef", specs, strict=False)
    )


RANGES: dict[str, tuple[tuple[dict[str, Any], ...], tuple[str, ...] | None]] = {
    "nobody names a range": (({}, {"maxReplicas": 1}), None),
    "one list": (({"allowedCIDRs": ["10.0.0.0/8", "2001:db8::/32"]}, {}), ("10.0.0.0/8", "2001:db8::/32")),
    "an empty list opens nothing": (({"allowedCIDRs": []}, {"allowedCIDRs": ["10.0.0.0/8"]}), ()),
    "the smaller of two that overlap": (
        ({"allowedCIDRs": ["10.0.0.0/8"]}, {"allowedCIDRs": ["10.9.0.0/16"]}),
        ("10.9.0.0/16",),
    ),
    "two that lie apart": (({"allowedCIDRs": ["10.0.0.0/8"]}, {"allowedCIDRs": ["192.0.2.0/24"]}), ()),
    "two families": (({"allowedCIDRs": ["0.0.0.0/0"]}, {"allowedCIDRs": ["::/0"]}), ()),
    "parts of one range": (
        (
            {"allowedCIDRs": ["10.0.0.0/8", "192.0.2.0/24"]},
            {"allowedCIDRs": ["10.2.0.0/16", "10.1.0.0/16", "192.0.0.0/16"]},
        ),
        ("10.1.0.0/16", "10.2.0.0/16", "192.0.2.0/24"),
    ),
    "three lists": (
        (
            {"allowedCIDRs": ["10.0.0.0/8"]},
            {"allowedCIDRs": ["10.1.0.0/16"]},
            {"allowedCIDRs": ["10.1.2.0/24", "10.2.0.0/24"]},
        ),
        ("10.1.2.0/24",),
    ),
}


@pytest.mark.parametrize(("specs", "left"), RANGES.values(), ids=RANGES)
def test_the_networks_that_all_policies_leave_open(specs: tuple[dict[str, Any], ...], left: tuple[str, ...] | None):
    allowed = _limits(*specs)
    assert allowed.egress_cidrs == left
    image = Image("image", "IfNotPresent")
    network = allowed.narrowed(Platform(image, network=Network("nereid-system", clients=()))).network
    assert network is not None
    assert network.egress_cidrs == (ANYWHERE if left is None else left)
    assert allowed.narrowed(Platform(image)).network is None


EGRESS: dict[str, tuple[tuple[dict[str, Any], ...], Proxy | None, Egress | None]] = {
    "nobody says anything": (({}, {"maxReplicas": 1}), None, None),
    "a list of hosts alone": (({"allowedHosts": ["a.example"]},), None, Egress((("a.example",),), None, ())),
    "one list for each policy that has one": (
        ({"allowedHosts": ["a.example", "b.example"]}, {}, {"allowedHosts": []}),
        None,
        Egress((("a.example", "b.example"), ()), None, ()),
    ),
    "networks alone": (({"allowedCIDRs": ["10.0.0.0/8"]},), None, Egress((), ("10.0.0.0/8",), ())),
    "no network at all": (({"allowedCIDRs": []},), None, Egress((), (), ())),
    "a proxy alone": ((), Proxy("http://a:1", None, None), Egress((), None, ("http://a:1",))),
    "one proxy for both schemes": ((), Proxy("http://a:1", "http://a:1", ".svc"), Egress((), None, ("http://a:1",))),
    "a proxy for each scheme": (
        (),
        Proxy("http://a:1", "http://b:1", None),
        Egress((), None, ("http://a:1", "http://b:1")),
    ),
}


@pytest.mark.parametrize(("specs", "proxy", "said"), EGRESS.values(), ids=EGRESS)
def test_what_is_said_of_where_models_come_from(
    specs: tuple[dict[str, Any], ...], proxy: Proxy | None, said: Egress | None
):
    platform = Platform(Image("image", "IfNotPresent"), proxy=proxy)
    assert _limits(*specs).narrowed(platform) == replace(platform, egress=said)


MOST: dict[str, tuple[tuple[dict[str, Any], ...], int, int | None]] = {
    "no policy sets no limit": ((), 1, None),
    "a policy about hosts alone sets no limit": (({"allowedHosts": []},), 1, None),
    "the least of several": (({"maxReplicas": 5}, {"maxReplicas": 3}, {}), 0, 3),
    "devices are counted by pod": (({"maxAccelerators": 5},), 2, 2),
    "pods without devices are not limited by them": (({"maxAccelerators": 0},), 0, None),
    "both limits at once, devices first": (({"maxAccelerators": 4, "maxReplicas": 3},), 2, 2),
    "both limits at once, pods first": (({"maxAccelerators": 4}, {"maxReplicas": 1}), 2, 1),
    "under a policy that cannot be read none is added": (({"maxReplicas": "many"}, {"maxReplicas": 3}), 0, 0),
}


@pytest.mark.parametrize(("specs", "devices", "most"), MOST.values(), ids=MOST)
def test_how_many_pods_are_allowed(specs: tuple[dict[str, Any], ...], devices: int, most: int | None):
    assert _limits(*specs).most_replicas(devices) == most
