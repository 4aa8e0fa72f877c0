"""Requests that are left in the middle, before a Triton whose answers take their time: it goes on answering.

A call that is cut while an answer is on its way can stop Triton's streams for good, or its process. Triton's own delay
makes that moment as long as it is on a machine that has no processor to spare.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pytest

from model_runtime.frontend.triton_client import Generation, TritonClient
from model_runtime.verify import Task
from tests.runtime.conftest import serving_of, triton_with
from tests.runtime.triton.generating import metric
from tests.stack.wait import wait_for

CLIENTS = 8
REQUESTS = 60  # of each client
MOMENT_MILLISECONDS = "2"
LONGEST_STAY_SECONDS = 0.15
SAMPLING = {"temperature": 0, "ignore_eos": True}

Ask = Callable[[TritonClient, random.Random], Coroutine[Any, Any, None]]


async def read_some(client: TritonClient, chance: random.Random) -> None:
    """Leave after some pieces, of which one may be the last."""
    sampling = SAMPLING | {"max_tokens": chance.choice([1, 2, 3, 4000])}
    async with aclosing(client.generate(Generation("Once", sampling, stream=True))) as deltas:
        left = chance.randint(1, 3)
        async for _ in deltas:
            left -= 1
            if not left:
                break


async def give_up(client: TritonClient, chance: random.Random) -> None:
    """Leave at any time, as a handler does that is cancelled because its client has hung up."""
    sampling = SAMPLING | {"max_tokens": chance.choice([1, 2, 3, 4000])}

    async def read() -> None:
        async with aclosing(client.generate(Generation("Once", sampling, stream=True))) as deltas:
            async for _ in deltas:
                pass

    with suppress(TimeoutError):
        await asyncio.wait_for(read(), chance.random() * LONGEST_STAY_SECONDS)


@pytest.mark.parametrize("ask", [read_some, give_up])
async def test_triton_survives_whoever_leaves(
    smollm2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    monkeypatch.setenv("TRITONSERVER_DELAY_GRPC_RESPONSE", MOMENT_MILLISECONDS)

    async def one_client(number: int) -> None:
        client, chance = TritonClient(triton.grpc, "smollm2"), random.Random(number)  # noqa: S311 - when to leave
        for _ in range(REQUESTS):
            await ask(client, chance)
        await client.close()

    with triton_with([serving_of("smollm2", Task.CHAT, smollm2)], tmp_path) as triton:
        async with asyncio.timeout(120):
            await asyncio.gather(*(one_client(number) for number in range(CLIENTS)))
        await asyncio.to_thread(
            wait_for, "all ended", lambda: metric(triton, "nereid_engine_requests_running") == 0, seconds=30
        )
        assert metric(triton, "nereid_engine_cancelled_total") > REQUESTS
        assert triton.process.poll() is None
        assert "HandleCancellation called even when" not in triton.log.read_text()
