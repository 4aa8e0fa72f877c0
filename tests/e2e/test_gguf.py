"""A real model in a GGUF file, as ggml's own tools write it, is served from a bucket: the file that is named."""

import pytest

from tests.runtime.models import smollm2_gguf, write_sums
from tests.stack.kubectl import MODELS
from tests.stack.manifests import is_ready, model_deployment
from tests.stack.store import upload
from tests.stack.wait import wait_for

pytestmark = pytest.mark.e2e

NAME, OTHER = "smollm2-gguf", "SmolLM2-135M-Instruct.Q2_K.gguf"


@pytest.fixture
def gguf(nereid, kubectl, namespace, store, tmp_path):
    file = smollm2_gguf()
    (tmp_path / file.name).symlink_to(file)
    (tmp_path / OTHER).write_bytes(b"never read")
    write_sums(tmp_path)
    uri = upload(kubectl, store, NAME, tmp_path)
    kubectl.apply(model_deployment(NAME, namespace, uri, store, model={"file": file.name}))
    yield wait_for(f"{NAME} Ready", lambda: ready(kubectl.get(MODELS, NAME, namespace)), seconds=300)
    kubectl.run("delete", MODELS, NAME, "-n", namespace)


def ready(model):
    return model if is_ready(model) else None


def test_a_gguf_file_is_served_as_what_it_says_it_is(gguf, openai_client):
    model = gguf["status"]["model"]
    assert (model["architecture"], model["task"], model["files"]) == ("LlamaForCausalLM", "Chat", 1)
    with openai_client(NAME) as client:
        question = [{"role": "user", "content": "What is the capital of France?"}]
        answer = client.chat.completions.create(model=NAME, messages=question, temperature=0, max_tokens=24)
    assert answer.choices[0].message.content == "The capital of France is Paris."
    assert answer.choices[0].finish_reason == "stop"
