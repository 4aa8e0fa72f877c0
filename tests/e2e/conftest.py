"""The cluster that the end-to-end tests share, and Nereid with two models on it.

The cluster is brought up here and taken down by the Makefile; NEREID_KEEP_CLUSTER=1 has the Makefile keep it.
Workers of pytest-xdist may all ask: `up` waits on a lock.
"""

import contextlib
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openai
import pytest

from tests.cluster import build_images
from tests.cluster.backends import Request, make_backend
from tests.runtime.models import minilm_folder, smollm2_folder
from tests.runtime.reference import ReferenceChat, ReferenceEmbedding
from tests.stack.certificates import make_authority
from tests.stack.helm import Helm
from tests.stack.kubectl import MODELS, Kubectl
from tests.stack.manifests import is_ready, mirrors_policy, model_deployment, restricted_namespace
from tests.stack.registry import start_registry
from tests.stack.store import start_store, upload
from tests.stack.wait import wait_for

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Cluster:
    """What tests know of the cluster."""

    kubeconfig: Path
    audit_log: Path | None


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The running cluster; tests that read the audit log need one whose log is on this machine."""
    subprocess.run([sys.executable, "-m", "tests.cluster", "up"], cwd=REPOSITORY, check=True)
    backend = make_backend(Request())
    return Cluster(backend.kubeconfig, backend.audit_log)


@pytest.fixture(scope="session")
def kubectl(cluster):
    return Kubectl(cluster.kubeconfig)


@pytest.fixture(scope="session")
def helm(cluster):
    return Helm(cluster.kubeconfig)


@pytest.fixture(scope="session")
def nereid(kubectl, helm):
    """Nereid, installed from the chart with the images built from this tree; models may lie inside the cluster."""
    build_images(make_backend(Request()))
    helm.install()
    kubectl.apply(mirrors_policy())
    yield helm
    helm.uninstall()


@pytest.fixture(scope="session")
def namespace(kubectl):
    """A namespace of the test run in which only restricted pods may run."""
    name = f"nereid-e2e-{uuid.uuid4().hex[:6]}"
    kubectl.apply(restricted_namespace(name))
    yield name
    kubectl.delete_namespace(name)


@pytest.fixture(scope="session")
def store(kubectl, namespace):
    store = start_store(kubectl, namespace)
    kubectl.apply(store.credentials("store-key", namespace))
    return store


@pytest.fixture(scope="session")
def registry(kubectl, namespace, tmp_path_factory):
    """A registry with a password, and a model in it."""
    authority = make_authority(tmp_path_factory.mktemp("authority"))
    return start_registry(kubectl, namespace, authority, {"models/minilm:v1": minilm_folder()})


@pytest.fixture(scope="session")
def uploaded(kubectl, store):
    """The URIs of the real models in the store."""
    return {
        "minilm": upload(kubectl, store, "minilm", minilm_folder()),
        "smollm2": upload(kubectl, store, "smollm2", smollm2_folder()),
    }


@pytest.fixture(scope="session")
def both_models(nereid, kubectl, namespace, store, uploaded):
    """Both models applied at once and Ready."""
    kubectl.apply(*(model_deployment(name, namespace, uri, store) for name, uri in uploaded.items()))
    for name in uploaded:
        wait_for(f"{name} Ready", lambda name=name: is_ready(kubectl.get(MODELS, name, namespace)), seconds=300)
    return tuple(uploaded)


@pytest.fixture
def minilm(both_models):
    return both_models[0]


@pytest.fixture
def smollm2(both_models):
    return both_models[1]


@pytest.fixture(scope="session")
def ports(kubectl, namespace):
    """Local ports for the ports of a model's Service, as a context manager."""
    return lambda model, *numbers: kubectl.port_forward(f"service/{model}", namespace, *numbers)


@pytest.fixture(scope="session")
def openai_client(ports):
    """The unmodified openai package on a model's Service, as a context manager."""

    @contextlib.contextmanager
    def client(model):
        with (
            ports(model, 80) as local,
            openai.OpenAI(base_url=f"http://127.0.0.1:{local[80]}/v1", api_key="none") as opened,
        ):
            yield opened

    return client


@pytest.fixture(scope="session")
def embedded():
    """What the reference library makes of sentences: unpadded, float32, [N, D]."""
    reference = ReferenceEmbedding(minilm_folder())
    return lambda sentences: np.stack([reference.embed(sentence).numpy() for sentence in sentences])


@pytest.fixture(scope="session")
def greedy_text():
    """What the reference library answers greedily in float32, up to the end of the text."""
    reference = ReferenceChat(smollm2_folder())

    def answer(messages, count):
        tokens = reference.greedy(reference.prompt(messages), count)
        end = reference.tokenizer.eos_token_id
        kept = tokens[: tokens.index(end)] if end in tokens else tokens
        return reference.tokenizer.decode(kept)

    return answer
