"""Two operators and one API server: processes of their own, stopped and killed by signals as kubelet and fate do it."""

import asyncio
import contextlib
import itertools
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import kmock
import pytest

from tests.handlers import cluster
from tests.handlers.conftest import DEADLINE_SECONDS, until
from tests.handlers.fake_api_server import FakeApiServer
from tests.stack.operators import Process, started, write_kubeconfig
from tests.stack.ports import free_port

MODELS = kmock.resource("nereid.dev/v1alpha1/modeldeployments")
LEASES = "coordination.k8s.io/v1/leases"
# Too long to be waited for: who leads in spite of it was handed the Lease.
LONG_SECONDS = 3600
SHORT_SECONDS = 3
# What the operator promises of its end.
END_SECONDS = 5.0
# To be asked costs a process time that it needs for what is awaited.
ASK_AGAIN_SECONDS = 0.1


@dataclass
class Candidate:
    """One operator in a process of its own; its name is also the token that it shows to the API server."""

    name: str
    port: int
    process: Process

    async def status_of(self, path: str) -> int:
        """Return the HTTP status of a path of its endpoint, 0 when it does not listen."""
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with aiohttp.ClientSession() as session, session.get(self._url(path)) as answer:
                return answer.status
        return 0

    async def answers(self, path: str, status: int) -> None:
        """Wait for the HTTP status of a path of its endpoint."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                if await self.status_of(path) == status:
                    return
                await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def says_of_itself(self, line: str) -> None:
        """Wait for a line in its metrics."""
        async with asyncio.timeout(DEADLINE_SECONDS), aiohttp.ClientSession() as session:
            while True:
                async with session.get(self._url("/metrics")) as answer:
                    if line in (await answer.text()).splitlines():
                        return
                await asyncio.sleep(ASK_AGAIN_SECONDS)

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


Start = Callable[..., AbstractAsyncContextManager[Candidate]]


@pytest.fixture
def start(api: FakeApiServer, tmp_path: Path) -> Start:
    """Return what starts an operator's process and waits for its endpoint; the end kills what is left of it."""

    @contextlib.asynccontextmanager
    async def starting(
        name: str, *, lease_seconds: int, server: str = str(api.servers[0].url), ready_status: int = 200
    ) -> AsyncIterator[Candidate]:
        port = free_port()
        kubeconfig = write_kubeconfig(tmp_path / f"{name}.json", server, token=name)
        settings = {
            "NEREID_LEASE_NAME": "nereid-operator",
            "NEREID_LEASE_SECONDS": str(lease_seconds),
            "NEREID_RESYNC_SECONDS": "300",
            "NEREID_HTTP_PORT": str(port),
        }
        async with started(name, kubeconfig, tmp_path, **settings) as process:
            candidate = Candidate(name, port, process)
            await candidate.answers("/readyz", ready_status)
            yield candidate

    return starting


@contextlib.asynccontextmanager
async def _two(api: FakeApiServer, start: Start, *, lease_seconds: int) -> AsyncIterator[tuple[Candidate, Candidate]]:
    """Start a leader and a follower."""
    async with AsyncExitStack() as stack:
        leader = await stack.enter_async_context(start("a", lease_seconds=lease_seconds))
        await until(lambda: api.leader() == "a", "the first to lead")
        yield leader, await stack.enter_async_context(start("b", lease_seconds=lease_seconds))


async def test_only_one_of_two_acts_and_both_are_ready(api: FakeApiServer, start: Start):
    async with _two(api, start, lease_seconds=LONG_SECONDS) as (leader, follower):
        await cluster.serve(api, "s3://models/minilm")
        await leader.says_of_itself("nereid_leader 1.0")
        await follower.says_of_itself("nereid_leader 0.0")
        assert await follower.status_of("/readyz") == await follower.status_of("/healthz") == 200
    assert {write.by for write in api.log} == {"a"}


async def test_a_leader_that_is_told_to_end_hands_over_at_once(api: FakeApiServer, start: Start):
    async with _two(api, start, lease_seconds=LONG_SECONDS) as (leader, _):
        leader.process.signal(signal.SIGTERM)
        assert await leader.process.ended(within_seconds=END_SECONDS) == 0
        await _takes_over(api, "b")


async def test_a_leader_that_is_told_to_end_amid_its_work_writes_nothing_after_the_handover(
    api: FakeApiServer, start: Start
):
    async with _two(api, start, lease_seconds=LONG_SECONDS) as (leader, _), _edits(api):
        await until(lambda: len(api.log) > 20, "the leader's writes")
        leader.process.signal(signal.SIGTERM)
        assert await leader.process.ended(within_seconds=END_SECONDS) == 0
        await until(lambda: {write.by for write in api.log} == {"a", "b"}, "the writes of the other")
    assert [write for write in api.log if write.by != write.leader] == []


async def test_a_leader_that_is_killed_is_replaced_when_its_lease_runs_out(api: FakeApiServer, start: Start):
    async with _two(api, start, lease_seconds=SHORT_SECONDS) as (leader, _):
        leader.process.signal(signal.SIGKILL)
        await _takes_over(api, "b")
        lease = next(iter(api.all(LEASES).values()))
        assert lease["spec"]["leaseTransitions"] == 1


async def test_a_leader_that_was_stopped_writes_nothing_when_it_wakes(api: FakeApiServer, start: Start):
    """Stopped somewhere in a stream of edits, each of which makes the leader write."""
    async with _two(api, start, lease_seconds=2 * SHORT_SECONDS) as pair, _edits(api):
        for (stopped, other), writes in ((pair, 1), (pair[::-1], 20), (pair, 50)):
            count = len(api.log) + writes
            await until(lambda count=count: len(api.log) > count, "the leader's writes")
            stopped.process.signal(signal.SIGSTOP)
            await until(lambda name=other.name: api.leader() == name, "the other to take over")
            stopped.process.signal(signal.SIGCONT)
            await stopped.says_of_itself("nereid_leader 0.0")
            count = len(api.log)
            await until(lambda count=count: len(api.log) > count + 50, "the writes of the other")
    assert {write.by for write in api.log} == {"a", "b"}
    assert [write for write in api.log if write.by != write.leader] == []


async def test_a_leader_that_cannot_renew_follows_alive_and_not_ready_and_leads_again(api: FakeApiServer, start: Start):
    async with start("a", lease_seconds=SHORT_SECONDS) as alone:
        await alone.says_of_itself("nereid_leader 1.0")
        api.refuse = lambda _method, path: "no" if "/leases/" in path else None
        await alone.says_of_itself("nereid_leader 0.0")
        await alone.answers("/readyz", 503)
        assert await alone.status_of("/healthz") == 200
        count = len(api.log)
        cluster.apply_model(api, "ftp://models/minilm")
        api.refuse = lambda _method, _path: None
        await alone.says_of_itself("nereid_leader 1.0")
        await until(lambda: len(api.log) > count, "the work that was left")


async def test_an_operator_that_never_reached_the_api_server_is_alive_and_ends_when_told(start: Start):
    nowhere = f"http://127.0.0.1:{free_port()}"
    async with start("a", lease_seconds=SHORT_SECONDS, server=nowhere, ready_status=503) as alone:
        assert await alone.status_of("/healthz") == 200
        alone.process.signal(signal.SIGTERM)
        assert await alone.process.ended(within_seconds=END_SECONDS) == 0


async def test_a_leader_whose_definition_is_deleted_ends_hands_over_and_waits_for_it_anew(
    api: FakeApiServer, start: Start
):
    async with start("a", lease_seconds=LONG_SECONDS) as alone:
        await alone.says_of_itself("nereid_leader 1.0")
        api.undefined.add(MODELS)
        api.hang_up()
        assert await alone.process.ended(within_seconds=DEADLINE_SECONDS) == 1
    assert api.leader() == ""
    async with start("b", lease_seconds=LONG_SECONDS, ready_status=503) as another:
        api.undefined.clear()
        await another.says_of_itself("nereid_leader 1.0")


async def _takes_over(api: FakeApiServer, name: str) -> None:
    """Wait until this operator leads, and acts."""
    await until(lambda: api.leader() == name, f"{name} to lead")
    cluster.apply_model(api, "s3://models/minilm")
    await cluster.appears(api, cluster.JOBS)
    assert {write.by for write in api.log} == {name}


@contextlib.asynccontextmanager
async def _edits(api: FakeApiServer) -> AsyncIterator[None]:
    """Edit models all the time; each edit is a chain of writes: a Job goes, another comes, status and Event follow."""
    task = asyncio.create_task(_edit_forever(api))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _edit_forever(api: FakeApiServer) -> None:
    """Edit as fast as somebody writes: what piled up while nobody leads would starve the next leader's renewals."""
    for number in itertools.count():
        cluster.apply_model(api, f"s3://models/{number}", name=f"model-{number % 8}")
        count = len(api.log)
        await until(lambda count=count: len(api.log) > count, "a write after an edit")
