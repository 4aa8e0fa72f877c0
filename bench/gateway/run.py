"""The steps of the benchmark: the changes, saturation with few and with many models, latency at half of that."""

import asyncio
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.errors import BenchError
from bench.gateway import changes, generator, models
from bench.gateway.client import PATH, ask_until, body
from bench.gateway.generator import Cell, Request
from bench.gateway.options import Options
from bench.gateway.processes import backend_bootstrap, bare_bootstrap, resident_mib, running
from bench.gateway.results import Pair, Results
from bench.gateway.stand import Stand, standing
from nereid_operator.render.ports import FRONTEND_PORT
from tests.stack.ports import free_port

# What a replica takes; long enough that nothing of it is a matter of scheduling.
_DELAY_SECONDS = 0.005
# A connection has one request at a time: so many connections carry a rate at which answers take twice the delay.
_CONNECTION_SECONDS = 0.02


async def measure(options: Options) -> Results:
    """Run the benchmark.

    Raises:
        BenchError: a program is missing, Envoy refused something, or requests failed.

    """
    generator.prepare()
    with tempfile.TemporaryDirectory(prefix="nereid-bench-", dir=options.folder) as temporary:
        folder = Path(temporary)
        async with standing(folder) as stand:
            return await _measure(stand, options, folder)


async def _measure(stand: Stand, options: Options, folder: Path) -> Results:
    text = folder / "body.json"
    text.write_bytes(body(models.name(0)))
    through = Request(f"http://127.0.0.1:{stand.port}{PATH}", text, stand.pid)
    with running("backend", backend_bootstrap(0), folder):
        changed, present = await changes.measure(stand, through, options.models, options.edits, folder)
        memory = resident_mib(os.getpid()), resident_mib(stand.pid)
        port = free_port()
        with running("bare", bare_bootstrap(port, models.address(0)), folder) as process:
            bare = Request(f"http://127.0.0.1:{port}{PATH}", text, process.pid)
            saturation = await _in_turn(options.rounds, through, bare, lambda at: _saturate(at, options, folder))
            await stand.publish(models.gateway(stand.port, options.many_models))
            await _served(stand, options.many_models)
            many = await _in_turn(options.rounds, through, bare, lambda at: _saturate(at, options, folder))
    half = median(cell.per_second for cell in saturation.gateway) / 2
    with running("slow-backend", backend_bootstrap(_DELAY_SECONDS), folder) as process:
        directly = Request(f"http://{models.address(0)}:{FRONTEND_PORT}{PATH}", text, process.pid)
        await stand.publish(present)
        await _served(stand, options.models)
        latency = await _in_turn(options.rounds, through, directly, lambda at: _at_rate(at, half, options, folder))
    return Results(options.models, options.many_models, saturation, many, latency, changed, *memory)


async def _in_turn(rounds: int, gateway: Request, other: Request, run: Callable[[Request], Cell]) -> Pair:
    """Measure both in turn, in a thread: the control plane goes on in this one."""
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(await asyncio.to_thread(run, other))
        ours.append(await asyncio.to_thread(run, gateway))
    return Pair(ours, theirs)


def _saturate(request: Request, options: Options, folder: Path) -> Cell:
    return generator.saturate(request, options.seconds, options.connections, folder)


def _at_rate(request: Request, per_second: float, options: Options, folder: Path) -> Cell:
    connections = max(options.connections, math.ceil(per_second * _CONNECTION_SECONDS))
    cell = generator.at_rate(request, options.seconds, connections, per_second, folder)
    if set(cell.statuses) != {200}:
        raise BenchError(f"{request.url} answered {dict(cell.statuses)}; all should be 200")
    return cell


async def _served(stand: Stand, count: int) -> None:
    """Wait until the last of so many models is served."""
    await asyncio.to_thread(ask_until, stand.port, models.name(count - 1), lambda answer: answer.status == 200)
