"""Requests for generations and their answers as Triton's tensors, those of its vLLM backend. Used by `generation`.

A piece's `num_output_tokens` counts the tokens since the response before, and `logprobs` has an entry for each of them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from model_runtime.engines.errors import InvalidRequestError
from model_runtime.engines.generate import Piece, TokenLogprob
from model_runtime.farewell import CANCEL_PARAMETER
from model_runtime.triton.failures import to_triton_error
from model_runtime.triton.outlet import WatchedSender
from model_runtime.triton.tensors import read_scalar, read_text, write_texts


@dataclass(frozen=True, slots=True)
class Inputs:
    """The tensors of one request as values."""

    text: str
    sampling_parameters: str
    stream: bool
    echo: bool  # the prompt comes back before the text
    return_finish_reason: bool
    return_num_input_tokens: bool
    return_num_output_tokens: bool
    return_cumulative_logprob: bool
    return_logprobs: bool


class ResponseSink:
    """Turns the pieces of one generation into Triton's responses."""

    def __init__(self, sender: WatchedSender, inputs: Inputs, prompt_tokens: int, decode: Callable[[int], str]) -> None:
        self._sender = sender
        self._inputs = inputs
        self._prompt_tokens = prompt_tokens
        self._decode = decode
        self._text = inputs.text if inputs.echo else ""
        self._tokens = 0
        self._logprobs: list[tuple[TokenLogprob, ...]] = []
        self._cumulative = 0.0
        self._left = False

    def leave(self) -> None:
        """Take note that the client has said it will read no more; called by Triton's thread."""
        self._left = True

    def is_cancelled(self) -> bool:
        """Say whether the client has left, cancelled the request or hung up."""
        return self._left or self._sender.is_cancelled()

    def send(self, piece: Piece) -> None:
        """Send the piece, or keep it until the end of the request or the next whole character."""
        self._text += piece.text
        self._tokens += piece.tokens
        if piece.logprobs:
            self._logprobs.append(piece.logprobs)
            self._cumulative += piece.logprobs[0].logprob
        if piece.finish_reason is None and not (self._inputs.stream and self._text):
            return
        final = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL if piece.finish_reason else 0
        self._sender.send(self._response(piece), flags=final)
        self._text, self._tokens, self._logprobs = "", 0, []

    def fail(self, error: Exception) -> None:
        """End the request with an error."""
        send_error(self._sender, error)

    def _response(self, piece: Piece) -> Any:  # noqa: ANN401 - Triton's module has no types
        outputs = [pb_utils.Tensor("text_output", write_texts(self._text))]
        if self._inputs.return_finish_reason:
            # vLLM's backend writes "None" while the text goes on.
            outputs.append(pb_utils.Tensor("finish_reason", write_texts(str(piece.finish_reason))))
        if self._inputs.return_num_input_tokens:
            outputs.append(pb_utils.Tensor("num_input_tokens", np.array([self._prompt_tokens], dtype=np.uint32)))
        if self._inputs.return_num_output_tokens:
            outputs.append(pb_utils.Tensor("num_output_tokens", np.array([self._tokens], dtype=np.uint32)))
        if self._inputs.return_cumulative_logprob:
            outputs.append(pb_utils.Tensor("cumulative_logprob", np.array([self._cumulative], dtype=np.float32)))
        if self._inputs.return_logprobs:
            listed = [self._described(one) for one in self._logprobs]
            outputs.append(pb_utils.Tensor("logprobs", write_texts(json.dumps(listed))))
        return pb_utils.InferenceResponse(output_tensors=outputs)

    def _described(self, candidates: tuple[TokenLogprob, ...]) -> dict[str, dict[str, Any]]:
        return {
            str(one.token): {"logprob": one.logprob, "rank": one.rank, "decoded_token": self._decode(one.token)}
            for one in candidates
        }


def farewell(request: Any) -> str | None:  # noqa: ANN401 - Triton's module has no types
    """Return the id of the request that this one ends, None for one that wants an answer of its own."""
    left = json.loads(request.parameters() or "{}").get(CANCEL_PARAMETER)
    return None if left is None else str(left)


def read_inputs(request: Any) -> Inputs:  # noqa: ANN401 - Triton's module has no types
    """Read the tensors of a request; the defaults of the optional ones are the vLLM backend's."""

    def scalar(name: str) -> Any:  # noqa: ANN401 - of the tensor's type
        tensor = pb_utils.get_input_tensor_by_name(request, name)
        return read_scalar(tensor.as_numpy() if tensor is not None else None, name)

    stream, exclude = bool(scalar("stream")), scalar("exclude_input_in_output")
    if stream and exclude is not None and not exclude:
        raise InvalidRequestError("exclude_input_in_output", "false with stream; expected true, or no stream")
    sampling = scalar("sampling_parameters")
    flags = ("finish_reason", "num_input_tokens", "num_output_tokens", "cumulative_logprob", "logprobs")
    return Inputs(
        text=read_text(scalar("text_input"), "text_input"),
        sampling_parameters=read_text(sampling, "sampling_parameters") if sampling is not None else "",
        stream=stream,
        echo=not stream and not exclude,
        **{f"return_{name}": bool(scalar(f"return_{name}")) for name in flags},
    )


def send_nothing(sender: WatchedSender) -> None:
    """End a request that gets no answer."""
    sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


def send_error(sender: WatchedSender, error: Exception) -> None:
    """Answer a request with an error, which ends it."""
    response = pb_utils.InferenceResponse(output_tensors=[], error=to_triton_error(error))
    sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
