"""The operator dies between any two of its writes, and the next one ends with what an undisturbed one makes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

import pytest

from nereid_operator.api.resources import MODEL_DEPLOYMENT
from tests.faults.apiserver import ApiServer, Object
from tests.faults.conftest import MakeStand
from tests.faults.proxy import Answer, Asked, CutError, Fault
from tests.faults.stand import Stand
from tests.faults.state import assert_same, state_of
from tests.stack.operators import Process

pytestmark = pytest.mark.e2e

SIDE_BY_SIDE = 6


class When(StrEnum):
    """When it dies: with the write not sent, or sent and not answered."""

    BEFORE = "before"
    AFTER = "after"


@dataclass
class Killer:
    """Kills the operator at a write; `met` tells whether there was such a write."""

    at: int
    when: When
    process: Process | None = None
    met: asyncio.Event = field(default_factory=asyncio.Event)
    _count: int = field(default=0)

    def fault(self) -> Fault:
        return Fault(before=self._before, after=self._after)

    async def _before(self, asked: Asked) -> Answer | None:
        self._count += asked.is_write
        if asked.is_write and self.when is When.BEFORE:
            self._kill_at_its_turn()
        return None

    async def _after(self, asked: Asked, answer: Answer) -> Answer:
        if asked.is_write and self.when is When.AFTER:
            self._kill_at_its_turn()
        return answer

    def _kill_at_its_turn(self) -> None:
        if self.process is not None and not self.met.is_set() and self._count >= self.at:
            self.met.set()
            self.process.kill()
            raise CutError


def _spec(batch: int) -> Object:
    return {"model": {"uri": "s3://models/minilm"}, "replicas": 2, "runtime": {"batching": {"maxBatchSize": batch}}}


async def _nothing(api: ApiServer) -> None:
    pass


async def _create(api: ApiServer) -> None:
    await api.apply("m", _spec(8))


async def _edit(api: ApiServer) -> None:
    await api.apply("m", _spec(16))


async def _recreate(api: ApiServer) -> None:
    await api.delete(MODEL_DEPLOYMENT, "m")
    await api.apply("m", _spec(16))


Step = Callable[[ApiServer], Awaitable[None]]
WORKLOADS = [
    pytest.param(_nothing, _create, id="a model is created"),
    pytest.param(_create, _edit, id="an edit makes a new revision"),
    pytest.param(
        _create,
        _recreate,
        id="a model is deleted and made again under its name",
        # The garbage collector misses the deletion when another test kills the API server just then, and the operator
        # deletes more than it does undisturbed.
        marks=pytest.mark.xdist_group("one API server"),
    ),
]


Outcome = tuple[dict[str, Object], set[str]]


_each_workload = pytest.mark.parametrize(("prepare", "work"), WORKLOADS)


@_each_workload
async def test_killed_after_any_write(make_stand: MakeStand, prepare: Step, work: Step):
    await _kill_at_each(make_stand, When.AFTER, prepare, work)


@pytest.mark.soak
@_each_workload
async def test_killed_before_any_write(make_stand: MakeStand, prepare: Step, work: Step):
    """A write that never left leaves what the one before it left, but for what was under way beside it."""
    await _kill_at_each(make_stand, When.BEFORE, prepare, work)


async def _kill_at_each(make_stand: MakeStand, when: When, prepare: Step, work: Step) -> None:
    (wanted, deletions), count = await _undisturbed(await make_stand(), prepare, work)
    assert count > 5, "the workload writes too little for this test to mean anything"
    killers = [Killer(at, when) for at in range(1, count + 1)]
    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(killer: Killer) -> Outcome:
        async with room:
            return await _killed(await make_stand(), killer, prepare, work)

    outcomes = await asyncio.gather(*map(one, killers))
    for killer, (found, deleted) in zip(killers, outcomes, strict=True):
        assert_same(found, wanted, f"killed {when} write {killer.at}")
        assert deleted <= deletions, f"killed {when} write {killer.at}"
    # Timing may make a write more or less of status, so the last ones may never come.
    assert sum(killer.met.is_set() for killer in killers) >= count - 2


async def _undisturbed(stand: Stand, prepare: Step, work: Step) -> tuple[Outcome, int]:
    """Return what an operator makes that nothing happens to, and in how many writes."""
    async with stand.operator():
        await prepare(stand.api)
        await stand.settled()
        stand.proxy.writes.clear()
        await work(stand.api)
        await stand.settled()
        return (await state_of(stand.api), stand.deletions()), len(stand.proxy.writes)


async def _killed(stand: Stand, killer: Killer, prepare: Step, work: Step) -> Outcome:
    """Let the operator be killed during the work, start another, and return what that one ends with."""
    async with stand.operator() as first:
        await prepare(stand.api)
        await stand.settled()
        stand.proxy.writes.clear()
        killer.process, stand.proxy.fault = first, killer.fault()
        await work(stand.api)
        await _dead_or_done(stand, killer)
    stand.proxy.fault = Fault()
    async with stand.operator():
        await stand.settled()
        assert await stand.writes_of_resyncs(2) == [], f"killed {killer.when} write {killer.at}"
        return await state_of(stand.api), stand.deletions()


async def _dead_or_done(stand: Stand, killer: Killer) -> None:
    """Wait until the operator was killed, or has done its work with fewer writes than it was to be killed at."""
    done = asyncio.create_task(stand.settled())
    dead = asyncio.create_task(killer.met.wait())
    await asyncio.wait([done, dead], return_when=asyncio.FIRST_COMPLETED)
    for task in (done, dead):
        task.cancel()
    await asyncio.gather(done, dead, return_exceptions=True)
