"""Nodes and the pods on them → where a pod fits, and what stands in the way."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nereid_operator.amounts import amount
from nereid_operator.api.quantities import quantity
from nereid_operator.cli.evidence import NodeReading
from nereid_operator.cli.fit import fit_lines
from nereid_operator.cli.placement import rooms
from nereid_operator.pod_requests import pod_requests
from tests.unit.cli.objects import node, pod_on, taint


def _pod(memory: str = "4Gi", cpu: str = "1", **spec: Any) -> dict[str, Any]:
    return {"containers": [{"name": "triton", "resources": {"requests": {"cpu": cpu, "memory": memory}}}], **spec}


def _terms(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return _pod(affinity={"nodeAffinity": required})


def _near(**condition: Any) -> dict[str, Any]:
    return _terms({"matchExpressions": [condition]})


NOT_WANTED = ("is none of those that spec.pod.affinity requires",)
GPU = {"containers": [{"name": "triton", "resources": {"limits": {"nvidia.com/gpu": 1}}}]}
ANY = {"operator": "Exists"}
CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any], int, tuple[str, ...]]] = {
    "an empty node": (node("n"), [], _pod(), 4, ()),
    "memory is what ends first": (node("n", memory="9Gi"), [], _pod(), 2, ()),
    "what runs takes room": (node("n"), [pod_on("n", cpu="3500m")], _pod(cpu="500m"), 1, ()),
    "pods of other nodes do not": (node("n"), [pod_on("m", cpu="4")], _pod(), 4, ()),
    "too little memory": (node("n", memory="1Gi"), [], _pod(), 0, ("has only 1.0 GiB memory free",)),
    "more asked than there is": (node("n"), [pod_on("n", cpu="5")], _pod(), 0, ("has only 0 CPU free",)),
    "a taint": (node("n", taints=[taint("gpu", "true")]), [], _pod(), 0,
                ("has the taint gpu=true:NoSchedule, which the pod does not tolerate",)),
    "a taint that is tolerated by value": (
        node("n", taints=[taint("gpu", "true")]), [],
        _pod(tolerations=[{"key": "gpu", "value": "true", "effect": "NoSchedule"}]), 4, ()),
    "a taint of another value": (
        node("n", taints=[taint("gpu", "true")]), [], _pod(tolerations=[{"key": "gpu", "value": "no"}]), 0,
        ("has the taint gpu=true:NoSchedule, which the pod does not tolerate",)),
    "everything is tolerated": (node("n", taints=[taint("a"), taint("b", effect="NoExecute")]), [],
                                _pod(tolerations=[ANY]), 4, ()),
    "a taint that only prefers": (node("n", taints=[taint("a", effect="PreferNoSchedule")]), [], _pod(), 4, ()),
    "a node that is not ready": (node("n", taints=[taint("node.kubernetes.io/not-ready")]), [], _pod(), 0,
                               ("is not ready",)),
    "a cordoned node is said once": (
        node("n", cordoned=True, taints=[taint("node.kubernetes.io/unschedulable")]), [], _pod(), 0, ("is cordoned",)),
    "a label that is missing": (node("n"), [], _pod(nodeSelector={"zone": "a"}), 0, ("lacks the label zone=a",)),
    "a label that is there": (node("n", labels={"zone": "a"}), [], _pod(nodeSelector={"zone": "a"}), 4, ()),
    "a node that the affinity requires": (
        node("n", labels={"zone": "a"}), [], _near(key="zone", operator="In", values=["a", "b"]), 4, ()),
    "a node that the affinity does not require": (
        node("n", labels={"zone": "c"}), [], _near(key="zone", operator="In", values=["a", "b"]), 0, NOT_WANTED),
    "a label that must be another": (node("n"), [], _near(key="zone", operator="NotIn", values=["a"]), 4, ()),
    "a label that must exist": (node("n"), [], _near(key="zone", operator="Exists"), 0, NOT_WANTED),
    "a label that must not exist": (node("n"), [], _near(key="zone", operator="DoesNotExist"), 4, ()),
    "a label with a number large enough": (
        node("n", labels={"disk": "500"}), [], _near(key="disk", operator="Gt", values=["100"]), 4, ()),
    "a label with a number too large": (
        node("n", labels={"disk": "500"}), [], _near(key="disk", operator="Lt", values=["100"]), 0, NOT_WANTED),
    "a label that is no number": (
        node("n", labels={"disk": "big"}), [], _near(key="disk", operator="Gt", values=["100"]), 0, NOT_WANTED),
    "a term without conditions means no node": (node("n"), [], _terms({}), 0, NOT_WANTED),
    "one of two terms is enough": (
        node("n"), [],
        _terms({}, {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}), 4, ()),
    "no accelerator at all": (node("n"), [], GPU, 0, ("has no nvidia.com/gpu",)),
    "an accelerator that is taken": (
        node("n", extended={"nvidia.com/gpu": "1"}), [pod_on("n", **{"nvidia.com/gpu": "1"})], GPU, 0,
        ("has only 0 nvidia.com/gpu free",)),
    "two accelerators": (node("n", extended={"nvidia.com/gpu": "2"}), [], GPU, 2, ()),
}  # fmt: skip


@pytest.mark.parametrize(("body", "pods", "spec", "replicas", "obstacles"), CASES.values(), ids=CASES.keys())
def test_room(body: dict, pods: list, spec: dict, replicas: int, obstacles: tuple[str, ...]):
    (room,) = rooms(NodeReading((body,), tuple(pods)), spec)
    assert (room.replicas, room.obstacles) == (replicas, obstacles)


def test_all_replicas_or_fewer_or_none():
    reading = NodeReading((node("a", cpu="2"), node("b", memory="1Gi")), ())
    assert fit_lines(reading, _pod(), replicas=2) == [
        "  a: room for 2 (2 CPU, 16.0 GiB memory free)",
        "  b: no: it has only 1.0 GiB memory free",
        "  All 2 replicas fit.",
    ]
    assert fit_lines(reading, _pod(), replicas=1)[-1] == "  It fits."
    assert fit_lines(reading, _pod(), replicas=3)[-1].strip().startswith("Only 2 of 3 replicas fit")
    assert fit_lines(reading, _pod(memory="20Gi"), replicas=3)[-1].strip().startswith("It fits nowhere")


def test_a_large_cluster_is_not_listed_whole():
    reading = NodeReading(tuple(node(f"n{number:03}") for number in range(50)), ())
    lines = fit_lines(reading, _pod(), replicas=1)
    assert "  … and 30 nodes more" in lines
    assert len(lines) == 22


def _container(memory: str, **more: Any) -> dict[str, Any]:
    return {"name": "c", "resources": {"requests": {"memory": memory}}, **more}


REQUESTS = {
    "containers add up": ({"containers": [_container("1Gi"), _container("2Gi")]}, "3Gi"),
    "an init container runs before them": (
        {"initContainers": [_container("4Gi"), _container("2Gi")], "containers": [_container("3Gi")]},
        "4Gi",
    ),
    "a sidecar stays": (
        {
            "initContainers": [_container("1Gi", restartPolicy="Always"), _container("4Gi")],
            "containers": [_container("2Gi")],
        },
        "5Gi",
    ),
    "a limit stands for the request": (
        {"containers": [{"name": "c", "resources": {"limits": {"memory": "1Gi"}}}]},
        "1Gi",
    ),
    "overhead of the runtime class": ({"containers": [_container("1Gi")], "overhead": {"memory": "1Gi"}}, "2Gi"),
    "the pod's own request wins": (
        {"containers": [_container("1Gi")], "resources": {"requests": {"memory": "8Gi"}}},
        "8Gi",
    ),
}


@pytest.mark.parametrize(("spec", "memory"), REQUESTS.values(), ids=REQUESTS.keys())
def test_requests_of_a_pod(spec: dict[str, Any], memory: str):
    assert pod_requests(spec)["memory"] == amount(memory)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e3", "1000"),
        ("12E", "12e18"),
        ("1.5Ki", "1536"),
        ("100n", "1e-7"),
        ("128974848", "128974848"),
        (2, "2"),
        ("5E-1", "0.5"),
    ],
)
def test_every_form_of_a_quantity(text: str | int, value: str):
    assert amount(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "lots", "1Xi", "-", "1 Gi"])
def test_what_is_no_quantity(text: str):
    with pytest.raises(ValueError, match="no quantity"):
        amount(text)


@given(st.integers(0, 10**12), st.sampled_from(["", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi"]))
def test_what_the_custom_resource_takes_has_the_same_value(number: int, suffix: str):
    assert amount(f"{number}{suffix}") == quantity(f"{number}{suffix}")
