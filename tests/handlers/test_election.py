"""Two operators and one API server: processes of their own, stopped and killed by signals as kubelet and fate do it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
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

MODELS = kmock.resource("nereid.dev/v1alpha1/modeldeployments")
LEASES = "coordination.k8s.io/v1/leases"
# Too long to be waited for: who leads in spite of it was handed the Lease.
LONG_SECONDS = 3600
SHORT_SECONDS = 3


@dataclass
class Process:
    """One operator in a process of its own; its name is also the token that it shows to the API server."""

    name: str
    port: int
    running: asyncio.subprocess.Process

    def signal(self, number: signal.Signals) -> None:
        self.running.send_signal(number)

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
                await asyncio.sleep(0.01)

    async def says_of_itself(self, line: str) -> None:
        """Wait for a line in its metrics."""
        async with asyncio.timeout(DEADLINE_SECONDS), aiohttp.ClientSession() as session:
            while True:
                async with session.get(self._url("/metrics")) as answer:
                    if line in (await answer.text()).splitlines():
                        return
                await asyncio.sleep(0.01)

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


Start = Callable[..., AbstractAsyncContextManager[Process]]


@pytest.fixture
def start(api: FakeApiServer, tmp_path: Path) -> Start:
    """Return what starts an operator's process and waits for its endpoint; the end kills what is left of it."""

    @contextlib.asynccontextmanager
    async def starting(
        name: str, *, lease_seconds: int, server: str = str(api.servers[0].url), ready_status: int = 200
    ) -> AsyncIterator[Process]:
        port = _free_port()
        settings = {
            "KUBECONFIG": str(_kubeconfig(tmp_path, server, name)),
            "NEREID_MODEL_RUNTIME_IMAGE": "nereid.dev/model-runtime:test",
            "NEREID_POD_NAME": name,
            "NEREID_LEASE_SECONDS": str(lease_seconds),
            "NEREID_HTTP_PORT": str(port),
        }
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "nereid_operator", env={**os.environ, **settings}
        )
        process = Process(name, port, running)
        try:
            await process.answers("/readyz", ready_status)
            yield process
        finally:
            if running.returncode is None:
                running.kill()
            await running.wait()

    return starting


@contextlib.asynccontextmanager
async def _two(api: FakeApiServer, start: Start, *, lease_seconds: int) -> AsyncIterator[tuple[Process, Process]]:
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
        leader.signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            assert await leader.running.wait() == 0
        await _takes_over(api, "b")


async def test_a_leader_that_is_told_to_end_amid_its_work_writes_nothing_after_the_handover(
    api: FakeApiServer, start: Start
):
    async with _two(api, start, lease_seconds=LONG_SECONDS) as (leader, _), _edits(api):
        await until(lambda: len(api.log) > 20, "the leader's writes")
        leader.signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            assert await leader.running.wait() == 0
        await until(lambda: {write.by for write in api.log} == {"a", "b"}, "the writes of the other")
    assert [write for write in api.log if write.by != write.leader] == []


async def test_a_leader_that_is_killed_is_replaced_when_its_lease_runs_out(api: FakeApiServer, start: Start):
    async with _two(api, start, lease_seconds=SHORT_SECONDS) as (leader, _):
        leader.signal(signal.SIGKILL)
        await _takes_over(api, "b")
        lease = next(iter(api.all(LEASES).values()))
        assert lease["spec"]["leaseTransitions"] == 1


async def test_a_leader_that_was_stopped_writes_nothing_when_it_wakes(api: FakeApiServer, start: Start):
    """Stopped somewhere in a stream of edits, each of which makes the leader write."""
    async with _two(api, start, lease_seconds=SHORT_SECONDS) as pair, _edits(api):
        for (stopped, other), writes in ((pair, 1), (pair[::-1], 20), (pair, 50)):
            count = len(api.log) + writes
            await until(lambda count=count: len(api.log) > count, "the leader's writes")
            stopped.signal(signal.SIGSTOP)
            await until(lambda name=other.name: api.leader() == name, "the other to take over")
            stopped.signal(signal.SIGCONT)
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
    nowhere = f"http://127.0.0.1:{_free_port()}"
    async with start("a", lease_seconds=SHORT_SECONDS, server=nowhere, ready_status=503) as alone:
        assert await alone.status_of("/healthz") == 200
        alone.signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            assert await alone.running.wait() == 0


async def test_a_leader_whose_definition_is_deleted_ends_hands_over_and_waits_for_it_anew(
    api: FakeApiServer, start: Start
):
    async with start("a", lease_seconds=LONG_SECONDS) as alone:
        await alone.says_of_itself("nereid_leader 1.0")
        api.undefined.add(MODELS)
        api.hang_up()
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert await alone.running.wait() == 1
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
    number = 0
    while True:
        number += 1
        cluster.apply_model(api, f"s3://models/{number}", name=f"model-{number % 8}")
        await asyncio.sleep(0.01)


def _kubeconfig(folder: Path, server: str, name: str) -> Path:
    path = folder / f"{name}.json"
    config = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "fake", "user": name}}],
        "clusters": [{"name": "fake", "cluster": {"server": server}}],
        "users": [{"name": name, "user": {"token": name}}],
    }
    path.write_text(json.dumps(config))
    return path


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
