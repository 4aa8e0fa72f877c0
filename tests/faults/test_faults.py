"""Whatever happens between operator and API server, the end is the one of an undisturbed run, and then it is quiet."""

import asyncio
import signal
from collections.abc import Callable

import pytest

from nereid_operator.api.resources import MODEL_DEPLOYMENT, SERVICE
from tests.faults.apiserver import MADE, ApiServer, Object, until
from tests.faults.conftest import MakeStand
from tests.faults.faults import FAULTS
from tests.faults.proxy import Fault
from tests.faults.stand import Stand
from tests.faults.state import assert_same, state_of
from tests.stack.components import send, stopped

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


@pytest.mark.xdist_group("one API server")
async def test_a_killed_api_server_changes_nothing_in_the_end(make_stand: MakeStand):
    undisturbed, disturbed = await make_stand(), await make_stand()
    async with undisturbed.operator():
        await _live(undisturbed)
    async with disturbed.operator() as process:
        life = asyncio.create_task(_live(disturbed))
        for writes in (1, 5, 12):
            await until("some writes", lambda writes=writes: _has_written(disturbed, writes))
            send("kube-apiserver", signal.SIGKILL)
            await disturbed.api.get(MODEL_DEPLOYMENT, "m")
        await life
        assert_same(await state_of(disturbed.api), await state_of(undisturbed.api), "in the end")
        assert await disturbed.writes_of_resyncs(2) == []
        assert process.running.is_alive()


@pytest.mark.xdist_group("one API server")
async def test_a_model_made_again_while_the_garbage_collector_looks_away_is_served(make_stand: MakeStand):
    """The collector is told of no deletion then, and leaves all that the earlier model of the name had."""
    stand = await make_stand()
    async with stand.operator():
        await stand.api.apply("m", _spec(8, replicas=2))
        await stand.settled()
        left = await _uids(stand.api)
        with stopped("kube-controller-manager"):
            send("kube-apiserver", signal.SIGKILL)
            await stand.api.delete(MODEL_DEPLOYMENT, "m")
            await stand.api.apply("m", _spec(16, replicas=2))
        await stand.settled()
        assert not left & await _uids(stand.api), "everything of the earlier model has gone"
        assert await stand.writes_of_resyncs(2) == []


async def _uids(api: ApiServer) -> set[str]:
    return {body["metadata"]["uid"] for resource in MADE for body in await api.all(resource)}


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
