"""One operator after the other over more and more ModelDeployments: rate, memory, edits, silence, restart.

The ModelDeployments and the answers to what their models are stand in the cluster before the operator starts, so that
no resolve Job is needed; from then on everything is the operator's and the controllers' own.
"""

import asyncio
import time

from bench.control.audit import Write, arrival_seconds, counted, edit_delays
from bench.control.operator import Operator
from bench.control.results import Arrival, Edits, Growth, Quiet
from bench.control.scene import Scene, kinds
from bench.control.wait import eventually
from bench.figures import percentile
from tests.cluster.progress import say

NAMESPACE = "models"
TOUCHES_PER_SECOND = 5.0
_START_SECONDS = 300.0


async def idle_kib(scene: Scene) -> int:
    """Return the memory of an operator in a cluster without ModelDeployments."""
    async with scene.operator("idle") as operator:
        await asyncio.sleep(2 * scene.options.silence_seconds)
        return operator.resident_kib()


async def first_size(scene: Scene, size: int) -> tuple[Growth, Edits, Quiet]:
    """Measure everything for the first size."""
    scene.stand.make_namespace(NAMESPACE)
    start = await _load(scene, size, before=0)
    async with scene.operator("first") as operator:
        arrival = await _arrive(scene, operator, start, size, before=0)
        edits = await _edit(scene, size)
        quiet = await _wait_quietly(scene)
    return Growth(arrival, await _restart(scene, size)), edits, quiet


async def next_size(scene: Scene, size: int, *, before: int) -> Growth:
    """Measure rate, memory and restart for one of the other sizes."""
    start = await _load(scene, size, before=before)
    async with scene.operator("growth") as operator:
        arrival = await _arrive(scene, operator, start, size, before=before)
    return Growth(arrival, await _restart(scene, size))


async def _load(scene: Scene, size: int, *, before: int) -> int:
    """Create the new ModelDeployments; return the position of the audit log behind them."""
    await asyncio.to_thread(scene.stand.make_room, size)
    await scene.users.create_models(NAMESPACE, range(before, size))
    return scene.stand.audit.position()


async def _arrive(scene: Scene, operator: Operator, start: int, size: int, *, before: int) -> Arrival:
    """Wait for children, for Ready, and for silence."""
    began, objects = time.monotonic(), (await scene.children(NAMESPACE))[before:]
    await scene.complete(start, objects)
    await scene.ready(NAMESPACE, size)
    ready_seconds = time.monotonic() - began
    await scene.silent()
    writes = scene.writes(start)
    arrival = Arrival(
        size=size,
        added=size - before,
        seconds=arrival_seconds(writes, kinds(objects)),
        ready_seconds=ready_seconds,
        writes=len(writes),
        cpu_seconds=operator.cpu_seconds(),
        resident_kib=operator.resident_kib(),
    )
    say(f"{size}: children after {arrival.seconds:.1f} s, Ready after {ready_seconds:.0f} s; {_list(writes)}")
    return arrival


async def _edit(scene: Scene, size: int) -> Edits:
    """Edit ModelDeployments at a steady rate, and wait until all is as it should be again."""
    options, stand = scene.options, scene.stand
    start, objects = stand.audit.position(), await scene.children(NAMESPACE)
    await scene.users.edit_models(NAMESPACE, options.edits, size=size, per_second=options.edits_per_second)
    await scene.ready(NAMESPACE, size)
    await scene.cleared(NAMESPACE, size)
    await scene.silent()
    edits = stand.audit.writes(start, stand.administrator_user)
    arrived = {edit.name: edit.received for edit in edits if edit.resource == "modeldeployments"}
    writes = [write for write in scene.writes(start) if write.resource in kinds(objects)]
    delays = edit_delays(arrived, writes)
    say(f"{len(delays)} edits: {_list(scene.writes(start))}")
    return Edits(len(delays), percentile(delays, 50), percentile(delays, 99))


async def _wait_quietly(scene: Scene) -> Quiet:
    """Let time pass, with requests flowing, and count what the operator writes."""
    options, start = scene.options, scene.stand.audit.position()
    await scene.users.touch_pods(NAMESPACE, per_second=TOUCHES_PER_SECOND, seconds=options.quiet_seconds)
    writes = scene.writes(start)
    say(f"quiet for {options.quiet_seconds:.0f} s: {_list(writes)}")
    return Quiet(
        seconds=options.quiet_seconds,
        resync_seconds=options.resync_seconds,
        touches=int(TOUCHES_PER_SECOND * options.quiet_seconds),
        writes=len(writes),
    )


async def _restart(scene: Scene, size: int) -> int:
    """Return how much a new operator writes over what is there already."""
    start = scene.stand.audit.position()
    async with scene.operator("restart") as operator:
        await eventually(f"{size} passes", lambda: _has_passed(operator, size), seconds=_START_SECONDS)
        await scene.silent()
    writes = scene.writes(start)
    say(f"restart over {size}: {_list(writes)}")
    return len(writes)


async def _has_passed(operator: Operator, count: int) -> bool:
    return await asyncio.to_thread(operator.passes) >= count


def _list(writes: tuple[Write, ...]) -> str:
    return ", ".join(counted(writes)) or "no writes"
