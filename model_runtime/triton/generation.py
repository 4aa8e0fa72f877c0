"""Triton's Python model for generation, decoupled, with the inputs and outputs of Triton's vLLM backend.

`execute` checks each request and hands it to the engine's scheduler, which answers from its own thread through the
request's response sender: one response per piece of text when `stream` is true, else one in all. A piece's
`num_output_tokens` counts the tokens since the response before. `model.py` of the model repository imports from here.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from model_runtime.engines import llama
from model_runtime.engines.errors import EngineError, InvalidRequestError
from model_runtime.engines.generate import Piece, generate, plan
from model_runtime.engines.sampling import make_generator, parse_sampling_parameters
from model_runtime.engines.scheduler import Scheduler
from model_runtime.engines.tokenizer import load_tokenizer
from model_runtime.triton.failures import to_triton_error
from model_runtime.triton.lifeline import Lifeline
from model_runtime.triton.placing import place
from model_runtime.triton.settings import read_settings
from model_runtime.triton.tensors import read_scalar, read_text, write_texts

log = logging.getLogger(__name__)


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


class TritonPythonModel:
    """Loaded once; `execute` is called by Triton's thread and returns at once."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the weights and generate once; Triton reports the model ready after this."""
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        settings = read_settings(args)
        placement = place(settings)
        self.model = llama.load(settings.weights, placement)
        self.tokenizer = load_tokenizer(settings.weights)
        self._warm_up()
        self.scheduler = Scheduler(max_active=settings.max_active, max_queued=settings.max_queued)
        self.lifeline = Lifeline()
        log.info("%s is loaded: %s on %s", settings.name, placement.dtype, placement.device)

    def execute(self, requests: list[Any]) -> None:
        """Hand each request to the scheduler; a wrong one, or one too many, is answered here."""
        for request in requests:
            sender = request.get_response_sender()
            try:
                self._submit(request, sender)
            except EngineError as error:
                _send_error(sender, error)

    def finalize(self) -> None:
        """Let accepted requests finish."""
        self.scheduler.close()
        self.lifeline.close()

    def _submit(self, request: Any, sender: Any) -> None:  # noqa: ANN401 - Triton's module has no types
        inputs = read_inputs(request)
        prompt = self.tokenizer.encode(inputs.text)
        sampling = parse_sampling_parameters(inputs.sampling_parameters)
        generation = plan(prompt, sampling, self.model.config.context)
        pieces = generate(self.model, self.tokenizer, generation, make_generator(sampling.seed))
        self.scheduler.submit(pieces, ResponseSink(sender, inputs, len(prompt)))

    def _warm_up(self) -> None:
        generation = plan(self.tokenizer.encode("warm up"), parse_sampling_parameters('{"max_tokens": 2}'), 64)
        for _ in generate(self.model, self.tokenizer, generation, make_generator(0)):
            continue


class ResponseSink:
    """Turns the pieces of one generation into Triton's responses."""

    def __init__(self, sender: Any, inputs: Inputs, prompt_tokens: int) -> None:  # noqa: ANN401
        self._sender = sender
        self._inputs = inputs
        self._prompt_tokens = prompt_tokens
        self._text = inputs.text if inputs.echo else ""
        self._tokens = 0

    def is_cancelled(self) -> bool:
        """Say whether the client has cancelled the request or hung up."""
        return bool(self._sender.is_cancelled())

    def send(self, piece: Piece) -> None:
        """Send the piece, or keep it until the end of the request or the next whole character."""
        self._text += piece.text
        self._tokens += piece.tokens
        if piece.finish_reason is None and not (self._inputs.stream and self._text):
            return
        final = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL if piece.finish_reason else 0
        self._sender.send(self._response(piece), flags=final)
        self._text, self._tokens = "", 0

    def fail(self, error: Exception) -> None:
        """End the request with an error."""
        _send_error(self._sender, error)

    def _response(self, piece: Piece) -> Any:  # noqa: ANN401 - Triton's module has no types
        outputs = [pb_utils.Tensor("text_output", write_texts(self._text))]
        if self._inputs.return_finish_reason:
            # vLLM's backend writes "None" while the text goes on.
            outputs.append(pb_utils.Tensor("finish_reason", write_texts(str(piece.finish_reason))))
        if self._inputs.return_num_input_tokens:
            outputs.append(pb_utils.Tensor("num_input_tokens", np.array([self._prompt_tokens], dtype=np.uint32)))
        if self._inputs.return_num_output_tokens:
            outputs.append(pb_utils.Tensor("num_output_tokens", np.array([self._tokens], dtype=np.uint32)))
        return pb_utils.InferenceResponse(output_tensors=outputs)


def read_inputs(request: Any) -> Inputs:  # noqa: ANN401 - Triton's module has no types
    """Read the tensors of a request; the defaults of the optional ones are the vLLM backend's."""

    def scalar(name: str) -> Any:  # noqa: ANN401 - of the tensor's type
        tensor = pb_utils.get_input_tensor_by_name(request, name)
        return read_scalar(tensor.as_numpy() if tensor is not None else None, name)

    stream, exclude = bool(scalar("stream")), scalar("exclude_input_in_output")
    if stream and exclude is not None and not exclude:
        raise InvalidRequestError("exclude_input_in_output", "false with stream; expected true, or no stream")
    sampling = scalar("sampling_parameters")
    return Inputs(
        text=read_text(scalar("text_input"), "text_input"),
        sampling_parameters=read_text(sampling, "sampling_parameters") if sampling is not None else "",
        stream=stream,
        echo=not stream and not exclude,
        return_finish_reason=bool(scalar("return_finish_reason")),
        return_num_input_tokens=bool(scalar("return_num_input_tokens")),
        return_num_output_tokens=bool(scalar("return_num_output_tokens")),
    )


def _send_error(sender: Any, error: Exception) -> None:  # noqa: ANN401 - Triton's module has no types
    response = pb_utils.InferenceResponse(output_tensors=[], error=to_triton_error(error))
    sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
