"""Where models come from and what they are fetched with, on a real cluster: refused with a reason, mended from afar.

No ModelDeployment is touched to mend it: a policy or a Secret is.
"""

import asyncio
import json
import os
import subprocess
import sys
import uuid

import pytest

from nereid_operator.api.resources import SECRET
from nereid_operator.clients import requests
from nereid_operator.clients.connection import from_kubeconfig
from nereid_operator.clients.kube import AiohttpTransport, KubeClient
from tests.stack.credentials import model_credentials
from tests.stack.kubectl import MODELS
from tests.stack.manifests import (
    CLOSED_LABEL,
    CLUSTER_NETWORKS,
    condition,
    is_ready,
    model_deployment,
    restricted_namespace,
)
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

MODEL = "fetched"
POLICIES = "servingpolicies.nereid.dev"


@pytest.fixture
def closed(nereid, kubectl, store):
    """A namespace that no policy concerns; those that the test makes for it go with it."""
    name = f"nereid-closed-{uuid.uuid4().hex[:4]}"
    space = restricted_namespace(name)
    space["metadata"]["labels"][CLOSED_LABEL] = "true"
    kubectl.apply(space, store.credentials("store-key", name))
    yield name
    kubectl.run("delete", POLICIES, "-l", f"for={name}")
    kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def why(cluster):
    """What `nereid why` says of a model."""

    def ask(name: str, namespace: str) -> str:
        command = [sys.executable, "-m", "nereid_operator.cli", "-n", namespace, "why", name]
        environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
        done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=90, check=True)
        return done.stdout

    return ask


def test_a_server_in_the_cluster_is_refused_until_a_policy_opens_its_network(kubectl, closed, store, uploaded, why):
    kubectl.apply(model_deployment(MODEL, closed, uploaded["minilm"], store))
    resolved = _reaches(kubectl, closed, "Resolved", "EgressRefused")
    assert "models come from public addresses only" in resolved["message"]
    assert f"store.{store.namespace}.svc" in resolved["message"]
    assert kubectl.select("deployments", closed, f"nereid.dev/model={MODEL}") == []
    assert kubectl.get("configmap", f"{MODEL}-egress", closed) is None
    assert "allowedCIDRs" in why(MODEL, closed)

    kubectl.apply(_policy(closed, "mirrors", allowedCIDRs=list(CLUSTER_NETWORKS)))
    wait_for("the model is Ready", lambda: is_ready(kubectl.get(MODELS, MODEL, closed)), seconds=180)

    before = _pods(kubectl, closed)
    kubectl.apply(_policy(closed, "hosts", allowedHosts=["*.svc"]))
    expected = {"hosts": [["*.svc"]], "cidrs": list(CLUSTER_NETWORKS), "proxies": []}
    wait_for("the hosts in the ConfigMap", lambda: _egress(kubectl, closed) == expected, seconds=30)
    assert is_ready(kubectl.get(MODELS, MODEL, closed))
    assert _pods(kubectl, closed) == before


def test_a_secret_of_another_type_is_refused_until_it_is_made_again(kubectl, namespace, store, uploaded, why):
    secret = store.credentials("handmade", namespace)
    wrong = {name: value for name, value in secret.items() if name != "type"}
    kubectl.apply(wrong)
    name = "with-secret"
    model = {"credentials": {"secretName": "handmade"}}
    try:
        kubectl.apply(model_deployment(name, namespace, uploaded["minilm"], store, replicas=0, model=model))
        ready = _reaches(kubectl, namespace, "Ready", "CredentialsRefused", name=name)
        assert (
            "names Secret handmade of type Opaque; it must be of type nereid.dev/model-credentials" in ready["message"]
        )
        assert kubectl.select("jobs,pods", namespace, f"nereid.dev/model={name}") == []
        assert "--type=nereid.dev/model-credentials" in why(name, namespace)

        kubectl.run("delete", "secret", "handmade", "-n", namespace)
        kubectl.apply(secret)
        _reaches(kubectl, namespace, "Resolved", "Resolved", name=name)
    finally:
        kubectl.run("delete", MODELS, name, "-n", namespace)
        kubectl.run("delete", "secret", "handmade", "-n", namespace)


def test_the_type_of_a_secret_leaves_the_server_without_its_data(cluster, kubectl, namespace):
    kubectl.apply(model_credentials("looked-at", namespace, hosts="hub.example.com", token="s3cr3t-enough"))

    async def look() -> tuple[str | None, str]:
        transport = AiohttpTransport(from_kubeconfig(cluster.kubeconfig))
        try:
            answer = await transport(requests.get_row(SECRET, namespace, "looked-at"))
            return await KubeClient(transport).secret_type(namespace, "looked-at"), json.dumps(answer.body)
        finally:
            await transport.close()

    found, answer = asyncio.run(look())
    kubectl.run("delete", "secret", "looked-at", "-n", namespace)
    assert found == "nereid.dev/model-credentials"
    assert "s3cr3t-enough" not in answer
    assert "czNjcjN0LWVub3VnaA" not in answer, "nor as the server encodes it"


def _policy(namespace, name, **spec):
    return {
        "apiVersion": "nereid.dev/v1alpha1",
        "kind": "ServingPolicy",
        "metadata": {"name": f"{namespace}-{name}", "labels": {"for": namespace}},
        "spec": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}, **spec},
    }


def _reaches(kubectl, namespace, kind, reason, *, name=MODEL):
    """Wait until a condition has the reason, and return it."""

    def found():
        there = condition(kubectl.get(MODELS, name, namespace), kind)
        return there if there.get("reason") == reason else None

    return wait_for(f"{kind} {reason}", found, seconds=120)


def _egress(kubectl, namespace):
    body = kubectl.get("configmap", f"{MODEL}-egress", namespace)
    return json.loads(body["data"]["egress.json"]) if body else None


def _pods(kubectl, namespace):
    return sorted(
        pod["metadata"]["uid"]
        for pod in kubectl.select("pods", namespace, f"nereid.dev/model={MODEL},nereid.dev/revision")
    )
