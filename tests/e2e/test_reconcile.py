"""What a user does to a ModelDeployment, and what Nereid makes of it on a real cluster."""

import pytest

from tests.stack.kubectl import MODELS, KubectlError
from tests.stack.manifests import condition, is_ready, model_deployment
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e


def _deployments(kubectl, name, namespace):
    return kubectl.select("deployments", namespace, f"nereid.dev/model={name}")


def test_a_wrong_digest_is_refused_before_any_pod(kubectl, namespace, store, uploaded):
    wrong = "sha256:" + "0" * 64
    manifest = model_deployment("wrong-digest", namespace, uploaded["minilm"], store, model={"digest": wrong})
    kubectl.apply(manifest)
    try:
        resolved = wait_for(
            "Resolved=False", lambda: _condition(kubectl, namespace, "wrong-digest", "Resolved", "False"), seconds=90
        )
        assert resolved["reason"] == "DigestMismatch"
        assert wrong in resolved["message"]
        assert _deployments(kubectl, "wrong-digest", namespace) == []
    finally:
        kubectl.run("delete", MODELS, "wrong-digest", "-n", namespace)


def test_a_missing_model_says_so(kubectl, namespace, store):
    kubectl.apply(model_deployment("missing", namespace, "s3://models/no-such-model", store))
    try:
        resolved = wait_for(
            "Resolved=False", lambda: _condition(kubectl, namespace, "missing", "Resolved", "False"), seconds=90
        )
        assert resolved["reason"] == "SourceNotFound"
    finally:
        kubectl.run("delete", MODELS, "missing", "-n", namespace)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"model": {"uri": "ftp://host/model"}}, "spec.model.uri"),
        ({"replicas": -1}, "spec.replicas"),
        ({"runtime": {"batching": {"maxQueueDelay": "soon"}}}, "spec.runtime.batching.maxQueueDelay"),
    ],
    ids=["an unknown scheme", "a negative number of replicas", "a duration that is none"],
)
def test_a_bad_manifest_fails_at_apply(kubectl, namespace, store, spec, said):
    with pytest.raises(KubectlError, match=said):
        kubectl.apply(model_deployment("bad", namespace, "s3://models/minilm", store, **spec))


def test_an_edit_makes_a_revision_that_serves_before_the_old_one_goes(kubectl, namespace, minilm, openai_client):
    """The old revision keeps its pod until the new one is ready; the answers are the same before and after."""
    (before,) = [d for d in _deployments(kubectl, minilm, namespace) if d["spec"]["replicas"] == 1]
    _patch(kubectl, namespace, minilm, '{"spec":{"runtime":{"batching":{"maxBatchSize":16}}}}')
    least = []

    def replaced():
        ready = sum(d["status"].get("readyReplicas", 0) for d in _deployments(kubectl, minilm, namespace))
        least.append(ready)
        model = kubectl.get(MODELS, minilm, namespace)
        serving = {d["metadata"]["name"] for d in _deployments(kubectl, minilm, namespace) if d["spec"]["replicas"]}
        return is_ready(model) and before["metadata"]["name"] not in serving and len(serving) == 1

    wait_for("the new revision serves alone", replaced, seconds=180)
    assert min(least) >= 1, "there was always a ready pod"
    with openai_client(minilm) as client:
        assert len(client.embeddings.create(model=minilm, input="still here").data[0].embedding) == 384


def test_an_object_of_somebody_else_is_left_alone(kubectl, namespace, store):
    theirs = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "taken-model", "namespace": namespace}}
    kubectl.apply(theirs)
    before = kubectl.get("serviceaccount", "taken-model", namespace)
    kubectl.apply(model_deployment("taken", namespace, "s3://models/minilm", store))
    try:
        ready = wait_for("the conflict", lambda: _condition(kubectl, namespace, "taken", "Ready", "False"), seconds=30)
        assert ready["reason"] == "NameConflict"
        assert "ServiceAccount taken-model" in ready["message"]
        assert kubectl.get("serviceaccount", "taken-model", namespace) == before
    finally:
        kubectl.run("delete", MODELS, "taken", "-n", namespace)
        kubectl.run("delete", "serviceaccount", "taken-model", "-n", namespace)


def test_kubectl_scale_changes_the_pods_and_nothing_else(kubectl, namespace, minilm):
    names = {d["metadata"]["name"] for d in _deployments(kubectl, minilm, namespace)}
    kubectl.run("scale", MODELS, minilm, "-n", namespace, "--replicas=2")
    try:
        wait_for(
            "two ready replicas", lambda: _status(kubectl, namespace, minilm).get("readyReplicas") == 2, seconds=180
        )
        assert {d["metadata"]["name"] for d in _deployments(kubectl, minilm, namespace)} == names
    finally:
        kubectl.run("scale", MODELS, minilm, "-n", namespace, "--replicas=1")
    wait_for("one replica again", lambda: _status(kubectl, namespace, minilm).get("replicas") == 1, seconds=120)


def test_what_is_deleted_by_hand_comes_back(kubectl, namespace, minilm):
    old = kubectl.get("service", minilm, namespace)["metadata"]["uid"]
    kubectl.run("delete", "service", minilm, "-n", namespace)
    wait_for(
        "the Service is back",
        lambda: (kubectl.get("service", minilm, namespace) or {"metadata": {"uid": old}})["metadata"]["uid"] != old,
        seconds=30,
    )


def test_deleting_the_model_deletes_what_it_made(kubectl, namespace, store, uploaded):
    kubectl.apply(model_deployment("short-lived", namespace, uploaded["minilm"], store))
    wait_for("its Deployment", lambda: _deployments(kubectl, "short-lived", namespace), seconds=90)
    kubectl.run("delete", MODELS, "short-lived", "-n", namespace)
    kinds = "deployments,services,jobs,pods"
    wait_for("nothing left", lambda: not kubectl.select(kinds, namespace, "nereid.dev/model=short-lived"), seconds=120)


def _patch(kubectl, namespace, name, patch):
    kubectl.run("patch", MODELS, name, "-n", namespace, "--type=merge", "-p", patch)


def _status(kubectl, namespace, name):
    return kubectl.get(MODELS, name, namespace).get("status", {})


def _condition(kubectl, namespace, name, kind, status):
    found = condition(kubectl.get(MODELS, name, namespace) or {}, kind)
    return found if found.get("status") == status else None
