"""The frontend's side of Triton: requests as tensors, answers as values, failures as API errors.

The only module of the frontend that opens sockets to Triton. Closing the iterator of `generate` cancels the request.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import orjson
from tritonclient.grpc import aio as triton
from tritonclient.utils import InferenceServerException

from model_runtime.engines.errors import parse_invalid_request
from model_runtime.frontend.errors import ApiError, EngineFailed, InvalidRequest, Overloaded, Unavailable

# Triton's container starts anew in seconds; by default the channel would look for it only every two minutes then.
_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", triton.MAX_GRPC_MESSAGE_SIZE),
    ("grpc.max_receive_message_length", triton.MAX_GRPC_MESSAGE_SIZE),
    ("grpc.max_reconnect_backoff_ms", 2000),
)

# The scheduler's words, and Triton's when the model is not there or the server is about to end.
_UNAVAILABLE_WORDS = ("already waiting", "queue size", "unknown model", "not ready", "stopped accepting", "stopping")


@dataclass(frozen=True, slots=True)
class Delta:
    """One response of a generation; token counts are those of this response."""

    text: str
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Embedding:
    """The vector of a text, and how many tokens the text had."""

    vector: np.ndarray[Any, np.dtype[np.float32]]
    tokens: int


class TritonClient:
    """One model behind one gRPC channel."""

    def __init__(self, address: str, model: str) -> None:
        self._client = triton.InferenceServerClient(address, channel_args=_CHANNEL_OPTIONS)
        self._model = model

    async def close(self) -> None:
        """Close the channel."""
        await self._client.close()

    async def is_ready(self, timeout_seconds: float) -> bool:
        """Say whether Triton answers and has loaded the model."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return bool(await self._client.is_model_ready(self._model))
        except (InferenceServerException, TimeoutError):
            return False

    async def embed(self, text: str) -> Embedding:
        """Return the embedding of one text; Triton's dynamic batcher puts concurrent ones together."""
        try:
            result = await self._client.infer(self._model, [_tensor("text_input", [[text.encode()]], "BYTES")])
        except InferenceServerException as error:
            raise to_api_error(str(error.status()).removeprefix("StatusCode."), error.message()) from error
        return Embedding(
            vector=result.as_numpy("embedding")[0], tokens=int(result.as_numpy("num_input_tokens").reshape(-1)[0])
        )

    async def generate(self, prompt: str, sampling: dict[str, Any], *, stream: bool) -> AsyncGenerator[Delta]:
        """Yield the responses of a generation: pieces of text with `stream`, else one response in all."""
        # Without Triton's option `triton_grpc_error`: a stream that ends by a status code can crash the server.
        call = self._client.stream_infer(_once(_request(self._model, prompt, sampling, stream)))
        failure = None
        try:
            async for result, error in call:
                if error is not None:
                    failure = failure or to_api_error(status_of(error.message()), error.message())
                else:
                    yield _delta(result)
        except grpc.aio.AioRpcError as error:
            raise to_api_error(error.code().name, error.details() or "") from error
        finally:
            # Nothing to do for a stream that has ended; one that ends just now must not be cancelled.
            call.cancel()
        if failure is not None:
            raise failure


def _request(model: str, prompt: str, sampling: dict[str, Any], stream: bool) -> dict[str, Any]:  # noqa: FBT001
    flags = {"exclude_input_in_output": True, "stream": stream, "return_finish_reason": True}
    flags |= {"return_num_input_tokens": True, "return_num_output_tokens": True}
    return {
        "model_name": model,
        "inputs": [
            _tensor("text_input", [prompt.encode()], "BYTES"),
            _tensor("sampling_parameters", [orjson.dumps(sampling)], "BYTES"),
            *(_tensor(name, [value], "BOOL") for name, value in flags.items()),
        ],
    }


def _tensor(name: str, values: list[Any], datatype: str) -> triton.InferInput:
    array = np.array(values, dtype=np.object_ if datatype == "BYTES" else np.bool_)
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


async def _once(request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    yield request


def _delta(result: Any) -> Delta:  # noqa: ANN401 - tritonclient has no types
    reason = result.as_numpy("finish_reason")[0].decode()
    return Delta(
        text=result.as_numpy("text_output")[0].decode(),
        finish_reason=None if reason == "None" else reason,
        prompt_tokens=int(result.as_numpy("num_input_tokens")[0]),
        completion_tokens=int(result.as_numpy("num_output_tokens")[0]),
    )


def status_of(message: str) -> str:
    """Return the gRPC status that the text of a failure in a stream stands for; the text is all that Triton sends."""
    if parse_invalid_request(message):
        return "INVALID_ARGUMENT"
    if any(words in message for words in _UNAVAILABLE_WORDS):
        return "UNAVAILABLE"
    return "INTERNAL"


def to_api_error(status: str, message: str) -> ApiError:
    """Return the API's error for a gRPC status and its text."""
    match status:
        case "INVALID_ARGUMENT":
            field, text, code = parse_invalid_request(message) or (None, message, None)
            named = f"{field}: {text}" if field and field != "text_input" else text
            return InvalidRequest(named, param=field, code=code)
        case "UNAVAILABLE" if "waiting" in message or "queue size" in message:
            return Overloaded(message, code="overloaded")
        case "UNAVAILABLE" | "NOT_FOUND" | "DEADLINE_EXCEEDED":
            return Unavailable(f"the model does not answer: {message}", code="unavailable")
        case "INTERNAL" if "Stub process" in message:
            # The backend's process has died; Triton's container is about to start anew.
            return Unavailable(f"the model does not answer: {message}", code="unavailable")
        case _:
            return EngineFailed(message)
