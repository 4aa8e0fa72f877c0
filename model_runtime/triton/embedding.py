"""Triton's Python model for embeddings: `text_input` [batch, 1] -> `embedding` [batch, H], `num_input_tokens`.

Triton's dynamic batcher hands over several requests at once; all their texts run in one pass, and a request with a
wrong text fails alone. `model.py` of the model repository imports `TritonPythonModel` from here.
"""

import logging
from itertools import islice
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from model_runtime.engines import bert
from model_runtime.engines.errors import ContextLengthError, EngineError
from model_runtime.engines.tokenizer import Tokenizer, load_tokenizer
from model_runtime.triton.failures import to_triton_error
from model_runtime.triton.lifeline import Lifeline
from model_runtime.triton.placing import place
from model_runtime.triton.settings import read_settings
from model_runtime.triton.tensors import Array, read_text

log = logging.getLogger(__name__)


class TritonPythonModel:
    """Loaded once per instance; `execute` is called by Triton's thread."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the weights and run them once; Triton reports the model ready after this."""
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        settings = read_settings(args)
        placement = place(settings)
        self.model = bert.load(settings.weights, placement)
        self.tokenizer = load_tokenizer(settings.weights)
        bert.embed(self.model, [self.tokenizer.encode("warm up")])
        self.lifeline = Lifeline()
        log.info("%s is loaded: %s on %s", settings.name, placement.dtype, placement.device)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer a batch of requests, one response each, in order."""
        read = [_read_request(self.tokenizer, self.model.context, request) for request in requests]
        texts = [tokens for request in read if not isinstance(request, EngineError) for tokens in request]
        vectors = iter(bert.embed(self.model, texts).numpy() if texts else ())
        return [
            pb_utils.InferenceResponse(error=to_triton_error(request))
            if isinstance(request, EngineError)
            else _response(request, np.stack(list(islice(vectors, len(request)))))
            for request in read
        ]

    def finalize(self) -> None:
        """Let Triton end in peace."""
        self.lifeline.close()


def _read_request(tokenizer: Tokenizer, context: int, request: Any) -> list[list[int]] | EngineError:  # noqa: ANN401
    """Return the tokens of each text of a request, or what is wrong with it."""
    array = pb_utils.get_input_tensor_by_name(request, "text_input").as_numpy()
    try:
        return [_read_tokens(tokenizer, context, value) for value in array.reshape(-1)]
    except EngineError as error:
        return error


def _read_tokens(tokenizer: Tokenizer, context: int, value: object) -> list[int]:
    tokens = tokenizer.encode(read_text(value, "text_input"))
    if len(tokens) > context:
        raise ContextLengthError("text_input", f"the text has {len(tokens)} tokens; the model's context is {context}")
    return tokens


def _response(texts: list[list[int]], vectors: Array) -> Any:  # noqa: ANN401 - Triton's module has no types
    counts = np.array([[len(tokens)] for tokens in texts], dtype=np.int32)
    return pb_utils.InferenceResponse(
        output_tensors=[pb_utils.Tensor("embedding", vectors), pb_utils.Tensor("num_input_tokens", counts)]
    )
