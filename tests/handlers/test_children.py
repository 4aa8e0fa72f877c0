"""Every kind of child alike: it comes back, it is repaired, and what is somebody else's is left alone."""

from typing import Any

import pytest

from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer
from tests.handlers.test_life_of_a_model import Start

ACCOUNTS = "v1/serviceaccounts"
POLICIES = "networking.k8s.io/v1/networkpolicies"
SERVICES = "v1/services"
BUDGETS = "policy/v1/poddisruptionbudgets"
CONFIG_MAPS = "v1/configmaps"
SERVING_POLICIES = "nereid.dev/v1alpha1/servingpolicies"

NAMES = {
    SERVICES: "minilm",
    ACCOUNTS: "minilm-model",
    POLICIES: "minilm",
    BUDGETS: "minilm",
    CONFIG_MAPS: "minilm-egress",
}
EDITS: dict[str, tuple[str, dict[str, Any]]] = {
    "a Service sent elsewhere": (SERVICES, {"spec": {"selector": {"app": "theirs"}}}),
    "a Service on another port": (SERVICES, {"spec": {"ports": [{"name": "http", "port": 81, "targetPort": "http"}]}}),
    "a ServiceAccount that gives tokens": (ACCOUNTS, {"automountServiceAccountToken": True}),
    "a ServiceAccount without its labels": (ACCOUNTS, {"metadata": {"labels": {"app.kubernetes.io/part-of": ""}}}),
    "a NetworkPolicy that lets everybody in": (POLICIES, {"spec": {"ingress": [{}]}}),
    "a NetworkPolicy over fewer pods": (
        POLICIES,
        {"spec": {"podSelector": {"matchLabels": {"nereid.dev/model": "minilm", "app": "theirs"}}}},
    ),
    "a NetworkPolicy for one direction": (POLICIES, {"spec": {"policyTypes": ["Egress"]}}),
    "a ConfigMap that allows every source": (CONFIG_MAPS, {"data": {"egress.json": "{}"}}),
    "a PodDisruptionBudget that blocks drains": (BUDGETS, {"spec": {"maxUnavailable": 0}}),
}


def _narrow(api: FakeApiServer) -> None:
    """Make a policy, so that there is something to say of where models come from."""
    api.put(SERVING_POLICIES, {"metadata": {"name": "inside"}, "spec": {"allowedCIDRs": ["10.0.0.0/8"]}})


async def _serve_two(api: FakeApiServer) -> str:
    _narrow(api)
    deployment = await cluster.serve(api, "s3://models/minilm")
    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": 2}})
    await until(lambda: api.get(BUDGETS, "minilm"), "the budget")
    await until(lambda: api.get(CONFIG_MAPS, "minilm-egress"), "the ConfigMap")
    return deployment


def _rendered(api: FakeApiServer, resource: str) -> dict[str, Any]:
    body = api.all(resource)[NAMES[resource]]
    return {
        "labels": body["metadata"]["labels"],
        **{name: value for name, value in body.items() if name not in ("metadata", "status")},
    }


@pytest.mark.parametrize("resource", NAMES)
async def test_what_is_deleted_by_hand_comes_back(api: FakeApiServer, operator: Operator, resource: str):
    await _serve_two(api)
    before = _rendered(api, resource)
    api.remove(resource, NAMES[resource])
    await until(lambda: api.get(resource, NAMES[resource]), f"{resource} to come back")
    assert _rendered(api, resource) == before


@pytest.mark.parametrize(("resource", "change"), EDITS.values(), ids=EDITS.keys())
async def test_what_is_edited_by_hand_is_repaired(
    api: FakeApiServer, operator: Operator, resource: str, change: dict[str, Any]
):
    await _serve_two(api)
    before = _rendered(api, resource)
    api.edit(resource, NAMES[resource], change)
    assert _rendered(api, resource) != before
    await until(lambda: _rendered(api, resource) == before, f"{resource} to be repaired")


@pytest.mark.parametrize("resource", [SERVICES, ACCOUNTS, POLICIES, CONFIG_MAPS])
async def test_an_object_of_somebody_else_is_left_alone(api: FakeApiServer, start: Start, resource: str):
    _narrow(api)
    async with start():
        await _is_left_alone(api, resource)


async def _is_left_alone(api: FakeApiServer, resource: str) -> None:
    theirs = {"metadata": {"name": NAMES[resource], "labels": {"app": "theirs"}}, "spec": {"of": "theirs"}}
    before = api.put(resource, theirs)
    cluster.apply_model(api, "s3://models/minilm")
    if resource == SERVICES:
        await cluster.finish_resolve_job(api, digest="a")
    await until(lambda: cluster.condition(api, "Ready")["reason"] == "NameConflict", "the conflict in status")
    assert f" {NAMES[resource]} exists and is not of this" in cluster.condition(api, "Ready")["message"]
    assert api.get(resource, NAMES[resource]) == before
    assert resource == SERVICES or not api.all(cluster.JOBS), "no pod may run without account and rules"

    api.remove(resource, NAMES[resource])
    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": 0}})
    await until(lambda: api.get(resource, NAMES[resource]), "an object of our own")


async def test_account_and_rules_are_there_before_the_first_pod(api: FakeApiServer, operator: Operator):
    cluster.apply_model(api, "s3://models/minilm")
    job = await cluster.appears(api, cluster.JOBS)
    made = [write.rpartition(" ")[2].rpartition("/")[0] for write in api.writes]
    first = [path.rpartition("/")[2] for path in made]
    assert first[:2] == ["serviceaccounts", "networkpolicies"]
    assert api.all(cluster.JOBS)[job]["spec"]["template"]["spec"]["serviceAccountName"] == "minilm-model"
    await cluster.finish_resolve_job(api, digest="a")
    deployment = await cluster.appears(api, cluster.DEPLOYMENTS)
    pod = api.all(cluster.DEPLOYMENTS)[deployment]["spec"]["template"]["spec"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("minilm-model", False)


async def test_rules_that_the_platform_turns_off_go_and_come_again(api: FakeApiServer, start: Start):
    async with start():
        await cluster.serve(api, "s3://models/minilm")
        assert api.get(POLICIES, "minilm")
    foreign = api.put(POLICIES, {"metadata": {"name": "theirs"}, "spec": {}})
    async with start(network=None):
        await until(lambda: not api.get(POLICIES, "minilm"), "the NetworkPolicy to go")
        assert api.get(POLICIES, "theirs") == foreign
    async with start():
        await until(lambda: api.get(POLICIES, "minilm"), "the NetworkPolicy to come again")


async def test_deleting_the_model_leaves_none_of_them(api: FakeApiServer, operator: Operator):
    await _serve_two(api)
    api.remove(cluster.MODELS, "minilm")
    assert [resource for resource, name in NAMES.items() if api.get(resource, name)] == []
