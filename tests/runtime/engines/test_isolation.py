"""One request that takes too much memory fails alone; the others of its batch are answered."""

from collections.abc import Callable, Sequence

import pytest
import torch

from model_runtime.engines.errors import MemoryExceededError
from model_runtime.engines.isolation import run_isolated


def torch_on_the_cpu() -> None:
    torch.empty(1 << 60, dtype=torch.uint8)


def torch_on_a_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def python() -> None:
    raise MemoryError


@pytest.mark.parametrize("exhaust", [torch_on_the_cpu, torch_on_a_gpu, python])
def test_only_the_one_that_takes_too_much_fails(exhaust: Callable[[], None]) -> None:
    batches: list[list[int]] = []

    def double(requests: Sequence[int]) -> list[int]:
        batches.append(list(requests))
        if 13 in requests:
            exhaust()
        return [2 * request for request in requests]

    first, second, third, fourth = run_isolated([1, 13, 2, 3], double)
    assert (first, third, fourth) == (2, 4, 6)
    assert isinstance(second, MemoryExceededError)
    assert batches == [[1, 13, 2, 3], [1], [13], [2], [3]]


def test_together_too_much_and_alone_not() -> None:
    def double(requests: Sequence[int]) -> list[int]:
        if len(requests) > 1:
            python()
        return [2 * request for request in requests]

    assert run_isolated([1, 2, 3], double) == [2, 4, 6]


def test_nothing_runs_for_nobody() -> None:
    assert run_isolated([], lambda _: pytest.fail("it ran")) == []


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("x")])
def test_any_other_error_is_a_defect_and_is_raised(error: Exception) -> None:
    def fail(_: Sequence[int]) -> list[int]:
        raise error

    with pytest.raises(type(error)):
        run_isolated([1, 2], fail)
