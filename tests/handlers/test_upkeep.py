"""What serves is looked after while the newest spec cannot be used: its pods, the way to them, their budget."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer

SERVICES = "v1/services"
BUDGETS = "policy/v1/poddisruptionbudgets"
ACCOUNTS = "v1/serviceaccounts"
RULES = "networking.k8s.io/v1/networkpolicies"
POLICIES = "nereid.dev/v1alpha1/servingpolicies"
WEBHOOK = 'admission webhook "labels.example.com" denied the request: the label team is missing'
QUOTA = 'jobs.batch "minilm-resolve" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1'

Spoil = Callable[[FakeApiServer], Awaitable[str]]


async def _invalid(api: FakeApiServer) -> str:
    api.edit(cluster.MODELS, "minilm", {"spec": {"pod": {"labels": {"nereid.dev/model": "mine"}}}})
    return await _not_ready(api, "InvalidSpec")


async def _forbidden(api: FakeApiServer) -> str:
    _policy(api, allowedHosts=["huggingface.co"])
    return await _not_ready(api, "PolicyViolation")


async def _resolving(api: FakeApiServer) -> str:
    cluster.apply_model(api, "s3://models/other")
    return await _not_ready(api, "Resolving")


async def _not_resolved(api: FakeApiServer) -> str:
    cluster.apply_model(api, "s3://models/other")
    await cluster.fail_resolve_job(api, reason="SourceNotFound", message="there is no such bucket.")
    return await _not_ready(api, "SourceNotFound")


async def _job_refused(api: FakeApiServer) -> str:
    api.refuse = lambda method, path: QUOTA if (method, path.rpartition("/")[2]) == ("POST", "jobs") else None
    cluster.apply_model(api, "s3://models/other")
    return await _not_ready(api, "QuotaExceeded")


async def _deployment_refused(api: FakeApiServer) -> str:
    api.refuse = lambda _, path: WEBHOOK if "/deployments" in path and not path.endswith("/scale") else None
    api.edit(cluster.MODELS, "minilm", {"spec": {"runtime": {"batching": {"maxBatchSize": 2}}}})
    return await _not_ready(api, "AdmissionRefused")


SPOILT: dict[str, Spoil] = {
    "invalid": _invalid,
    "forbidden": _forbidden,
    "resolving": _resolving,
    "not resolved": _not_resolved,
    "Job refused": _job_refused,
    "Deployment refused": _deployment_refused,
}
spoilt = pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())


@spoilt
async def test_kubectl_scale_reaches_what_serves(api: FakeApiServer, operator: Operator, spoil: Spoil):
    deployment = await cluster.serve(api, "s3://models/minilm")
    reason = await spoil(api)
    for replicas in (3, 2, 1, 0, 1):
        _scale(api, replicas)
        await until(lambda replicas=replicas: cluster.replicas(api, deployment) == replicas, f"{replicas} replicas")
        await until(
            lambda replicas=replicas: bool(api.get(BUDGETS, "minilm")) == (replicas > 1), "the budget to follow"
        )
    await _not_ready(api, reason)
    assert set(api.all(cluster.DEPLOYMENTS)) == {deployment}


@spoilt
async def test_what_is_deleted_by_hand_comes_back(api: FakeApiServer, operator: Operator, spoil: Spoil):
    deployment = await cluster.serve(api, "s3://models/minilm")
    reason = await spoil(api)
    _scale(api, 2)
    await until(lambda: api.get(BUDGETS, "minilm"), "the budget")
    for resource, name in {SERVICES: "minilm", BUDGETS: "minilm", ACCOUNTS: "minilm-model", RULES: "minilm"}.items():
        before = _said(api, resource, name)
        api.remove(resource, name)
        await until(lambda resource=resource, name=name: api.get(resource, name), f"{resource} to come back")
        assert _said(api, resource, name) == before
    assert cluster.selected(api) == deployment.removeprefix("minilm-")
    await until(lambda: cluster.condition(api, "Available")["status"] == "True", "Available again")
    await _not_ready(api, reason)


@spoilt
async def test_pods_that_are_scaled_by_hand_are_put_back(api: FakeApiServer, operator: Operator, spoil: Spoil):
    deployment = await cluster.serve(api, "s3://models/minilm")
    await spoil(api)
    for replicas in (0, 5):
        api.edit(cluster.DEPLOYMENTS, deployment, {"spec": {"replicas": replicas}})
        await until(lambda: cluster.replicas(api, deployment) == 1, f"one replica after {replicas}")


@spoilt
async def test_a_pass_over_what_is_unchanged_writes_nothing(api: FakeApiServer, operator: Operator, spoil: Spoil):
    deployment = await cluster.serve(api, "s3://models/minilm")
    await spoil(api)
    _scale(api, 2)
    await until(lambda: api.get(BUDGETS, "minilm"), "the budget")
    cluster.make_ready(api, deployment, ready=2)
    await until(lambda: _ready_pods(api) == 2, "two in status")
    passes = await operator.passes()
    before = [write for write in api.writes if not write.endswith("/jobs")]
    for number in range(3):
        api.edit(cluster.DEPLOYMENTS, deployment, {"metadata": {"annotations": {"touched": str(number)}}})
        passes = await operator.passes_beyond(passes)
    assert [write for write in api.writes if not write.endswith("/jobs")] == before


async def test_replicas_that_come_with_another_model_are_for_that_model(api: FakeApiServer, operator: Operator):
    old = await cluster.serve(api, "s3://models/minilm")
    api.edit(cluster.MODELS, "minilm", {"spec": {"model": {"uri": "s3://models/other"}, "replicas": 3}})
    await _not_ready(api, "Resolving")
    api.edit(cluster.DEPLOYMENTS, old, {"spec": {"replicas": 0}})
    await until(lambda: cluster.replicas(api, old) == 1, "the one replica that there was")
    _scale(api, 2)
    await until(lambda: cluster.replicas(api, old) == 2, "what is asked for afterwards")
    _scale(api, 3)
    await until(lambda: cluster.replicas(api, old) == 1, "the one replica again")
    await cluster.finish_resolve_job(api, digest="b")
    new = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=old)
    assert (cluster.replicas(api, old), cluster.replicas(api, new)) == (1, 3)


async def test_replicas_that_are_no_number_leave_the_pods_as_they_are(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": "many"}})
    await _not_ready(api, "InvalidSpec")
    api.remove(SERVICES, "minilm")
    await until(lambda: api.get(SERVICES, "minilm"), "the Service to come back")
    assert cluster.replicas(api, deployment) == 1


async def test_a_forbidden_spec_gets_no_more_devices_than_the_policy_allows(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    api.edit(cluster.MODELS, "minilm", {"spec": {"runtime": {"device": "GPU"}}})
    gpu = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=deployment)
    cluster.make_ready(api, gpu)
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready on a GPU")
    _policy(api, allowedHosts=[], maxAccelerators=2)
    await _not_ready(api, "PolicyViolation")
    api.edit(cluster.MODELS, "minilm", {"spec": {"runtime": {"device": "CPU"}, "replicas": 5}})
    await until(lambda: cluster.replicas(api, gpu) == 2, "two replicas with a device each")


async def test_under_a_policy_that_cannot_be_read_no_pod_is_added_and_pods_may_go(
    api: FakeApiServer, operator: Operator
):
    deployment = await cluster.serve(api, "s3://models/minilm")
    _scale(api, 2)
    await until(lambda: cluster.replicas(api, deployment) == 2, "two replicas")
    _policy(api, maxReplicas="many")
    await _not_ready(api, "PolicyInvalid")
    _scale(api, 3)
    api.remove(SERVICES, "minilm")
    await until(lambda: api.get(SERVICES, "minilm"), "the Service to come back")
    assert cluster.replicas(api, deployment) == 2
    _scale(api, 1)
    await until(lambda: cluster.replicas(api, deployment) == 1, "one replica")


@pytest.mark.parametrize(("resource", "name"), [(ACCOUNTS, "minilm-model"), (RULES, "minilm")])
async def test_an_account_or_rules_of_somebody_else_stop_only_what_is_new(
    api: FakeApiServer, operator: Operator, resource: str, name: str
):
    deployment = await cluster.serve(api, "s3://models/minilm")
    _scale(api, 2)
    await until(lambda: api.get(BUDGETS, "minilm"), "the budget")
    api.remove(resource, name)
    api.put(resource, {"metadata": {"name": name, "labels": {"app": "theirs"}}})
    for other in {ACCOUNTS: "minilm-model", RULES: "minilm"}.items() - {(resource, name)}:
        api.remove(*other)
        await until(lambda other=other: api.get(*other), f"{other} to come back")
    _scale(api, 3)
    await _not_ready(api, "NameConflict")
    for kind in (SERVICES, BUDGETS):
        api.remove(kind, "minilm")
        await until(lambda kind=kind: api.get(kind, "minilm"), f"{kind} to come back")
    assert cluster.replicas(api, deployment) == 2, "no pod may begin without account and rules"
    _scale(api, 1)
    await until(lambda: cluster.replicas(api, deployment) == 1, "one replica")
    await _not_ready(api, "NameConflict")


async def test_a_service_of_somebody_else_is_told_while_the_model_is_resolved(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    await _resolving(api)
    api.remove(SERVICES, "minilm")
    theirs = api.put(SERVICES, {"metadata": {"name": "minilm", "labels": {"app": "theirs"}}})
    _scale(api, 2)
    await _not_ready(api, "NameConflict")
    assert api.get(SERVICES, "minilm") == theirs
    await until(lambda: cluster.replicas(api, deployment) == 2, "two replicas all the same")
    await until(lambda: api.get(BUDGETS, "minilm"), "the budget all the same")


async def test_a_service_that_is_deleted_during_a_rollout_leads_to_what_serves(api: FakeApiServer, operator: Operator):
    old = await cluster.serve(api, "s3://models/minilm")
    api.edit(cluster.MODELS, "minilm", {"spec": {"runtime": {"batching": {"maxBatchSize": 2}}}})
    new = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=old)
    await _not_ready(api, "Starting")
    api.remove(SERVICES, "minilm")
    await until(lambda: api.get(SERVICES, "minilm"), "the Service to come back")
    assert cluster.selected(api) == old.removeprefix("minilm-")
    assert (cluster.replicas(api, old), cluster.replicas(api, new)) == (1, 1)


async def test_a_rollout_that_is_not_done_is_left_as_it_is_by_a_spec_that_is_invalid(
    api: FakeApiServer, operator: Operator
):
    old = await cluster.serve(api, "s3://models/minilm")
    api.edit(cluster.MODELS, "minilm", {"spec": {"runtime": {"batching": {"maxBatchSize": 2}}}})
    new = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=old)
    await _not_ready(api, "Starting")
    await _invalid(api)
    _scale(api, 2)
    await until(lambda: cluster.replicas(api, old) == 2, "two replicas")
    cluster.make_ready(api, new)
    api.remove(SERVICES, "minilm")
    await until(lambda: api.get(SERVICES, "minilm"), "the Service to come back")
    assert cluster.selected(api) == old.removeprefix("minilm-")
    assert cluster.replicas(api, new) == 1


async def test_without_a_deployment_there_is_nothing_to_look_after(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    await _invalid(api)
    api.remove(cluster.DEPLOYMENTS, deployment)
    await until(lambda: cluster.condition(api, "Available")["status"] == "False", "the loss in status")
    assert cluster.condition(api, "Available")["reason"] == "NoReplicasReady"
    assert not api.all(cluster.DEPLOYMENTS)


async def _not_ready(api: FakeApiServer, reason: str) -> str:
    await until(lambda: cluster.condition(api, "Ready")["reason"] == reason, f"{reason} in status")
    assert cluster.condition(api, "Ready")["status"] == "False"
    return reason


def _ready_pods(api: FakeApiServer) -> int:
    return [state["phase"] for state in cluster.model(api)["status"]["replicaStates"]].count("Ready")


def _scale(api: FakeApiServer, replicas: int) -> None:
    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": replicas}})


def _policy(api: FakeApiServer, **spec: Any) -> None:
    kind = {"apiVersion": "nereid.dev/v1alpha1", "kind": "ServingPolicy"}
    api.put(POLICIES, {**kind, "metadata": {"name": "shared"}, "spec": spec})


def _said(api: FakeApiServer, resource: str, name: str) -> dict[str, Any]:
    body = api.all(resource)[name]
    return {field: value for field, value in body.items() if field not in ("metadata", "status")}
