"""ServingPolicies over models: what is forbidden begins nothing, what serves goes on, an edit of either lifts it."""

from typing import Any

from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer
from tests.handlers.test_life_of_a_model import Start

POLICIES = "nereid.dev/v1alpha1/servingpolicies"
NAMESPACES = "v1/namespaces"


def _policy(api: FakeApiServer, name: str, **spec: Any) -> None:
    kind = {"apiVersion": "nereid.dev/v1alpha1", "kind": "ServingPolicy"}
    api.put(POLICIES, {**kind, "metadata": {"name": name}, "spec": spec})


def _label(api: FakeApiServer, **labels: str) -> None:
    api.put(NAMESPACES, {"metadata": {"name": "default", "labels": labels}})


async def _in_force(api: FakeApiServer, name: str) -> None:
    """Wait until the operator has seen the policy; a model that comes with it may be looked at before."""
    await until(lambda: _verdict(api, name)["status"] == "True", "the policy's own condition")


async def _forbidden(api: FakeApiServer, *words: str) -> None:
    await until(lambda: cluster.condition(api, "Accepted")["reason"] == "PolicyViolation", "the violation in status")
    assert cluster.condition(api, "Ready")["reason"] == "PolicyViolation"
    for word in words:
        assert word in cluster.condition(api, "Accepted")["message"]


async def _accepted(api: FakeApiServer) -> None:
    await until(lambda: cluster.condition(api, "Accepted")["status"] == "True", "the spec to be accepted")


async def test_a_forbidden_model_begins_nothing_and_says_why(api: FakeApiServer, start: Start):
    _label(api)
    _policy(api, "hub-only", allowedHosts=["huggingface.co"])
    async with start():
        cluster.apply_model(api, "https://elsewhere.example.com/minilm")
        await _forbidden(api, "ServingPolicy hub-only", "spec.model.uri", "elsewhere.example.com", "huggingface.co")
        assert not api.all(cluster.JOBS)
        assert not api.all(cluster.DEPLOYMENTS)

        cluster.apply_model(api, "hf://sentence-transformers/all-MiniLM-L6-v2")
        await cluster.appears(api, cluster.JOBS)
        await _accepted(api)


async def test_a_policy_that_tightens_leaves_what_serves_and_is_lifted_at_once(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    _policy(api, "shared", maxReplicas=0)
    await _forbidden(api, "spec.replicas", "is 1", "at most 0")
    assert cluster.condition(api, "Available")["status"] == "True"
    assert cluster.replicas(api, deployment) == 1

    api.edit(cluster.MODELS, "minilm", {"spec": {"runtime": {"batching": {"maxBatchSize": 2}}}})
    await _forbidden(api, "spec.replicas")
    assert set(api.all(cluster.DEPLOYMENTS)) == {deployment}

    api.edit(POLICIES, "shared", {"spec": {"maxReplicas": 2}}, namespace=None)
    await cluster.appears(api, cluster.DEPLOYMENTS, other_than=deployment)
    await _accepted(api)


async def test_scaling_beyond_the_limit_ends_at_the_limit(api: FakeApiServer, operator: Operator):
    _policy(api, "shared", maxReplicas=2)
    await _in_force(api, "shared")
    deployment = await cluster.serve(api, "s3://models/minilm")
    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": 3}})
    await _forbidden(api, "is 3", "at most 2")
    await until(lambda: cluster.replicas(api, deployment) == 2, "the two that are allowed")
    api.edit(cluster.MODELS, "minilm", {"spec": {"replicas": 1}})
    await _accepted(api)
    await until(lambda: cluster.replicas(api, deployment) == 1, "one replica")


async def test_the_label_of_a_namespace_decides(api: FakeApiServer, operator: Operator):
    _label(api, tier="own")
    _policy(api, "shared", namespaceSelector={"matchLabels": {"tier": "shared"}}, maxReplicas=0)
    await cluster.serve(api, "s3://models/minilm")
    _label(api, tier="shared")
    await _forbidden(api, "ServingPolicy shared")
    _label(api, tier="own")
    await _accepted(api)
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready again")


async def test_of_two_policies_the_stricter_wins_and_going_it_frees(api: FakeApiServer, operator: Operator):
    _policy(api, "loose", maxReplicas=10)
    _policy(api, "strict", maxReplicas=0)
    await _in_force(api, "strict")
    cluster.apply_model(api, "s3://models/minilm")
    await _forbidden(api, "ServingPolicy strict")
    assert "loose" not in cluster.condition(api, "Accepted")["message"]
    api.remove(POLICIES, "strict", namespace=None)
    await _accepted(api)


async def test_a_broken_policy_stops_what_is_new_and_says_so_on_both_sides(api: FakeApiServer, operator: Operator):
    deployment = await cluster.serve(api, "s3://models/minilm")
    _policy(api, "broken", maxReplicas="many")
    await until(lambda: cluster.condition(api, "Accepted")["reason"] == "PolicyInvalid", "PolicyInvalid")
    assert "spec.maxReplicas: is 'many'" in cluster.condition(api, "Accepted")["message"]
    assert cluster.replicas(api, deployment) == 1
    await until(lambda: _verdict(api, "broken")["status"] == "False", "the policy's own condition")
    assert "spec.maxReplicas" in _verdict(api, "broken")["message"]

    api.edit(POLICIES, "broken", {"spec": {"maxReplicas": 3}}, namespace=None)
    await _accepted(api)
    await _in_force(api, "broken")
    assert api.all(POLICIES)["broken"]["status"]["observedGeneration"] == 2


async def test_defaults_reach_the_pods_and_a_change_rolls_them(api: FakeApiServer, operator: Operator):
    _policy(api, "pool", defaults={"pod": {"nodeSelector": {"pool": "a"}}})
    await _in_force(api, "pool")
    old = await cluster.serve(api, "s3://models/minilm")
    assert _selector(api, old) == {"pool": "a"}
    api.edit(POLICIES, "pool", {"spec": {"defaults": {"pod": {"nodeSelector": {"pool": "b"}}}}}, namespace=None)
    new = await cluster.appears(api, cluster.DEPLOYMENTS, other_than=old)
    assert _selector(api, new) == {"pool": "b"}
    assert cluster.selected(api) == old.removeprefix("minilm-"), "the old pods serve until the new ones are ready"
    assert cluster.replicas(api, old) == 1


async def test_address_ranges_narrow_the_network_of_pods_that_run(api: FakeApiServer, operator: Operator):
    await cluster.serve(api, "s3://models/minilm")
    assert "10.0.0.0/8" not in _egress(api)
    _policy(api, "inside", allowedCIDRs=["10.0.0.0/8"])
    await until(lambda: _egress(api) == {"10.0.0.0/8"}, "one range")
    api.remove(POLICIES, "inside", namespace=None)
    await until(lambda: _egress(api) == {"0.0.0.0/0", "::/0"}, "every address")


async def test_what_a_policy_forbids_and_serves_on_is_kept_inside_its_address_ranges(
    api: FakeApiServer, operator: Operator
):
    deployment = await cluster.serve(api, "s3://models/minilm")
    _policy(api, "inside", allowedHosts=[], allowedCIDRs=["10.0.0.0/8"])
    await _forbidden(api, "allows no host")
    await until(lambda: _egress(api) == {"10.0.0.0/8"}, "one range")
    assert cluster.replicas(api, deployment) == 1
    api.edit(POLICIES, "inside", {"spec": {"maxReplicas": "many"}}, namespace=None)
    await until(lambda: cluster.condition(api, "Accepted")["reason"] == "PolicyInvalid", "PolicyInvalid")
    assert _egress(api) == {"10.0.0.0/8"}, "a policy that cannot be read opens nothing"


async def test_a_policy_that_concerns_nobody_and_a_status_alone_ask_for_no_pass(api: FakeApiServer, operator: Operator):
    await cluster.serve(api, "s3://models/minilm")
    _policy(api, "others", namespaceSelector={"matchLabels": {"tier": "others"}}, maxReplicas=0)
    await _in_force(api, "others")
    assert cluster.condition(api, "Accepted")["status"] == "True"
    writes = [write for write in api.writes if "servingpolicies" in write]
    assert writes == ["PATCH /apis/nereid.dev/v1alpha1/servingpolicies/others/status"]


async def test_who_may_not_read_policies_acts_on_nothing_and_says_so(api: FakeApiServer, start: Start, caplog):
    api.forbid = lambda path: "servingpolicies is forbidden" if path.endswith("/servingpolicies") else None
    async with start() as operator:
        cluster.apply_model(api, "s3://models/minilm")
        await until(lambda: "servingpolicies is forbidden" in caplog.text, "the refusal in the log")
        assert await operator.status_of("/readyz") == 503
        assert await operator.passes() == 0
        assert api.writes == []
        api.forbid = lambda _path: None
        await cluster.appears(api, cluster.JOBS)


def _verdict(api: FakeApiServer, name: str) -> dict[str, Any]:
    body = api.all(POLICIES)[name]
    conditions = body.get("status", {}).get("conditions", ())
    current = [entry for entry in conditions if entry["observedGeneration"] == body["metadata"]["generation"]]
    return next(iter(current), {"status": "", "message": ""})


def _selector(api: FakeApiServer, deployment: str) -> dict[str, str]:
    selector: dict[str, str] = api.all(cluster.DEPLOYMENTS)[deployment]["spec"]["template"]["spec"]["nodeSelector"]
    return selector


def _egress(api: FakeApiServer) -> set[str]:
    rules = api.all("networking.k8s.io/v1/networkpolicies")["minilm"]["spec"]["egress"]
    return {peer["ipBlock"]["cidr"] for rule in rules for peer in rule.get("to", ()) if "ipBlock" in peer}
