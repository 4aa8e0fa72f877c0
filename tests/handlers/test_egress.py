"""The ConfigMap from which pods read where a model may be fetched from: there before them, true while they serve."""

import json
from typing import Any

from nereid_operator.plan.ir import Proxy
from tests.handlers import cluster
from tests.handlers.conftest import Operator, until
from tests.handlers.fake_api_server import FakeApiServer
from tests.handlers.test_life_of_a_model import Start

CONFIG_MAPS = "v1/configmaps"
POLICIES = "nereid.dev/v1alpha1/servingpolicies"
MIRROR = {"allowedHosts": ["hub.example.com"], "allowedCIDRs": ["10.20.0.0/16"]}


def _policy(api: FakeApiServer, name: str, spec: dict[str, Any]) -> None:
    kind = {"apiVersion": "nereid.dev/v1alpha1", "kind": "ServingPolicy"}
    api.put(POLICIES, {**kind, "metadata": {"name": name}, "spec": spec})


def _egress(api: FakeApiServer) -> dict[str, Any] | None:
    """Return what the pods read; None where there is no ConfigMap."""
    body = api.get(CONFIG_MAPS, "minilm-egress")
    return json.loads(body["data"]["egress.json"]) if body else None


def _pods(api: FakeApiServer) -> dict[str, Any]:
    return {name: body["spec"] for name, body in api.all(cluster.DEPLOYMENTS).items()}


async def test_it_is_there_before_the_first_pod_that_mounts_it(api: FakeApiServer, start: Start):
    _policy(api, "mirror", MIRROR)
    async with start(proxy=Proxy("http://proxy.example.com:3128", "http://proxy.example.com:3128", None)):
        cluster.apply_model(api, "https://hub.example.com/minilm")
        job = await cluster.appears(api, cluster.JOBS)
    made = [write.partition("/namespaces/default/")[2] for write in api.writes]
    assert made.index("configmaps/minilm-egress") < made.index("jobs")
    hosts, cidrs = [["hub.example.com"]], ["10.20.0.0/16"]
    assert _egress(api) == {"hosts": hosts, "cidrs": cidrs, "proxies": ["http://proxy.example.com:3128"]}
    pod = api.all(cluster.JOBS)[job]["spec"]["template"]["spec"]
    assert "--egress=/var/run/nereid/egress/egress.json" in pod["containers"][0]["args"]
    assert {"name": "egress", "configMap": {"name": "minilm-egress", "optional": True}} in pod["volumes"]


async def test_where_nobody_says_anything_there_is_none(api: FakeApiServer, operator: Operator):
    _policy(api, "small", {"maxReplicas": 3})
    await cluster.serve(api, "s3://models/minilm")
    assert not api.all(CONFIG_MAPS)


async def test_a_policy_that_changes_touches_no_pod(api: FakeApiServer, operator: Operator):
    await cluster.serve(api, "https://hub.example.com/minilm")
    before = _pods(api)
    _policy(api, "mirror", MIRROR)
    await until(lambda: _egress(api) is not None, "a ConfigMap")
    _policy(api, "ours", {"allowedHosts": ["*.example.com"], "allowedCIDRs": ["10.0.0.0/8"]})
    hosts = [["hub.example.com"], ["*.example.com"]]
    await until(lambda: (_egress(api) or {}).get("hosts") == hosts, "the lists of both policies")
    assert _egress(api) == {"hosts": hosts, "cidrs": ["10.20.0.0/16"], "proxies": []}
    for name in ("mirror", "ours"):
        api.remove(POLICIES, name, namespace=None)
    await until(lambda: _egress(api) is None, "no ConfigMap")
    await until(lambda: cluster.condition(api, "Ready")["status"] == "True", "Ready")
    assert _pods(api) == before


async def test_it_is_kept_true_for_what_serves_against_a_policy(api: FakeApiServer, operator: Operator):
    """The newest spec cannot be used, and yet a pod that is made anew is bound by the policy of today."""
    deployment = await cluster.serve(api, "https://hub.example.com/minilm")
    _policy(api, "closed", {"allowedHosts": [], "allowedCIDRs": []})
    await until(lambda: cluster.condition(api, "Accepted")["reason"] == "PolicyViolation", "the violation")
    await until(lambda: _egress(api) == {"hosts": [[]], "cidrs": [], "proxies": []}, "the policy's lists")
    assert cluster.replicas(api, deployment) == 1


async def test_a_policy_that_cannot_be_read_opens_nothing(api: FakeApiServer, operator: Operator):
    await cluster.serve(api, "https://hub.example.com/minilm")
    _policy(api, "mirror", MIRROR)
    await until(lambda: _egress(api) is not None, "a ConfigMap")
    before = _egress(api)
    api.edit(POLICIES, "mirror", {"spec": {"maxReplicas": "many"}}, namespace=None)
    await until(lambda: cluster.condition(api, "Accepted")["reason"] == "PolicyInvalid", "PolicyInvalid")
    assert _egress(api) == before


async def test_a_source_that_was_refused_is_asked_again_as_soon_as_policies_change(
    api: FakeApiServer, operator: Operator
):
    cluster.apply_model(api, "https://hub.example.com/minilm")
    await cluster.fail_resolve_job(api, reason="EgressRefused", message="host hub.example.com is at 10.20.0.7")
    await until(lambda: cluster.condition(api, "Resolved")["reason"] == "EgressRefused", "the refusal in status")
    (refused,) = (body["metadata"]["uid"] for body in api.all(cluster.JOBS).values())
    _policy(api, "mirror", MIRROR)
    await cluster.finish_resolve_job(api, digest="a")
    assert refused not in [body["metadata"]["uid"] for body in api.all(cluster.JOBS).values()]
    await until(lambda: cluster.condition(api, "Resolved")["status"] == "True", "the model to be known")


async def test_another_failure_waits_its_time_whatever_policies_say(api: FakeApiServer, operator: Operator):
    cluster.apply_model(api, "https://hub.example.com/minilm")
    await cluster.fail_resolve_job(api, reason="SourceNotFound", message="nothing is there")
    await until(lambda: cluster.condition(api, "Resolved")["reason"] == "SourceNotFound", "the failure in status")
    before = api.all(cluster.JOBS)
    _policy(api, "mirror", MIRROR)
    await until(lambda: _egress(api) is not None, "a ConfigMap")
    passes = await operator.passes()
    api.edit(cluster.MODELS, "minilm", {"metadata": {"annotations": {"touched": "true"}}})
    await operator.passes_beyond(passes)
    assert api.all(cluster.JOBS) == before
