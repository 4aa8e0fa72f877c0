"""One or several generations for one request, and what they cost; shared by chat and text completions.

`plan_choices` is pure; `run` asks Triton for all choices at once and waits, `run_stream` yields them one after the
other, as the API allows: each piece says which choice it belongs to.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from model_runtime.frontend.schema import GenerationBody
from model_runtime.frontend.triton_client import Delta, TritonClient


@dataclass(frozen=True, slots=True)
class Choice:
    """One generation to run: `index` is its place in the answer."""

    index: int
    prompt: str
    sampling: dict[str, Any]


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


def plan_choices(prompts: Sequence[str], body: GenerationBody, length: Mapping[str, int | None]) -> list[Choice]:
    """Return `n` choices for each prompt; with a seed each choice gets its own, so that they differ but repeat.

    `length` has `max_tokens`, where None goes on until the context is full, or nothing, for the engine's default.
    """
    per_prompt = body.n or 1
    return [
        Choice(index=index, prompt=prompts[index // per_prompt], sampling=_sampling(body, length, index))
        for index in range(len(prompts) * per_prompt)
    ]


def _sampling(body: GenerationBody, length: Mapping[str, int | None], index: int) -> dict[str, Any]:
    """Return the `sampling_parameters` of Triton's model; what the client left out has the engine's default."""
    given = {"temperature": body.temperature, "top_p": body.top_p, "top_k": body.top_k, "stop": body.stop}
    if body.seed is not None:
        given["seed"] = body.seed + index
    return {**length} | {name: value for name, value in given.items() if value is not None}


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
    async with aclosing(triton.generate(choice.prompt, choice.sampling, stream=False)) as deltas:
        (delta,) = [delta async for delta in deltas]
        return delta


async def run_stream(triton: TritonClient, choices: Sequence[Choice]) -> AsyncGenerator[tuple[int, Delta]]:
    """Yield the pieces of all choices with their index, choice by choice."""
    for choice in choices:
        async with aclosing(triton.generate(choice.prompt, choice.sampling, stream=True)) as deltas:
            async for delta in deltas:
                yield choice.index, delta


def count_usage(deltas: Sequence[Delta], per_prompt: int) -> Usage:
    """Return the token counts of a request whose choices have all ended."""
    return Usage(
        prompt_tokens=sum(delta.prompt_tokens for delta in deltas[::per_prompt]),
        completion_tokens=sum(delta.completion_tokens for delta in deltas),
    )
