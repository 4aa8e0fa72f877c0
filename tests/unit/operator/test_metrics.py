"""Metrics: labels that no user can make more of, and models by condition."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from nereid_operator import __version__
from nereid_operator.api.resources import DEPLOYMENT, MODEL_DEPLOYMENT, POD
from nereid_operator.cache import Cache
from nereid_operator.clients import requests
from nereid_operator.clients.requests import Request, verb_and_resource
from nereid_operator.metrics import Metrics
from nereid_operator.outcome import Outcome, Result
from nereid_operator.state_metrics import StateCollector
from tests.binaries import repository_version

REQUESTS = {
    ("get", "leases"): Request("GET", "/apis/coordination.k8s.io/v1/namespaces/n/leases/name"),
    ("list", "pods"): Request("GET", "/api/v1/pods"),
    ("list", "modeldeployments"): Request("GET", "/apis/nereid.dev/v1alpha1/namespaces/n/modeldeployments"),
    ("create", "events"): Request("POST", "/api/v1/namespaces/n/events"),
    ("update", "leases"): Request("PUT", "/apis/coordination.k8s.io/v1/namespaces/n/leases/name"),
    ("patch", "modeldeployments/status"): requests.apply_status(
        MODEL_DEPLOYMENT, {"metadata": {"namespace": "n", "name": "m"}}, {}
    ),
    ("patch", "deployments/scale"): requests.scale("n", "m", 1),
    ("delete", "deployments"): requests.delete(DEPLOYMENT, "n", "m", uid="u"),
}


@pytest.mark.parametrize("expected", REQUESTS, ids=" ".join)
def test_a_request_in_the_words_of_rbac(expected: tuple[str, str]):
    assert verb_and_resource(REQUESTS[expected]) == expected


def test_calls_are_counted_by_verb_resource_and_code():
    metrics = Metrics()
    for status in (200, 200, 409, 0):
        metrics.called(REQUESTS["update", "leases"], status, 0.02)
    counts = {
        code: metrics.registry.get_sample_value(
            "nereid_api_call_seconds_count", {"verb": "update", "resource": "leases", "code": code}
        )
        for code in ("200", "409", "none")
    }
    assert counts == {"200": 2, "409": 1, "none": 1}


async def test_passes_are_counted_by_result_and_reason():
    metrics = Metrics()
    outcomes = iter([Outcome(Result.OK, 10.0, "Downloading"), Outcome(Result.OK, None, "MadeUpByAPod")])

    async def reconcile(_: Any) -> Outcome:
        try:
            return next(outcomes)
        except StopIteration:
            raise ValueError("no") from None

    counted = metrics.counted(reconcile)
    key: Any = ("n", "m")
    assert await counted(key) == 10.0
    assert await counted(key) is None
    with pytest.raises(ValueError, match="no"):
        await counted(key)

    def passes(result: str, reason: str) -> float | None:
        labels = {"result": result, "reason": reason}
        return metrics.registry.get_sample_value("nereid_reconciles_total", labels)

    assert (passes("ok", "Downloading"), passes("ok", "Other"), passes("error", "")) == (1, 1, 1)


def _model(name: str, status: str, reason: str, since: str) -> dict[str, Any]:
    ready = {"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": since}
    metadata = {"name": name, "namespace": "n", "resourceVersion": "1"}
    return {"metadata": metadata, "status": {"conditions": [ready]}}


def _registry(*, leading: bool) -> CollectorRegistry:
    cache = Cache()
    for model in (
        _model("a", "True", "Ready", "2026-01-01T00:00:00Z"),
        _model("b", "False", "Downloading", "2026-01-01T01:00:00Z"),
        _model("c", "False", "Unschedulable", "2026-01-01T00:30:00Z"),
        _model("d", "False", "ScaledToZero", "2025-01-01T00:00:00Z"),
        _model("e", "False", "WrittenBySomebody", "2026-01-01T01:00:00Z"),
    ):
        cache.put(MODEL_DEPLOYMENT, model)
    cache.put(POD, {"metadata": {"name": "p", "namespace": "n", "labels": {"nereid.dev/model": "a"}}})
    cache.put(MODEL_DEPLOYMENT, {"metadata": {"name": "new", "namespace": "n", "resourceVersion": "1"}})
    duty: Any = SimpleNamespace(depth=3, oldest_seconds=lambda *, now: now - 90)
    election: Any = SimpleNamespace(leading=leading, won=2, lost=1)
    feed: Any = SimpleNamespace(watch_restarts=4, lists=5, failed_lists=6)
    registry = CollectorRegistry()
    now = datetime(2026, 1, 1, 2, tzinfo=UTC)
    registry.register(StateCollector(cache, duty, election, feed, clock=lambda: 100.0, now=lambda: now))
    return registry


VALUES = {
    ("nereid_queue_depth", ()): 3,
    ("nereid_queue_oldest_seconds", ()): 10,
    ("nereid_leader", ()): 1,
    ("nereid_lease_transitions_total", (("to", "leader"),)): 2,
    ("nereid_lease_transitions_total", (("to", "follower"),)): 1,
    ("nereid_watch_restarts_total", ()): 4,
    ("nereid_resyncs_total", (("result", "ok"),)): 5,
    ("nereid_resyncs_total", (("result", "error"),)): 6,
    ("nereid_cache_objects", (("kind", "ModelDeployment"),)): 6,
    ("nereid_cache_objects", (("kind", "Pod"),)): 1,
    ("nereid_build_info", (("version", __version__),)): 1,
    ("nereid_models", (("type", "Ready"), ("status", "True"), ("reason", "Ready"))): 1,
    ("nereid_models", (("type", "Ready"), ("status", "False"), ("reason", "Other"))): 1,
    ("nereid_model_not_ready_seconds", ()): 5400,
}


@pytest.mark.parametrize(("name", "labels"), VALUES)
def test_what_is_can_be_read(name: str, labels: tuple[tuple[str, str], ...]):
    assert _registry(leading=True).get_sample_value(name, dict(labels)) == VALUES[name, labels]


def test_a_follower_counts_no_models_so_that_sums_are_right():
    names = {metric.name for metric in _registry(leading=False).collect()}
    assert "nereid_queue_depth" in names
    assert not names & {"nereid_models", "nereid_model_not_ready_seconds"}


def test_the_version_is_that_of_the_project():
    assert __version__ == repository_version()
