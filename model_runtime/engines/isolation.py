"""One request that takes too much memory fails alone: the others of its batch, and the process, live on.

A batch that does not fit is run again request by request. Used by Triton's models that answer a whole batch at once.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from model_runtime.engines.errors import MemoryExceededError

T = TypeVar("T")
R = TypeVar("R")
# What torch's allocator for the CPU says; CUDA's has an exception of its own.
_SAYS = ("can't allocate memory", "not enough memory", "Cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether the error says that memory did not suffice."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _SAYS)


def run_isolated(requests: Sequence[T], run: Callable[[Sequence[T]], Sequence[R]]) -> list[R | MemoryExceededError]:
    """Return what `run` answers to each request, or that the memory does not suffice for this one.

    Any other error of `run` is raised.
    """
    if not requests:
        return []
    if (answers := _try(requests, run)) is not None:
        return list(answers)
    if len(requests) == 1:
        return [MemoryExceededError("the memory does not suffice for this request: send less at a time")]
    return [answer for request in requests for answer in run_isolated([request], run)]


def _try(requests: Sequence[T], run: Callable[[Sequence[T]], Sequence[R]]) -> Sequence[R] | None:
    """Return the answers, or None where memory did not suffice; what the failed run held is free again then."""
    try:
        return run(requests)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    torch.cuda.empty_cache()
    return None
