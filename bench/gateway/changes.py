"""How soon changes of the gateway are in force, and what requests see of them meanwhile."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.errors import BenchError
from bench.gateway import models
from bench.gateway.client import Answer, ask_until
from bench.gateway.generator import Request, at_rate
from bench.gateway.stand import Stand
from nereid_operator.plan.gateway_ir import Gateway

# Behind those of every model there may be.
_SPARE_ADDRESS = 100_000
_STEADY_PER_SECOND = 200
_STEADY_SECONDS = 5
_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Changes:
    """Seconds of each change, from its value to the first answer; statuses that new models gave before 200."""

    first_config: float
    edits: list[float]
    before_200: set[int]
    endpoints: list[float]
    steady: int
    non_200: int


async def measure(stand: Stand, request: Request, count: int, edits: int, folder: Path) -> tuple[Changes, Gateway]:
    """Bring up the gateway of so many models, add as many as there are edits, and move a replica as often.

    Raises:
        BenchError: Envoy refused something, or a model did not come up.

    """
    present = models.gateway(stand.port, count)
    first_config, _ = await _change(stand, present, models.name(count - 1), _is_ok)
    seconds: list[float] = []
    before: set[int] = set()
    moves: list[float] = []

    async def change() -> Gateway:
        grown = present
        for _ in range(edits):
            grown = models.with_another(grown)
            taken, statuses = await _change(stand, grown, models.name(len(grown.models) - 1), _is_ok)
            seconds.append(taken)
            before.update(statuses)
        for number in range(edits):
            # Never the model that is asked all the time: who asks the old address would see it too.
            moved, to = 1 + number % (count - 1), models.address(_SPARE_ADDRESS + number)
            grown = models.moved(grown, moved, to)
            taken, _ = await _change(stand, grown, models.name(moved), partial(_is_from, to))
            moves.append(taken)
        return grown

    grown, (steady, non_200) = await _while_asked(change, request, folder)
    if stand.refused:
        raise BenchError(f"Envoy refused {stand.refused[0]}")
    return Changes(first_config, seconds, before, moves, steady, non_200), grown


async def _change(
    stand: Stand, gateway: Gateway, model: str, is_last: Callable[[Answer], bool]
) -> tuple[float, set[int]]:
    """Publish, and return the seconds until an answer is the last one, and the statuses before it."""
    asked = asyncio.create_task(asyncio.to_thread(ask_until, stand.port, model, is_last))
    begin = time.monotonic()
    await stand.publish(gateway)
    end, statuses = await asked
    return end - begin, statuses


async def _while_asked(
    change: Callable[[], Awaitable[Gateway]], request: Request, folder: Path
) -> tuple[Gateway, tuple[int, int]]:
    """Return what the change gives, how many requests there were meanwhile, and how many were not answered with 200."""
    changing = asyncio.ensure_future(change())
    total = good = 0
    while not changing.done():
        cell = await asyncio.to_thread(at_rate, request, _STEADY_SECONDS, _CONNECTIONS, _STEADY_PER_SECOND, folder)
        total += sum(cell.statuses.values())
        good += cell.statuses.get(200, 0)
    return await changing, (total, total - good)


def _is_from(address: str, answer: Answer) -> bool:
    return answer.address == address


def _is_ok(answer: Answer) -> bool:
    return answer.status == 200
