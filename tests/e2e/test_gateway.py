"""One address for all models: unmodified clients get the right answers there, and no change costs a request."""

import os
import subprocess
import sys

import numpy as np
import openai
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

from tests.stack.client import steady_client
from tests.stack.helm import NAMESPACE
from tests.stack.kubectl import MODELS
from tests.stack.manifests import is_ready, model_deployment
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

GATEWAY = "nereid-gateway"
HOST = f"{GATEWAY}.{NAMESPACE}.svc"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
SENTENCE = "a sentence for the gateway"
STEADY = "behind-the-gateway"


@pytest.fixture(scope="module")
def gateway(nereid, kubectl):
    """The gateway's local address."""
    with kubectl.port_forward(f"service/{GATEWAY}", NAMESPACE, 80) as local:
        yield f"127.0.0.1:{local[80]}"


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=f"http://{gateway}/v1", api_key="none", max_retries=0) as opened:
        yield opened


def test_the_openai_package_chats_and_streams(client, namespace, smollm2, greedy_text):
    answer = client.chat.completions.create(
        model=f"{namespace}.{smollm2}", messages=QUESTION, temperature=0, max_tokens=12
    )
    assert answer.choices[0].message.content == greedy_text(QUESTION, 12)
    stream = client.chat.completions.create(
        model=f"{namespace}.{smollm2}", messages=QUESTION, temperature=0, max_tokens=12, stream=True
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert "".join(pieces) == greedy_text(QUESTION, 12)
    assert len(pieces) > 5


def test_the_openai_package_embeds_and_lists(client, namespace, minilm, smollm2, embedded):
    vector = client.embeddings.create(model=f"{namespace}.{minilm}", input=SENTENCE).data[0].embedding
    _assert_is(vector, embedded([SENTENCE])[0])
    assert {f"{namespace}.{minilm}", f"{namespace}.{smollm2}"} <= {model.id for model in client.models.list()}


def test_tritonclient_reaches_a_model(gateway, namespace, minilm, embedded):
    """Over HTTP and gRPC at the same address; the name is that of its namespace and its own."""
    text = np.array([[SENTENCE.encode()]], dtype=np.object_)
    for module in (triton_http, triton_grpc):
        with module.InferenceServerClient(gateway) as opened:
            tensor = module.InferInput("text_input", [1, 1], "BYTES")
            tensor.set_data_from_numpy(text)
            assert opened.is_model_ready(f"{namespace}.{minilm}")
            answer = opened.infer(f"{namespace}.{minilm}", [tensor])
        _assert_is(answer.as_numpy("embedding")[0], embedded([SENTENCE])[0])


def test_a_bare_name_is_nobodys_without_a_policy(client, minilm):
    with pytest.raises(openai.NotFoundError, match=minilm):
        client.embeddings.create(model=minilm, input=SENTENCE)


def test_status_and_dump_say_how_a_model_is_reached(kubectl, cluster, namespace, minilm):
    status = kubectl.get(MODELS, minilm, namespace)["status"]
    assert status["url"] == f"http://{HOST}"
    assert status["names"] == [f"{namespace}.{minilm}"]
    command = [sys.executable, "-m", "nereid_operator.cli", "-n", namespace, "gateway", "dump", minilm]
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{namespace}.{minilm}" in done.stdout
    (pod,) = kubectl.select("pods", namespace, f"nereid.dev/model={minilm},nereid.dev/revision")
    assert pod["metadata"]["name"] in done.stdout


@pytest.fixture
def steady(nereid, kubectl, namespace, store, uploaded):
    kubectl.apply(model_deployment(STEADY, namespace, uploaded["minilm"], store, replicas=2))
    wait_for("it is Ready", lambda: is_ready(kubectl.get(MODELS, STEADY, namespace)), seconds=180)
    yield STEADY
    kubectl.run("delete", MODELS, STEADY, "-n", namespace)


def test_no_change_costs_a_request(steady, kubectl, namespace, store, uploaded):
    """A pod deleted, more and fewer replicas, a model that comes and goes, operators and gateways replaced."""
    address = (HOST, f"{namespace}.{steady}")
    with steady_client(kubectl, namespace, steady, address) as requests:
        for change in (_delete_a_pod, _scale, _come_and_go, _delete_operators, _delete_gateways):
            change(kubectl, namespace, store, uploaded)
            requests.more()
    assert requests.failures() == []
    assert len(requests.lines) > 50


def _delete_a_pod(kubectl, namespace, store, uploaded):
    pod, *_ = _pods(kubectl, namespace)
    kubectl.run("delete", "pod", pod, "-n", namespace, "--timeout=170s")
    _wait_for_replicas(kubectl, namespace, 2)


def _scale(kubectl, namespace, store, uploaded):
    for count in (1, 2):
        kubectl.run("scale", f"{MODELS}/{STEADY}", "-n", namespace, f"--replicas={count}")
        _wait_for_replicas(kubectl, namespace, count)


def _come_and_go(kubectl, namespace, store, uploaded):
    kubectl.apply(model_deployment("passing", namespace, uploaded["minilm"], store))
    wait_for("it is Ready", lambda: is_ready(kubectl.get(MODELS, "passing", namespace)), seconds=180)
    kubectl.run("delete", MODELS, "passing", "-n", namespace)


def _delete_operators(kubectl, namespace, store, uploaded):
    _replace(kubectl, "nereid-operator")


def _delete_gateways(kubectl, namespace, store, uploaded):
    _replace(kubectl, GATEWAY)


def _replace(kubectl, deployment):
    kubectl.run("rollout", "restart", f"deployment/{deployment}", "-n", NAMESPACE)
    kubectl.run("rollout", "status", f"deployment/{deployment}", "-n", NAMESPACE, "--timeout=120s")


def _wait_for_replicas(kubectl, namespace, count):
    def settled():
        model = kubectl.get(MODELS, STEADY, namespace)
        return is_ready(model) and model["status"].get("readyReplicas") == count == len(_pods(kubectl, namespace))

    wait_for(f"{count} replicas", settled, seconds=240)


def _pods(kubectl, namespace):
    selected = kubectl.select("pods", namespace, f"nereid.dev/model={STEADY},nereid.dev/revision")
    return [pod["metadata"]["name"] for pod in selected]


def _assert_is(vector, reference):
    cosine = np.dot(vector, reference) / (np.linalg.norm(vector) * np.linalg.norm(reference))
    assert cosine >= 1 - 1e-5
