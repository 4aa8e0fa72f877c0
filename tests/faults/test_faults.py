"""Whatever happens between operator and API server, the end is the one of an undisturbed run, and then it is quiet."""

import asyncio
import os
import signal
from collections.abc import Callable

import pytest

from nereid_operator.api.resources import MODEL_DEPLOYMENT, SERVICE
from tests.faults.apiserver import Object, until
from tests.faults.conftest import MakeStand
from tests.faults.faults import FAULTS
from tests.faults.proxy import Fault
from tests.faults.stand import Stand
from tests.faults.state import assert_same, state_of

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("make_fault", FAULTS.values(), ids=FAULTS)
async def test_a_fault_changes_nothing_in_the_end(make_stand: MakeStand, make_fault: Callable[[], Fault]):
    undisturbed, disturbed = await make_stand(), await make_stand()
    disturbed.proxy.fault = make_fault()
    async with undisturbed.operator(), disturbed.operator():
        await asyncio.gather(_live(undisturbed), _live(disturbed))
        disturbed.proxy.fault = Fault()
        await disturbed.settled()
        assert_same(await state_of(disturbed.api), await state_of(undisturbed.api), "in the end")
        assert await disturbed.writes_of_resyncs(2) == []


async def test_a_killed_api_server_changes_nothing_in_the_end(make_stand: MakeStand, component: Callable[[str], int]):
    undisturbed, disturbed = await make_stand(), await make_stand()
    async with undisturbed.operator():
        await _live(undisturbed)
    async with disturbed.operator() as process:
        life = asyncio.create_task(_live(disturbed))
        for writes in (1, 5, 12):
            await until("some writes", lambda writes=writes: _has_written(disturbed, writes))
            os.kill(component("kube-apiserver"), signal.SIGKILL)
            await disturbed.api.get(MODEL_DEPLOYMENT, "m")
        await life
        assert_same(await state_of(disturbed.api), await state_of(undisturbed.api), "in the end")
        assert await disturbed.writes_of_resyncs(2) == []
        assert process.running.is_alive()


async def _live(stand: Stand) -> None:
    """A model's life: created, edited, scaled, its Service deleted by hand."""
    api = stand.api
    await api.apply("m", _spec(8, replicas=2))
    await api.ready("m")
    await api.apply("m", _spec(16, replicas=2))
    await api.ready("m")
    await api.scale("m", 1)
    await api.ready("m")
    old = await api.get(SERVICE, "m")
    await api.delete(SERVICE, "m")

    async def back() -> bool:
        new = await api.get(SERVICE, "m")
        return new is not None and old is not None and new["metadata"]["uid"] != old["metadata"]["uid"]

    await until("the Service to be back", back)
    await stand.settled()


def _spec(batch: int, *, replicas: int) -> Object:
    return {
        "model": {"uri": "s3://models/minilm"},
        "replicas": replicas,
        "runtime": {"batching": {"maxBatchSize": batch}},
    }


async def _has_written(stand: Stand, count: int) -> bool:
    return len(stand.proxy.writes) >= count
