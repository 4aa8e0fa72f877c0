"""Answers a batch of requests, each by itself: what is wrong with one, or too much for the memory, is its own affair.

Triton's dynamic batcher hands over several requests at once, and they run in one pass. Used by the models that answer a
request once; generation has its scheduler.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import triton_python_backend_utils as pb_utils

from model_runtime.engines.errors import ContextLengthError, EngineError
from model_runtime.engines.isolation import run_isolated
from model_runtime.engines.tokenizer import Tokenizer
from model_runtime.triton.failures import to_triton_error
from model_runtime.triton.tensors import Array, read_text

T = TypeVar("T")
R = TypeVar("R")
Texts = list[list[int]]


def answer(
    requests: Sequence[Any],
    read: Callable[[Any], T],
    run: Callable[[Sequence[T]], Sequence[R]],
    respond: Callable[[T, R], list[Any]],
) -> list[Any]:
    """Return a response to each request, in order.

    `read` makes a value of a request or raises EngineError; `run` answers several values at once, one answer each;
    `respond` makes the output tensors of a value and its answer.
    """
    values = [_read(read, request) for request in requests]
    answers = iter(run_isolated([value for value in values if not isinstance(value, EngineError)], run))
    return [
        _failure(value) if isinstance(value, EngineError) else _response(value, next(answers), respond)
        for value in values
    ]


def _read(read: Callable[[Any], T], request: Any) -> T | EngineError:  # noqa: ANN401 - Triton's module has no types
    try:
        return read(request)
    except EngineError as error:
        return error


def _response(value: T, result: R | EngineError, respond: Callable[[T, R], list[Any]]) -> Any:  # noqa: ANN401
    if isinstance(result, EngineError):
        return _failure(result)
    return pb_utils.InferenceResponse(output_tensors=respond(value, result))


def _failure(error: EngineError) -> Any:  # noqa: ANN401
    return pb_utils.InferenceResponse(error=to_triton_error(error))


def split(rows: Array, counts: Sequence[int]) -> list[Array]:
    """Return the rows of each request, given how many each has."""
    return np.split(rows, np.cumsum(counts)[:-1])


def read_texts(tokenizer: Tokenizer, context: int, request: Any) -> Texts:  # noqa: ANN401
    """Return the tokens of each text of a request; raises InvalidRequestError for one that is none or too long."""
    array = pb_utils.get_input_tensor_by_name(request, "text_input").as_numpy()
    return [_read_tokens(tokenizer, context, value) for value in array.reshape(-1)]


def _read_tokens(tokenizer: Tokenizer, context: int, value: object) -> list[int]:
    tokens = tokenizer.encode(read_text(value, "text_input"))
    if len(tokens) > context:
        raise ContextLengthError("text_input", f"the text has {len(tokens)} tokens; the model's context is {context}")
    return tokens


def token_counts(texts: Texts) -> Any:  # noqa: ANN401
    """Return the output `num_input_tokens`, [batch, 1]."""
    return pb_utils.Tensor("num_input_tokens", np.array([[len(tokens)] for tokens in texts], dtype=np.int32))
