"""A classifier and a tensor model, found out by the resolve Job, and a chat model in bfloat16 with a second name."""

import asyncio
import json

import numpy as np
import openai
import pytest
import torch
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

from tests.runtime.models import write_sums
from tests.runtime.small_models import CLASSIFIERS, make_by_reference, make_tensor_model
from tests.runtime.triton.generating import generate, text_of
from tests.stack.kubectl import MODELS
from tests.stack.manifests import is_ready, model_deployment
from tests.stack.store import upload
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

LABELS = {0: "calm", 1: "sad", 2: "glad"}
HALVED = "smollm2-half"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"enum": ["Paris", "Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """The folders of a small classifier and a tensor model, each with what torch makes of the same weights."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("feelings", "mlp")}
    feelings = make_by_reference(folders["feelings"], CLASSIFIERS["bert"], id2label=LABELS)
    mlp = make_tensor_model(folders["mlp"], "mlp")
    for folder in folders.values():
        write_sums(folder)
    return {"feelings": (folders["feelings"], feelings), "mlp": (folders["mlp"], mlp)}


@pytest.fixture(scope="module")
def uris(kubectl, store, uploaded, twins):
    """Where each lies in the store."""
    small = {name: upload(kubectl, store, name, folder) for name, (folder, _) in twins.items()}
    return small | {HALVED: uploaded["smollm2"]}


@pytest.fixture(scope="module")
def models(nereid, kubectl, namespace, store, uris):
    """All three Ready, as their status has them."""
    kept = {"responseCache": {"size": "16Mi"}, "resources": {"requests": {"cpu": "50m"}}}
    kubectl.apply(
        *(model_deployment(name, namespace, uris[name], store, runtime=kept) for name in ("feelings", "mlp")),
        model_deployment(HALVED, namespace, uris[HALVED], store, runtime={"dtype": "BFloat16"}),
    )
    for name in uris:
        wait_for(f"{name} Ready", lambda name=name: is_ready(kubectl.get(MODELS, name, namespace)), seconds=300)
    yield {name: kubectl.get(MODELS, name, namespace)["status"]["model"] for name in uris}
    kubectl.run("delete", MODELS, *uris, "-n", namespace)


def test_a_classifier_says_which_label_and_how_sure(models, twins, ports):
    assert models["feelings"]["task"] == "Classification"
    text = "a b c"
    with ports("feelings", 80, 8000) as local:
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{local[80]}/v1", api_key="none")
        answer = client.post("/classify", body={"model": "feelings", "input": text}, cast_to=object)
        with triton_http.InferenceServerClient(f"127.0.0.1:{local[8000]}") as triton:
            tensor = triton_http.InferInput("text_input", [1, 1], "BYTES")
            tensor.set_data_from_numpy(np.array([[text.encode()]], dtype=np.object_))
            result = triton.infer("feelings", [tensor])
    probabilities = result.as_numpy("probabilities")[0]
    (found,) = answer["data"]
    assert found["label"] == LABELS[int(np.argmax(probabilities))] == result.as_numpy("label")[0, 0].decode()
    assert found["probs"] == pytest.approx(probabilities.tolist(), abs=1e-6)
    assert found["num_classes"] == twins["feelings"][1].config.num_labels == 3


def test_a_tensor_model_computes_what_its_layers_say(models, twins, namespace, ports):
    """By its name and by its second one, and a second time from what was kept."""
    assert models["mlp"]["task"] == "Tensor"
    values = np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32)
    with torch.inference_mode():
        expected = twins["mlp"][1](torch.from_numpy(values)).numpy()
    with ports("mlp", 8001) as local, triton_grpc.InferenceServerClient(f"127.0.0.1:{local[8001]}") as triton:
        described = triton.get_model_metadata("mlp", as_json=True)
        tensor = triton_grpc.InferInput(described["inputs"][0]["name"], [5, 6], "FP32")
        tensor.set_data_from_numpy(values)
        output = described["outputs"][0]["name"]
        for name in ("mlp", f"{namespace}.mlp", "mlp"):
            np.testing.assert_allclose(triton.infer(name, [tensor]).as_numpy(output), expected, atol=1e-5)
        statistics = triton.get_inference_statistics("mlp", as_json=True)["model_stats"][0]["inference_stats"]
    assert int(statistics["cache_hit"]["count"]) >= 1


def test_a_model_in_bfloat16_keeps_to_a_schema_and_says_how_sure_it_is(models, openai_client):
    assert models[HALVED]["task"] == "Chat"
    question = [{"role": "user", "content": "What is the capital of France?"}]
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
    with openai_client(HALVED) as client:
        answer = client.chat.completions.create(
            model=HALVED, messages=question, temperature=0, max_tokens=40, response_format=wanted, logprobs=True
        )
    assert json.loads(answer.choices[0].message.content) in [{"city": "Paris"}, {"city": "Rome"}]
    assert all(token.logprob <= 0 for token in answer.choices[0].logprobs.content)


def test_a_second_name_streams_too(models, namespace, ports):
    prompt = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    with ports(HALVED, 8001) as local:
        address, name = f"127.0.0.1:{local[8001]}", f"{namespace}.{HALVED}"
        responses = asyncio.run(generate(address, prompt, model=name, stream=True, temperature=0, max_tokens=20))
    assert text_of(responses) == "The capital of France is Paris."
    assert len(responses) > 4
