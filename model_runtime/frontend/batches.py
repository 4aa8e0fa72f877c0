"""The texts of one request, each a request of its own to Triton, whose dynamic batcher puts them together again.

Called by `embeddings` and `classification`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from model_runtime.frontend.errors import DeadlineExceeded

# Enough to fill Triton's batches, few enough to leave room in its queue for other clients.
MAX_IN_FLIGHT = 16

Result = TypeVar("Result")


async def ask_all(
    ask: Callable[[str], Awaitable[Result]], texts: Sequence[str], timeout_seconds: float | None
) -> list[Result]:
    """Ask for all texts, a bounded number at a time; the first failure cancels the rest, and so does the deadline."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _ask_all(ask, texts)
    except TimeoutError as error:
        message = f"{len(texts)} texts took longer than the request may, {timeout_seconds:g} s"
        raise DeadlineExceeded(message, code="timeout") from error


async def _ask_all(ask: Callable[[str], Awaitable[Result]], texts: Sequence[str]) -> list[Result]:
    slots = asyncio.Semaphore(MAX_IN_FLIGHT)

    async def ask_one(text: str) -> Result:
        async with slots:
            return await ask(text)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask_one(text)) for text in texts]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]
