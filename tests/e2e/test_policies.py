"""ServingPolicies on a real cluster: what the API server refuses, and an edit stopped while the model serves on."""

import json
from typing import Any

import pytest

from tests.stack.kubectl import MODELS, KubectlError
from tests.stack.manifests import condition, is_ready
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

POLICIES = "servingpolicies.nereid.dev"


def _expression(**expression: Any) -> dict[str, Any]:
    return {"namespaceSelector": {"matchExpressions": [expression]}}


def _pod(**pod: Any) -> dict[str, Any]:
    return {"defaults": {"pod": pod}}


def _limits(**limits: Any) -> dict[str, Any]:
    return {"defaults": {"runtime": {"resources": {"limits": limits}}}}


# What a person got wrong → the spec, and what the API server must say.
BAD: dict[str, tuple[Any, str]] = {
    "no spec": (None, "spec: Required value"),
    "replicas below zero": ({"maxReplicas": -1}, "spec.maxReplicas"),
    "more replicas than a model can have": ({"maxReplicas": 1001}, "spec.maxReplicas"),
    "replicas in words": ({"maxReplicas": "many"}, "spec.maxReplicas"),
    "accelerators below zero": ({"maxAccelerators": -1}, "spec.maxAccelerators"),
    "a host with a scheme": ({"allowedHosts": ["https://a.example"]}, "spec.allowedHosts[0]"),
    "a host in capitals": ({"allowedHosts": ["A.example"]}, "must be a host in small letters"),
    "a host with a port": ({"allowedHosts": ["a.example:443"]}, "must be a host in small letters"),
    "a star in the middle": ({"allowedHosts": ["a", "b.*.example"]}, "spec.allowedHosts[1]"),
    "a star alone": ({"allowedHosts": ["*"]}, "must be a host in small letters"),
    "one host instead of a list": ({"allowedHosts": "a.example"}, "spec.allowedHosts"),
    "an address without its length": ({"allowedCIDRs": ["10.0.0.0"]}, "must be a range of addresses"),
    "a byte too large": ({"allowedCIDRs": ["10.0.0.256/8"]}, "spec.allowedCIDRs[0]"),
    "a length too large": ({"allowedCIDRs": ["10.0.0.0/33"]}, "must be a range of addresses"),
    "In without values": (_expression(key="a", operator="In"), "values must be given with operator In or NotIn"),
    "Exists with values": (_expression(key="a", operator="Exists", values=["b"]), "and left out with the others"),
    "an operator that is none": (_expression(key="a", operator="Is"), "operator: Unsupported value"),
    "an expression without a key": (_expression(operator="Exists"), "key: Required value"),
    "a label's value with a space": ({"namespaceSelector": {"matchLabels": {"a": "b c"}}}, "matchLabels.a"),
    "a default toleration of no taint": (_pod(tolerations=[{"value": "a"}]), "key may be left out only"),
    "a default pull secret twice": (_pod(imagePullSecrets=[{"name": "a"}, {"name": "a"}]), "Duplicate value"),
    "a default that is none": (_pod(env=[]), 'unknown field "spec.defaults.pod.env"'),
    "a default quantity in words": (_limits(memory="much"), "spec.defaults.runtime.resources.limits.memory"),
    "a default device": (_limits(**{"nvidia.com/gpu": 1}), "resources.limits must not name devices"),
    "a limit that is not there yet": ({"clientLimits": {}}, 'unknown field "spec.clientLimits"'),
}

GOOD: dict[str, Any] = {
    "nothing": {},
    "every limit": {
        "maxReplicas": 4,
        "maxAccelerators": 0,
        "allowedHosts": ["huggingface.co", "*.models.example.com", "192.0.2.7"],
        "allowedCIDRs": ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "::/0", "0.0.0.0/0"],
    },
    "nothing allowed": {"maxReplicas": 0, "allowedHosts": [], "allowedCIDRs": []},
    "null for what is left out": {"maxReplicas": None, "allowedHosts": None},
    "a whole selector": {
        "namespaceSelector": {
            "matchLabels": {"tier": "shared"},
            "matchExpressions": [
                {"key": "team", "operator": "NotIn", "values": ["a", "b"]},
                {"key": "example.com/x", "operator": "DoesNotExist"},
            ],
        }
    },
    "every default": {
        "defaults": {
            "pod": {
                "nodeSelector": {"pool": "models"},
                "tolerations": [{"operator": "Exists"}],
                "priorityClassName": "serving",
                "runtimeClassName": "gvisor",
                "imagePullSecrets": [{"name": "registry"}],
            },
            "runtime": {"resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "4Gi"}}},
        }
    },
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_policy_is_refused_by_the_name_of_its_field(case, dry_run):
    spec, said = BAD[case]
    with pytest.raises(KubectlError) as refusal:
        dry_run(spec)
    assert said in str(refusal.value)


@pytest.mark.parametrize("case", GOOD)
def test_a_good_policy_is_accepted(case, dry_run):
    assert dry_run(GOOD[case])


@pytest.fixture
def dry_run(nereid, kubectl):
    """Apply a policy by the API server's dry run; return what it would store."""

    def apply(spec: Any) -> str:
        text = json.dumps(_policy("table", spec))
        return kubectl.run("apply", "--dry-run=server", "-o", "json", "-f", "-", stdin=text)

    return apply


def test_a_policy_stops_an_edit_of_a_model_that_goes_on_serving(kubectl, namespace, minilm, openai_client):
    """Neither the policy nor the edit that it forbids touches a pod; without both the model is Ready as before."""
    before = _pods(kubectl, namespace, minilm)
    own = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    kubectl.apply(_policy("e2e-one", {"namespaceSelector": own, "maxReplicas": 1, "allowedHosts": ["huggingface.co"]}))
    try:
        refused = wait_for("the violation", lambda: _refused(kubectl, namespace, minilm), seconds=60)
        assert "ServingPolicy e2e-one allows huggingface.co (allowedHosts)" in refused["message"]
        kubectl.run("scale", MODELS, minilm, "-n", namespace, "--replicas=2")
        wait_for(
            "both violations",
            lambda: "allows at most 1 (maxReplicas)" in _refused(kubectl, namespace, minilm).get("message", ""),
            seconds=60,
        )
        assert condition(kubectl.get(MODELS, minilm, namespace), "Available")["status"] == "True"
        with openai_client(minilm) as client:
            assert client.embeddings.create(model=minilm, input="x").data
        policy = json.loads(kubectl.run("get", POLICIES, "e2e-one", "-o", "json"))
        assert condition(policy, "Accepted")["status"] == "True"
        assert _pods(kubectl, namespace, minilm) == before
    finally:
        kubectl.run("scale", MODELS, minilm, "-n", namespace, "--replicas=1")
        kubectl.run("delete", POLICIES, "e2e-one", "--ignore-not-found")
    wait_for("Ready again", lambda: is_ready(kubectl.get(MODELS, minilm, namespace)), seconds=60)
    assert _pods(kubectl, namespace, minilm) == before


def _policy(name: str, spec: Any) -> dict[str, Any]:
    whole = {"apiVersion": "nereid.dev/v1alpha1", "kind": "ServingPolicy", "metadata": {"name": name}}
    return whole if spec is None else {**whole, "spec": spec}


def _refused(kubectl, namespace, name):
    """The Accepted condition when a policy forbids the model, else an empty one."""
    accepted = condition(kubectl.get(MODELS, name, namespace), "Accepted")
    return accepted if accepted.get("reason") == "PolicyViolation" else {}


def _pods(kubectl, namespace, name):
    return sorted(
        pod["metadata"]["uid"]
        for pod in kubectl.select("pods", namespace, f"nereid.dev/model={name},nereid.dev/revision")
    )
