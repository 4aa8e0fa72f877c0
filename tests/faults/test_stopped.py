"""A leader that is stopped and wakes after another took over writes nothing: the audit log is the witness."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nereid_operator.api.resources import LEASE
from tests.cluster.embedded.cluster import Embedded
from tests.faults import audit
from tests.faults.apiserver import ApiServer, Object, until
from tests.faults.conftest import MakeStand
from tests.stack.operators import Process, started, write_kubeconfig

pytestmark = pytest.mark.e2e

LEASE_NAME = "shared"
TAKE_OVER_SECONDS = 15.0
_SEED = 4
_MODELS = 8


# A killed API server does not log what it had just done, and the log is the witness.
@pytest.mark.xdist_group("one API server")
async def test_a_leader_stopped_at_three_points_writes_nothing_when_it_wakes(
    make_stand: MakeStand, embedded: Embedded, tmp_path: Path
):
    """The Lease is short, so that not all the time is spent waiting for it.

    A sixth of it is what a write may take from the socket to the API server, which other tests keep busy meanwhile:
    half a second was once too little.
    """
    await _stop_leaders((await make_stand()).api, embedded, tmp_path, points=3, stop_seconds=8, lease_seconds=6)


@pytest.mark.soak
async def test_a_leader_stopped_for_30_seconds_at_twenty_points_writes_nothing_when_it_wakes(
    make_stand: MakeStand, embedded: Embedded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    api = (await make_stand()).api
    seconds = await _stop_leaders(api, embedded, tmp_path, points=20, stop_seconds=30, lease_seconds=12)
    with capsys.disabled():
        print(f"\ntook over after {sorted(round(each, 1) for each in seconds)} s")  # noqa: T201


async def _stop_leaders(
    api: ApiServer, embedded: Embedded, folder: Path, *, points: int, stop_seconds: float, lease_seconds: int
) -> list[float]:
    """Stop whoever leads, at moments of chance in a stream of edits; return the seconds until the other took over."""
    offset = embedded.layout.audit_log.stat().st_size
    chance = random.Random(_SEED)  # noqa: S311
    taken: list[float] = []
    async with contextlib.AsyncExitStack() as stack:
        pair = [await stack.enter_async_context(_operator(api, name, embedded, folder, lease_seconds)) for name in "ab"]
        await stack.enter_async_context(_edits(api))
        await until("a leader", lambda: _holder(api))
        for _ in range(points):
            await asyncio.sleep(chance.uniform(0.5, 3.0))
            holder = await _holder(api)
            leader = next(process for process in pair if process.name == holder)
            leader.signal(signal.SIGSTOP)
            began = asyncio.get_running_loop().time()
            async with asyncio.timeout(60):
                woken = asyncio.create_task(asyncio.sleep(stop_seconds))
                await until("the other to take over", lambda holder=holder: _other_holds(api, holder))
                taken.append(asyncio.get_running_loop().time() - began)
                await woken
            leader.signal(signal.SIGCONT)
    entries = audit.writes(embedded.layout.audit_log, api.namespace, offset=offset)
    turns = list(audit.acquisitions(entries))
    assert len(turns) > points
    assert [entry for entry in audit.out_of_turn(entries) if _is_operator(entry)] == []
    assert len([entry for entry in entries if _is_operator(entry) and not entry.is_lease]) > 10 * points
    if lease_seconds + 3 <= TAKE_OVER_SECONDS:
        assert max(taken) <= TAKE_OVER_SECONDS
    return taken


def _is_operator(entry: audit.Entry) -> bool:
    return entry.user.rpartition(":")[2] in ("a", "b")


@contextlib.asynccontextmanager
async def _operator(
    api: ApiServer, name: str, embedded: Embedded, folder: Path, lease_seconds: int
) -> AsyncIterator[Process]:
    """Run an operator under a ServiceAccount of its own, by which the audit log knows it."""
    token = await _account(api, name)
    layout = embedded.layout
    authority = layout.certificates / "ca.crt"
    kubeconfig = write_kubeconfig(folder / f"{name}.json", layout.api_url, token=token, authority=authority)
    settings = {
        "NEREID_WATCH_NAMESPACES": api.namespace,
        "NEREID_POD_NAMESPACE": api.namespace,
        "NEREID_LEASE_NAME": LEASE_NAME,
        "NEREID_LEASE_SECONDS": str(lease_seconds),
    }
    async with started(name, kubeconfig, folder, **settings) as process:
        yield process


async def _account(api: ApiServer, name: str) -> str:
    """Return the token of a new ServiceAccount that may do everything."""
    base = f"/api/v1/namespaces/{api.namespace}/serviceaccounts"
    await api.send("POST", base, {"metadata": {"name": name}})
    binding = {
        "metadata": {"name": f"{api.namespace}-{name}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": api.namespace}],
    }
    await api.send("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    answer = await api.send("POST", f"{base}/{name}/token", {"spec": {"expirationSeconds": 7200}})
    token: str = answer["status"]["token"]
    return token


async def _holder(api: ApiServer) -> str:
    lease = await api.get(LEASE, LEASE_NAME)
    return "" if lease is None else str(lease["spec"].get("holderIdentity", "")).partition("_")[0]


async def _other_holds(api: ApiServer, name: str) -> bool:
    return await _holder(api) not in ("", name)


@contextlib.asynccontextmanager
async def _edits(api: ApiServer) -> AsyncIterator[None]:
    """Edit models all the time; each edit is a chain of writes: a Job goes, another comes, status and Event follow."""
    task = asyncio.create_task(_edit_for_ever(api))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _edit_for_ever(api: ApiServer) -> None:
    number = 0
    while True:
        number += 1
        await api.apply(f"m-{number % _MODELS}", _spec(number))
        await asyncio.sleep(0.2)


def _spec(number: int) -> Object:
    return {"model": {"uri": f"s3://models/{number}"}}
