"""Every file of crds/examples is served as it stands: only the public places it names are those of this cluster.

A stand-in for the hub, over TLS with a certificate of an authority that nobody knows, takes the place of huggingface.co
and of web servers, a registry and the S3 server of the tests that of others. What an example takes for granted
(Secrets, ConfigMaps, filled claims, node labels, classes) is made from what it says. A new example that is not served
fails here.
"""

import contextlib
import functools
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import openai
import pytest
import yaml

from tests.cluster.images import image_tag
from tests.runtime.models import minilm_folder, smollm2_folder
from tests.runtime.reference import ReferenceChat
from tests.stack.certificates import make_authority
from tests.stack.claims import fill_claim
from tests.stack.credentials import model_credentials
from tests.stack.hub import Hub, start_hub
from tests.stack.kubectl import MODELS
from tests.stack.manifests import claim, condition, is_ready, restricted_namespace
from tests.stack.registry import PASSWORD, USER, Registry
from tests.stack.store import Store
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]
REAL_NODES = "type!=kwok"  # tests of the cluster itself leave nodes behind that kwok plays
EXAMPLE_FOLDER = REPOSITORY / "crds" / "examples"
EXAMPLES = sorted(EXAMPLE_FOLDER.glob("*.yaml"))
QUESTION = "What is the capital of France?"
BEGINNING = "The capital of France is"
ANSWER_TOKENS = 12


def _is_model(example):
    return yaml.safe_load(example.read_text())["kind"] == "ModelDeployment"


def _wants_accelerator(example):
    runtime = yaml.safe_load(example.read_text())["spec"].get("runtime", {})
    return "accelerator" in runtime or runtime.get("device") == "GPU"


# There is no real accelerator in the cluster, so those are never Ready there.
SERVED = [example for example in EXAMPLES if _is_model(example) and not _wants_accelerator(example)]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the models of the examples are here."""

    hub: Hub
    store: Store
    registry: Registry

    @property
    def certificates(self) -> str:
        """The authorities of all places over TLS."""
        return f"{self.hub.certificates}\n{self.registry.certificates.read_text()}"


@pytest.fixture(scope="module")
def hub(nereid, kubectl, namespace, tmp_path_factory):
    models = {
        "sentence-transformers/all-MiniLM-L6-v2": minilm_folder(),
        "HuggingFaceTB/SmolLM2-135M": smollm2_folder(),
        "SmolLM2-135M-Instruct": smollm2_folder(),
        "acme/assistant": smollm2_folder(),
    }
    authority = make_authority(tmp_path_factory.mktemp("authority"))
    return start_hub(kubectl, namespace, image_tag("model-runtime", REPOSITORY), authority, models)


@pytest.fixture(scope="module")
def places(hub, store, registry, uploaded):
    return Places(hub, store, registry)


@pytest.fixture
def home(kubectl, namespace):
    """A namespace of the example's own; what runs in it ends while the next example starts."""
    name = f"{namespace}-{uuid.uuid4().hex[:4]}"
    kubectl.apply(restricted_namespace(name))
    yield name
    kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("example", SERVED, ids=lambda path: path.stem)
def test_every_example_is_served(example, places, home, kubectl, embedded):
    body = _brought_here(yaml.safe_load(example.read_text()), places)
    name = body["metadata"]["name"]
    with _surroundings(body["spec"], places, home, kubectl):
        kubectl.run("apply", "-n", home, "-f", "-", stdin=yaml.safe_dump(body))
        model = _ready(kubectl, name, home)
        assert condition(model, "Resolved")["status"] == "True"
        with (
            kubectl.port_forward(f"service/{name}", home, 80) as local,
            openai.OpenAI(base_url=f"http://127.0.0.1:{local[80]}/v1", api_key="none") as client,
        ):
            served = body["spec"]["model"].get("servedName", name)
            ANSWERS[model["status"]["model"]["task"]](client, served, embedded)


def test_a_bundle_that_is_not_there_yet_is_named_and_waited_for(places, home, kubectl):
    body = _brought_here(yaml.safe_load((EXAMPLE_FOLDER / "private.yaml").read_text()), places)
    name = body["metadata"]["name"]
    secret, bundle = (
        next(made for made in _objects(body["spec"], places, home) if made["kind"] == kind)
        for kind in ("Secret", "ConfigMap")
    )
    kubectl.apply(secret)
    kubectl.run("apply", "-n", home, "-f", "-", stdin=yaml.safe_dump(body))

    def stands(kind):
        return condition(kubectl.get(MODELS, name, home), kind)

    wait_for(
        "the ConfigMap in status", lambda: "ConfigMap company-roots" in stands("Ready").get("message", ""), seconds=60
    )
    kubectl.apply(bundle)
    wait_for("the model is resolved", lambda: stands("Resolved")["status"] == "True", seconds=120)


@pytest.mark.parametrize(
    "example", [example for example in EXAMPLES if example not in SERVED], ids=lambda path: path.stem
)
def test_every_other_example_is_accepted_by_the_api_server(example, nereid, kubectl, namespace):
    kubectl.run("apply", "-n", namespace, "--dry-run=server", "-f", str(example))


def _brought_here(body, places):
    """Return the manifest with the places it names in this cluster; everything else stays."""
    model = body["spec"]["model"]
    source = model.setdefault("source", {})
    uri = urlsplit(model["uri"])
    if uri.scheme == "pvc":
        return body
    if uri.scheme == "oci":
        model["uri"] = places.registry.uri(uri.path.lstrip("/"))
        source["caBundle"] = {"configMapName": "registry-roots"}
        return body
    if uri.scheme == "s3":
        source["endpoint"] = places.store.endpoint
        model["uri"] = f"s3://{uri.netloc}/{OBJECTS[uri.path]}"
        return body
    if uri.scheme == "https":
        model["uri"] = f"{places.hub.url}{uri.path}"
    else:
        source["endpoint"] = places.hub.url
    source.setdefault("caBundle", {"configMapName": "hub-roots"})
    return body


# Where the tests' S3 server has what the examples name.
OBJECTS = {"/all-MiniLM-L6-v2": "minilm"}


@contextlib.contextmanager
def _surroundings(spec, places, home, kubectl):
    """Make what the example takes for granted; what is not the namespace's own goes again."""
    pod = spec.get("pod", {})
    # kubectl takes it for a mistake when there is nothing to apply.
    if wanted := (*_objects(spec, places, home), *_classes(pod)):
        kubectl.apply(*wanted)
    uri = urlsplit(spec["model"]["uri"])
    if uri.scheme == "pvc":
        folders = {uri.path.lstrip("/"): minilm_folder()}
        fill_claim(kubectl, home, uri.netloc, image_tag("model-runtime", REPOSITORY), folders)
    labels = pod.get("nodeSelector", {})
    (node,) = kubectl.run("get", "nodes", "-l", REAL_NODES, "-o", "name").split()
    if labels:
        kubectl.run("label", node, *(f"{key}={value}" for key, value in labels.items()))
    try:
        yield
    finally:
        if labels:
            kubectl.run("label", node, *(f"{key}-" for key in labels))
        for thing in _classes(pod):
            kubectl.run("delete", thing["kind"], thing["metadata"]["name"], "--ignore-not-found")


def _objects(spec, places, home):
    """Return the ConfigMaps, Secrets and claims of the namespace that the example names."""
    bundle = spec["model"]["source"].get("caBundle")
    credentials, cache = spec["model"].get("credentials"), spec["model"].get("cache")
    made = [_pull_secret(secret["name"], home) for secret in spec.get("pod", {}).get("imagePullSecrets", ())]
    if bundle:
        key = bundle.get("key", "ca.crt")
        metadata, data = {"name": bundle["configMapName"], "namespace": home}, {key: places.certificates}
        made.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    if credentials:
        store = places.store
        keys = {"token": places.hub.token, "accessKeyId": store.access_key, "secretAccessKey": store.secret_key}
        keys |= {"username": USER, "password": PASSWORD}
        made.append(model_credentials(credentials["secretName"], home, hosts="*.svc", **keys))
    if cache:
        made.append(claim(cache["claimName"], home))
    return made


def _pull_secret(name, namespace):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}}


def _classes(pod):
    """Return the cluster's classes that the example names; every containerd has the handler runc."""
    if name := pod.get("priorityClassName"):
        yield {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": 1000,
        }
    if name := pod.get("runtimeClassName"):
        yield {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": "runc"}


def _ready(kubectl, name, namespace):
    """Wait until the model is Ready; say how it stands when it does not become so."""

    def ready():
        model = kubectl.get(MODELS, name, namespace)
        resolved = condition(model, "Resolved")
        assert resolved.get("status") != "False", f"{resolved['reason']}: {resolved['message']}"
        return model if is_ready(model) else None

    try:
        return wait_for(f"{name} Ready", ready, seconds=240, interval=1)
    except TimeoutError as error:
        stands = condition(kubectl.get(MODELS, name, namespace), "Ready")
        raise AssertionError(f"{error}; {stands.get('reason')}: {stands.get('message')}") from error


def _check_embedding(client, served, embedded):
    vector = np.array(client.embeddings.create(model=served, input=QUESTION).data[0].embedding)
    (reference,) = embedded([QUESTION])
    assert vector @ reference / np.linalg.norm(vector) / np.linalg.norm(reference) >= 1 - 1e-5


def _check_chat(client, served, embedded):
    reference = _smollm2()
    messages = [{"role": "user", "content": QUESTION}]
    answer = client.chat.completions.create(model=served, messages=messages, temperature=0, max_tokens=ANSWER_TOKENS)
    assert answer.choices[0].message.content == _greedy(reference, reference.prompt(messages))


def _check_completion(client, served, embedded):
    answer = client.completions.create(model=served, prompt=BEGINNING, temperature=0, max_tokens=ANSWER_TOKENS)
    assert answer.choices[0].text == _greedy(_smollm2(), BEGINNING)


@functools.cache
def _smollm2():
    return ReferenceChat(smollm2_folder())


def _greedy(reference, prompt):
    tokens = reference.greedy(prompt, ANSWER_TOKENS)
    end = reference.tokenizer.eos_token_id
    return reference.tokenizer.decode(tokens[: tokens.index(end)] if end in tokens else tokens)


ANSWERS = {"Embedding": _check_embedding, "Chat": _check_chat, "Completion": _check_completion}
