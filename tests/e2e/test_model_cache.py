"""A cache on a claim: a replica that comes later starts while the source of its model is gone."""

import uuid

import pytest

from tests.runtime.models import minilm_folder
from tests.stack.kubectl import MODELS
from tests.stack.manifests import claim, is_ready, model_deployment, restricted_namespace
from tests.stack.revisions import replicas_of
from tests.stack.store import start_store, upload
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

MODEL = "cached"
READY_SECONDS = 180


@pytest.fixture
def home(kubectl):
    """A namespace of its own, whose store nobody else needs."""
    name = f"nereid-cache-{uuid.uuid4().hex[:6]}"
    kubectl.apply(restricted_namespace(name))
    yield name
    kubectl.run("delete", "namespace", name, "--wait=false")


def test_the_second_replica_starts_without_the_source(nereid, kubectl, home):
    store = start_store(kubectl, home)
    kubectl.apply(store.credentials("store-key", home), claim("models", home))
    uri = upload(kubectl, store, MODEL, minilm_folder())
    cache = {"claimName": "models", "size": "500Mi"}
    kubectl.apply(model_deployment(MODEL, home, uri, store, model={"cache": cache}))
    wait_for("the first replica", lambda: is_ready(kubectl.get(MODELS, MODEL, home)), seconds=READY_SECONDS)
    (first,) = _replicas(kubectl, home)
    assert "cache: keeps the model" in _log(kubectl, home, first)

    kubectl.run("scale", "deployment/store", "-n", home, "--replicas=0")
    wait_for("the source to be gone", lambda: not _pods(kubectl, home), seconds=60)
    kubectl.run("scale", MODELS, MODEL, "-n", home, "--replicas=2")
    wait_for("both replicas", lambda: _ready_replicas(kubectl, home) == 2, seconds=READY_SECONDS)
    (second,) = _replicas(kubectl, home) - {first}
    assert "cache: the model is whole in it, its source was asked for nothing" in _log(kubectl, home, second)


def _replicas(kubectl, namespace):
    return {body["metadata"]["name"] for body in replicas_of(kubectl, namespace, MODEL).values()}


def _log(kubectl, namespace, pod):
    return kubectl.run("logs", pod, "-n", namespace, "-c", "prepare")


def _pods(kubectl, namespace):
    return kubectl.select("pods", namespace, "app.kubernetes.io/name=store")


def _ready_replicas(kubectl, namespace):
    return kubectl.get(MODELS, MODEL, namespace)["status"].get("readyReplicas", 0)
