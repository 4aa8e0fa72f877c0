"""The frontend's side of Triton: requests as tensors, answers as values, failures as API errors.

The only module that opens sockets to Triton's gRPC port. Closing the iterator of `generate` ends the generation.
No call of inference is ever cut while Triton works on it: docs/decisions/0004.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Coroutine
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import orjson
from tritonclient.grpc import aio as triton
from tritonclient.utils import InferenceServerException

from model_runtime.farewell import CANCEL_PARAMETER
from model_runtime.frontend.errors import ApiError
from model_runtime.frontend.logprobs import Position, read_logprobs
from model_runtime.frontend.readiness import LoadedModel
from model_runtime.frontend.triton_errors import status_of, to_api_error
from model_runtime.frontend.triton_stream import Request, TritonStream

# Triton's container starts anew in seconds; by default the channel would look for it only every two minutes then.
_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", triton.MAX_GRPC_MESSAGE_SIZE),
    ("grpc.max_receive_message_length", triton.MAX_GRPC_MESSAGE_SIZE),
    ("grpc.max_reconnect_backoff_ms", 2000),
)

# How long after a request's deadline the engine may still say so itself.
_LATE_SECONDS = 2.0
# How long what nobody waits for any more may go on when the client is closed.
_CLOSE_SECONDS = 5.0
_VLLM = "vllm"
_DIGEST_PARAMETER = "digest"

Floats = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Generation:
    """One text to continue. `timeout_seconds` is the client's own deadline, counted from when it is sent."""

    prompt: str
    sampling: dict[str, Any]
    stream: bool  # in pieces, else one response in all
    timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """One response of a generation; token counts are those of this response, and so are the logprobs."""

    text: str
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    logprobs: tuple[Position, ...] = ()


@dataclass(frozen=True, slots=True)
class Embedding:
    """The vector of a text, and how many tokens the text had."""

    vector: Floats
    tokens: int


@dataclass(frozen=True, slots=True)
class Classification:
    """The probability of each label for a text, the name of the likeliest, and how many tokens the text had."""

    probabilities: Floats
    label: str
    tokens: int


class TritonClient:
    """One model behind one gRPC channel."""

    def __init__(self, address: str, model: str) -> None:
        self._client = triton.InferenceServerClient(address, channel_args=_CHANNEL_OPTIONS)
        self._model = model
        self._backend = ""  # until Triton has said what it has loaded, before which no request comes
        self._unread: set[asyncio.Future[Any]] = set()

    async def close(self) -> None:
        """Close the channel, what nobody waits for any more a moment later."""
        if self._unread:
            await asyncio.wait(self._unread, timeout=_CLOSE_SECONDS)
        await self._client.close()

    async def loaded_model(self, timeout_seconds: float) -> LoadedModel | None:
        """Return what Triton has loaded under the model's name, None if nothing; ApiError when it does not answer."""
        try:
            async with asyncio.timeout(timeout_seconds):
                if not await self._client.is_model_ready(self._model):
                    return None
                answer = await self._client.get_model_config(self._model)
        except InferenceServerException as error:
            raise _failure(error) from error
        except TimeoutError as error:
            raise to_api_error("UNAVAILABLE", f"silent for {timeout_seconds:g} s") from error
        self._backend, parameters = answer.config.backend, answer.config.parameters
        return LoadedModel(parameters[_DIGEST_PARAMETER].string_value if _DIGEST_PARAMETER in parameters else None)

    async def embed(self, text: str, timeout_seconds: float | None) -> Embedding:
        """Return the embedding of one text; Triton's dynamic batcher puts concurrent ones together.

        The timeout tells Triton how long the text may wait in its queue.
        """
        result = await self._infer(text, timeout_seconds)
        return Embedding(vector=result.as_numpy("embedding")[0], tokens=_count(result))

    async def classify(self, text: str, timeout_seconds: float | None) -> Classification:
        """Return how likely each label is for one text, batched in the same way."""
        result = await self._infer(text, timeout_seconds)
        return Classification(
            probabilities=result.as_numpy("probabilities")[0],
            label=result.as_numpy("label").reshape(-1)[0].decode(),
            tokens=_count(result),
        )

    async def _infer(self, text: str, timeout_seconds: float | None) -> Any:  # noqa: ANN401 - tritonclient has no types
        tensor = _tensor("text_input", [[text.encode()]], "BYTES")
        call = self._client.infer(self._model, [tensor], timeout=_microseconds(timeout_seconds))
        try:
            return await asyncio.shield(self._keep(call))
        except InferenceServerException as error:
            raise _failure(error) from error

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta]:
        """Yield the responses of a generation: pieces of text, or one response in all."""
        # Without Triton's option `triton_grpc_error`: a stream that ends by a status code can crash the server.
        request = _request(self._model, generation)
        stream = TritonStream(self._client.stream_infer, request, self._farewell(request))
        deadline = _deadline(generation.timeout_seconds)
        failure, ended = None, False
        try:
            while (answer := await stream.receive(deadline)) is not None:
                result, error = answer
                if error is not None:
                    failure = failure or to_api_error(status_of(error.message()), error.message())
                    stream.finish()
                    continue
                delta = _delta(result)
                if delta.finish_reason is not None:
                    stream.finish()
                yield delta
            ended = True
        except grpc.aio.AioRpcError as error:
            raise to_api_error(error.code().name, error.details() or "") from error
        except TimeoutError as error:
            raise to_api_error("DEADLINE_EXCEEDED", f"nothing after {generation.timeout_seconds:g} s") from error
        finally:
            stream.finish() if ended else self._keep(stream.leave())
        if failure is not None:
            raise failure

    def _keep(self, call: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        """Let a call run to its end, whether or not somebody waits for it."""
        task = asyncio.ensure_future(call)
        self._unread.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Future[Any]) -> None:
        self._unread.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits is told; for nobody it is no event worth a line

    def _farewell(self, request: Request) -> Request | None:
        """Return what ends the generation of a request; None where cancelling the call is the only way."""
        if self._backend == _VLLM:
            return None
        return {
            "model_name": self._model,
            "inputs": [_tensor("text_input", [b""], "BYTES")],
            "parameters": {CANCEL_PARAMETER: request["request_id"]},
        }


def _deadline(seconds: float | None) -> float | None:
    """Return until when, by the loop's clock, a stream is read that has so long to live."""
    return None if seconds is None else asyncio.get_running_loop().time() + seconds + _LATE_SECONDS


def _failure(error: InferenceServerException) -> ApiError:
    return to_api_error(str(error.status()).removeprefix("StatusCode."), str(error.message()))


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1_000_000)


def _request(model: str, generation: Generation) -> dict[str, Any]:
    flags = {"exclude_input_in_output": True, "stream": generation.stream, "return_finish_reason": True}
    flags |= {"return_num_input_tokens": True, "return_num_output_tokens": True}
    if "logprobs" in generation.sampling:
        flags["return_logprobs"] = True
    return {
        "model_name": model,
        "request_id": str(uuid.uuid4()),  # nobody else can guess it, and so end what is not theirs
        "inputs": [
            _tensor("text_input", [generation.prompt.encode()], "BYTES"),
            _tensor("sampling_parameters", [orjson.dumps(generation.sampling)], "BYTES"),
            *(_tensor(name, [value], "BOOL") for name, value in flags.items()),
        ],
        "timeout": _microseconds(generation.timeout_seconds),
    }


def _tensor(name: str, values: list[Any], datatype: str) -> triton.InferInput:
    array = np.array(values, dtype=np.object_ if datatype == "BYTES" else np.bool_)
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


def _delta(result: Any) -> Delta:  # noqa: ANN401 - tritonclient has no types
    reason = result.as_numpy("finish_reason")[0].decode()
    logprobs = result.as_numpy("logprobs")
    return Delta(
        text=result.as_numpy("text_output")[0].decode(),
        finish_reason=None if reason == "None" else reason,
        prompt_tokens=int(result.as_numpy("num_input_tokens")[0]),
        completion_tokens=int(result.as_numpy("num_output_tokens")[0]),
        logprobs=read_logprobs(logprobs[0]) if logprobs is not None and logprobs.size else (),
    )


def _count(result: Any) -> int:  # noqa: ANN401 - tritonclient has no types
    return int(result.as_numpy("num_input_tokens").reshape(-1)[0])
