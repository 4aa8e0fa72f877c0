"""Unmodified Triton clients against a real Triton that serves both models."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.grpc import aio as aio_client
from tritonclient.utils import InferenceServerException

from model_runtime.engines.tokenizer import load_tokenizer
from tests.runtime.conftest import Triton
from tests.runtime.reference import ReferenceChat, ReferenceEmbedding

TEXTS = ("A man is eating food.", "Ein Mann isst.", "long " * 100)
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "The capital of France is Paris."


@pytest.mark.parametrize("client", [http_client, grpc_client], ids=["over HTTP", "over gRPC"])
def test_embeddings_are_those_of_the_reference(triton: Triton, minilm: Path, client: Any) -> None:
    address = triton.http if client is http_client else triton.grpc
    tensor = client.InferInput("text_input", [len(TEXTS), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text.encode()] for text in TEXTS], dtype=np.object_))
    with client.InferenceServerClient(address) as server:
        result = server.infer("minilm", [tensor])
    reference = ReferenceEmbedding(minilm)
    for text, vector in zip(TEXTS, result.as_numpy("embedding"), strict=True):
        assert float(vector @ reference.embed(text).numpy()) >= 1 - 1e-4
    counts = [len(load_tokenizer(minilm).encode(text)) for text in TEXTS]
    assert result.as_numpy("num_input_tokens").reshape(-1).tolist() == counts


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(b"word " * 400, "the text has 402 tokens; the model's context is 256", id="a text too long"),
        pytest.param(b"\xff\xfe", "not UTF-8 at byte 0", id="bytes that are no text"),
    ],
)
def test_a_wrong_text_is_refused_with_a_reason(triton: Triton, value: bytes, message: str) -> None:
    tensor = grpc_client.InferInput("text_input", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[value]], dtype=np.object_))
    with grpc_client.InferenceServerClient(triton.grpc) as server, pytest.raises(InferenceServerException) as failure:
        server.infer("minilm", [tensor])
    assert failure.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert message in failure.value.message()


async def generate(triton: Triton, prompt: str, *, stream: bool, model: str = "smollm2", **sampling: Any) -> list[Any]:
    """Return the responses, or the first error's text."""
    values = {
        "text_input": prompt.encode(),
        "sampling_parameters": json.dumps(sampling).encode(),
        "stream": stream,
        "exclude_input_in_output": True,
        "return_finish_reason": True,
        "return_num_output_tokens": True,
    }
    tensors = []
    for name, value in values.items():
        tensors.append(aio_client.InferInput(name, [1], "BYTES" if isinstance(value, bytes) else "BOOL"))
        tensors[-1].set_data_from_numpy(np.array([value], dtype=np.object_ if isinstance(value, bytes) else np.bool_))

    async def requests() -> AsyncIterator[dict[str, Any]]:
        yield {"model_name": model, "inputs": tensors}

    async with aio_client.InferenceServerClient(triton.grpc) as client:
        responses = []
        async for result, error in client.stream_infer(requests()):
            responses.append(error.message() if error else result)
        return responses


def text_of(responses: list[Any]) -> str:
    return b"".join(response.as_numpy("text_output")[0] for response in responses).decode()


async def test_a_stream_gives_the_answer_in_pieces(triton: Triton, smollm2: Path) -> None:
    responses = await generate(triton, ReferenceChat(smollm2).prompt(QUESTION), stream=True, temperature=0)
    assert text_of(responses) == ANSWER
    assert len(responses) == 8
    assert responses[-1].as_numpy("finish_reason")[0] == b"stop"
    assert responses[0].as_numpy("finish_reason")[0] == b"None"


async def test_the_alias_streams_as_the_model_does(triton: Triton, smollm2: Path) -> None:
    prompt = ReferenceChat(smollm2).prompt(QUESTION)
    named, aliased = [
        await generate(triton, prompt, stream=True, model=model, temperature=0) for model in ("smollm2", "team.smollm2")
    ]
    assert text_of(aliased) == ANSWER
    assert len(aliased) == len(named) > 1
    assert aliased[-1].as_numpy("finish_reason")[0] == b"stop"


async def test_the_alias_needs_no_more_than_the_text(triton: Triton) -> None:
    tensor = aio_client.InferInput("text_input", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([b"Once upon"], dtype=np.object_))

    async def requests() -> AsyncIterator[dict[str, Any]]:
        yield {"model_name": "team.smollm2", "inputs": [tensor]}

    async with aio_client.InferenceServerClient(triton.grpc) as client:
        (response,) = [error or result async for result, error in client.stream_infer(requests())]
    assert text_of([response]).startswith("Once upon")
    assert response.as_numpy("finish_reason") is None


async def test_without_stream_there_is_one_response(triton: Triton, smollm2: Path) -> None:
    (response,) = await generate(triton, ReferenceChat(smollm2).prompt(QUESTION), stream=False, temperature=0)
    assert text_of([response]) == ANSWER
    assert int(response.as_numpy("num_output_tokens")[0]) == 8


async def test_concurrent_generations_do_not_disturb_each_other(triton: Triton, smollm2: Path) -> None:
    prompt = ReferenceChat(smollm2).prompt(QUESTION)
    answers = await asyncio.gather(*(generate(triton, prompt, stream=True, temperature=0) for _ in range(4)))
    assert [text_of(answer) for answer in answers] == [ANSWER] * 4


@pytest.mark.parametrize(
    ("sampling", "field"),
    [
        pytest.param({"temperature": -1}, "temperature", id="a negative temperature"),
        pytest.param({"max_tokens": 100_000}, "max_tokens", id="more tokens than the context has"),
        pytest.param({"beams": 4}, "beams", id="an unknown parameter"),
    ],
)
async def test_wrong_sampling_parameters_are_named(triton: Triton, sampling: dict[str, Any], field: str) -> None:
    (message,) = await generate(triton, "Hello", stream=False, **sampling)
    assert message.startswith(f"{field}: ")
