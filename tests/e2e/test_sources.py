"""Models from a registry and from a volume: what is missing or refused is told, and served once it is mended."""

import uuid
from pathlib import Path

import numpy as np
import openai
import pytest

from tests.cluster.images import image_tag
from tests.runtime.models import minilm_folder
from tests.stack.claims import fill_claim
from tests.stack.credentials import model_credentials
from tests.stack.kubectl import MODELS
from tests.stack.manifests import condition, is_ready, restricted_namespace
from tests.stack.registry import USER
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]
SENTENCE = "What is the capital of France?"


@pytest.fixture
def home(nereid, kubectl, namespace):
    """A namespace of the test's own."""
    name = f"{namespace}-{uuid.uuid4().hex[:4]}"
    kubectl.apply(restricted_namespace(name))
    yield name
    kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def stands(kubectl, home):
    """The reason and the message of Ready, or a wait for a reason."""

    def waited(name, reason, seconds):
        def told():
            ready = condition(kubectl.get(MODELS, name, home), "Ready")
            return ready if ready.get("reason") == reason else None

        return wait_for(f"{reason} of {name}", told, seconds=seconds)["message"]

    return waited


@pytest.fixture
def answers(kubectl, home, embedded):
    """Wait until a model is Ready and compare what it answers with the reference."""

    def checked(name):
        wait_for(f"{name} Ready", lambda: is_ready(kubectl.get(MODELS, name, home)), seconds=240, interval=1)
        with (
            kubectl.port_forward(f"service/{name}", home, 80) as local,
            openai.OpenAI(base_url=f"http://127.0.0.1:{local[80]}/v1", api_key="none") as client,
        ):
            vector = np.array(client.embeddings.create(model=name, input=SENTENCE).data[0].embedding)
        (reference,) = embedded([SENTENCE])
        assert vector @ reference / np.linalg.norm(vector) / np.linalg.norm(reference) >= 1 - 1e-5

    return checked


def test_a_claim_that_is_made_later_is_named_waited_for_and_served(kubectl, home, stands, answers):
    kubectl.apply(_model("late", home, {"uri": "pvc://models/all-MiniLM-L6-v2"}))
    assert stands("late", "ClaimMissing", 60) == "PersistentVolumeClaim models is not there."
    folders = {"all-MiniLM-L6-v2": minilm_folder()}
    fill_claim(kubectl, home, "models", image_tag("model-runtime", REPOSITORY), folders)
    answers("late")


def test_a_registry_that_refuses_the_password_is_told_and_served_once_it_is_right(
    kubectl, home, registry, stands, answers
):
    wrong = model_credentials("user", home, hosts=registry.host, username=USER, password="no-such-word")
    kubectl.apply(registry.trusted("registry-roots", home), wrong)
    model = {
        "uri": registry.uri("models/minilm"),
        "revision": "v1",
        "source": {"caBundle": {"configMapName": "registry-roots"}},
        "credentials": {"secretName": "user"},
    }
    kubectl.apply(_model("pushed", home, model))
    assert "no-such-word" not in stands("pushed", "SourceUnauthorized", 90)
    kubectl.apply(registry.credentials("user", home))
    kubectl.run("annotate", "nmd", "pushed", "-n", home, "nereid.dev/refresh=right")
    answers("pushed")
    resolved = kubectl.get(MODELS, "pushed", home)["status"]["model"]
    assert resolved["revision"] == registry.digests["models/minilm:v1"]


def _model(name, namespace, model):
    return {
        "apiVersion": "nereid.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": model},
    }
