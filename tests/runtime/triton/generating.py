"""Generations asked of a real Triton by the unmodified asynchronous client. Used by the tests beside it."""

import json
import re
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from tritonclient.grpc import aio

from tests.runtime.conftest import Triton

FLAGS = (
    "return_finish_reason",
    "return_num_input_tokens",
    "return_num_output_tokens",
    "return_cumulative_logprob",
    "return_logprobs",
)


def inputs(prompt: str, *, stream: bool, sampling: dict[str, Any]) -> list[aio.InferInput]:
    """Return every input of a generation model, all that can be asked for asked for."""
    values = {
        "text_input": prompt.encode(),
        "sampling_parameters": json.dumps(sampling).encode(),
        "stream": stream,
        "exclude_input_in_output": True,
        **dict.fromkeys(FLAGS, True),
    }
    tensors = []
    for name, value in values.items():
        tensors.append(aio.InferInput(name, [1], "BYTES" if isinstance(value, bytes) else "BOOL"))
        tensors[-1].set_data_from_numpy(np.array([value], dtype=np.object_ if isinstance(value, bytes) else np.bool_))
    return tensors


async def generate(
    address: str,
    prompt: str,
    *,
    stream: bool,
    model: str = "smollm2",
    more: dict[str, Any] | None = None,
    **sampling: Any,
) -> list[Any]:
    """Return the responses to the end; an error as its text. `more` goes to Triton beside the inputs."""
    request = {"model_name": model, "inputs": inputs(prompt, stream=stream, sampling=sampling), **(more or {})}

    async def requests() -> AsyncIterator[dict[str, Any]]:
        yield request

    async with aio.InferenceServerClient(address) as client:
        return [error.message() if error else result async for result, error in client.stream_infer(requests())]


def text_of(responses: list[Any]) -> str:
    return b"".join(response.as_numpy("text_output")[0] for response in responses).decode()


def metric(triton: Triton, name: str) -> float:
    with urllib.request.urlopen(f"http://{triton.metrics}/metrics", timeout=5) as response:
        text = response.read().decode()
    found = re.search(rf'^{name}{{model="smollm2"}} (\S+)$', text, re.MULTILINE)
    assert found, f"{name} is not among the metrics"
    return float(found[1])
