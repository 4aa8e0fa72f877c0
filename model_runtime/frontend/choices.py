"""One or several generations for one request, and what they cost; shared by chat and text completions.

`plan_choices` is pure. `run` asks Triton for all choices at once and waits; `run_stream` asks for all at once too and
yields their pieces as they come: each says which choice it belongs to.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from model_runtime.frontend.errors import InvalidRequest
from model_runtime.frontend.triton_client import Delta, Generation, TritonClient

# A request asks for no more than the engine could take at once: more could never be served, however often it came.
MAX_GENERATIONS = 64


@dataclass(frozen=True, slots=True)
class Choice:
    """One generation to run: `index` is its place in the answer."""

    index: int
    generation: Generation


@dataclass(slots=True)
class Usage:
    """Token counts of a request, added up while it runs; a prompt counts once, however many choices it has."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def as_json(self) -> dict[str, int]:
        """Return OpenAI's `usage` object."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


def plan_choices(
    prompts: Sequence[str],
    per_prompt: int,
    sampling: Mapping[str, Any],
    *,
    seed: int | None,
    stream: bool,
    timeout_seconds: float | None,
) -> list[Choice]:
    """Return `per_prompt` choices for each prompt; with a seed each gets its own, so that they differ but repeat.

    Raises:
        InvalidRequest: more choices than the engine could take at once.

    """
    count = len(prompts) * per_prompt
    if count > MAX_GENERATIONS:
        message = f"n: {per_prompt} for each of {len(prompts)} prompts; expected at most {MAX_GENERATIONS} in all"
        raise InvalidRequest(message, param="n")
    return [
        Choice(index, Generation(prompts[index // per_prompt], _seeded(sampling, seed, index), stream, timeout_seconds))
        for index in range(count)
    ]


def _seeded(sampling: Mapping[str, Any], seed: int | None, index: int) -> dict[str, Any]:
    return {**sampling} if seed is None else {**sampling, "seed": seed + index}


async def run(triton: TritonClient, choices: Sequence[Choice]) -> list[Delta]:
    """Run all choices to their end; the first failure cancels the rest."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_run_one(triton, choice)) for choice in choices]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]


async def _run_one(triton: TritonClient, choice: Choice) -> Delta:
    """Return the one response; the stream is read to its end, since cancelling one that ends can crash Triton."""
    async with aclosing(triton.generate(choice.generation)) as deltas:
        (delta,) = [delta async for delta in deltas]
        return delta


async def run_stream(triton: TritonClient, choices: Sequence[Choice]) -> AsyncGenerator[tuple[int, Delta]]:
    """Yield the pieces of all choices with their index, as they come; the first failure cancels the rest.

    A choice waits with its next piece until the one before is taken: a client that reads slowly slows the engine's
    streams down, and costs no memory.
    """
    pieces: asyncio.Queue[tuple[int, Delta] | Exception | None] = asyncio.Queue(maxsize=1)

    async def forward(choice: Choice) -> None:
        async with aclosing(triton.generate(choice.generation)) as deltas:
            async for delta in deltas:
                await pieces.put((choice.index, delta))

    async def forward_all() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for choice in choices:
                    group.create_task(forward(choice))
        except ExceptionGroup as failures:
            await pieces.put(failures.exceptions[0])
        else:
            await pieces.put(None)

    running = asyncio.create_task(forward_all())
    try:
        while (piece := await pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def count_usage(deltas: Sequence[Delta], per_prompt: int) -> Usage:
    """Return the token counts of a request whose choices have all ended."""
    return Usage(
        prompt_tokens=sum(delta.prompt_tokens for delta in deltas[::per_prompt]),
        completion_tokens=sum(delta.completion_tokens for delta in deltas),
    )
