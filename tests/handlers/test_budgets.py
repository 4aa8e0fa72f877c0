"""The PodDisruptionBudget through the life of a model, and what spec.pod changes while it runs."""

from typing import Any

import pytest

from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer, Object

BUDGETS = "policy/v1/poddisruptionbudgets"


def _budget(api: FakeApiServer) -> Object | None:
    return api.get(BUDGETS, "minilm")


def _scale(api: FakeApiServer, replicas: int) -> None:
    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": replicas}})


async def _serve_two(api: FakeApiServer) -> str:
    deployment = await cluster.serve(api, "s3://models/minilm")
    assert _budget(api) is None
    _scale(api, 2)
    await until(lambda: cluster.replicas(api, deployment) == 2, "two replicas")
    cluster.make_ready(api, deployment, ready=2)
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True" and _budget(api), "Ready with two")
    return deployment


def _selected(api: FakeApiServer) -> Any:
    budget = _budget(api)
    return budget and budget["spec"]["selector"]["matchLabels"]["nereid.dev/revision"]


async def test_two_replicas_have_a_budget_and_it_goes_with_the_model(api: FakeApiServer, operator: Operator):
    deployment = await _serve_two(api)
    budget = _budget(api)
    assert budget is not None
    assert budget["spec"]["maxUnavailable"] == 1
    assert _selected(api) == deployment.removeprefix("minilm-")
    assert budget["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "nereid"
    api.remove(cluster.MODELS, "minilm")
    assert _budget(api) is None


@pytest.mark.parametrize("replicas", [0, 1])
async def test_the_budget_goes_when_one_pod_or_none_is_left(api: FakeApiServer, operator: Operator, replicas: int):
    await _serve_two(api)
    _scale(api, replicas)
    await until(lambda: _budget(api) is None, "the budget to go")


async def test_the_budget_follows_the_revision_that_serves(api: FakeApiServer, operator: Operator):
    old = await _serve_two(api)
    api.edit(cluster.MODELS, "minilm", {"spec": {"pod": {"labels": {"team": "search"}}}})
    new = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=old)
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "Starting", "the new pods to start")
    assert _selected(api) == old.removeprefix("minilm-")
    cluster.make_ready(api, new, ready=2)
    await until(lambda: _selected(api) == new.removeprefix("minilm-"), "the budget of the new revision")
    assert cluster.selected(api) == new.removeprefix("minilm-")


async def test_the_budget_is_written_only_when_it_differs(api: FakeApiServer, operator: Operator):
    await _serve_two(api)
    passes = await operator.passes()
    api.writes.clear()
    api.edit(BUDGETS, "minilm", {"status": {"disruptionsAllowed": 1}})
    await operator.passes_beyond(passes)
    assert not [write for write in api.writes if "poddisruptionbudgets" in write]

    api.edit(BUDGETS, "minilm", {"spec": {"maxUnavailable": 2}})
    await until(lambda: (_budget(api) or {})["spec"]["maxUnavailable"] == 1, "the edit by hand to be undone")
    api.remove(BUDGETS, "minilm")
    await until(lambda: _budget(api), "the budget to come back")


async def test_a_budget_of_somebody_else_is_told_and_stops_nothing(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    api.put(BUDGETS, {"metadata": {"name": "minilm"}, "spec": {"maxUnavailable": 0}})
    _scale(api, 2)
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "NameConflict", "the conflict in status")
    assert "PodDisruptionBudget minilm" in cluster.condition(api, "Ready")["message"]
    assert cluster.replicas(api, deployment) == 2
    _scale(api, 1)
    await until(lambda: cluster.condition(api, "Ready")["reason"] != "NameConflict", "the conflict to be over")
    assert _budget(api) is not None


async def test_a_job_that_no_node_takes_is_asked_anew_with_another_placement(api: FakeApiServer, operator: Operator):
    cluster.apply_model(api, "s3://models/minilm")
    first = await cluster.appears(api, cluster.JOBS)
    api.edit(cluster.MODELS, "minilm", {"spec": {"pod": {"tolerations": [{"operator": "Exists"}]}}})
    second = await cluster.appears(api, cluster.JOBS, other_than=first)
    await until(lambda: first not in api.all(cluster.JOBS), "the first Job to go")
    assert api.all(cluster.JOBS)[second]["spec"]["template"]["spec"]["tolerations"] == [{"operator": "Exists"}]
    await cluster.finish_resolve_job(api, digest="a")
    deployment = await cluster.appears(api, cluster.DEPLOYMENTS)
    assert api.all(cluster.DEPLOYMENTS)[deployment]["spec"]["template"]["spec"]["tolerations"]


async def test_a_pod_that_breaks_the_rules_is_told_and_disturbs_nothing(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    api.edit(cluster.MODELS, "minilm", {"spec": {"pod": {"labels": {"nereid.dev/model": "mine"}}}})
    await until(lambda: cluster.condition(api, "Accepted")["status"] == "False", "the edit to be refused")
    assert "spec.pod.labels" in cluster.condition(api, "Accepted")["message"]
    assert set(api.all(cluster.DEPLOYMENTS)) == {deployment}
