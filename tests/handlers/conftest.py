"""The operator as it runs, in the test's own event loop, against a fake API server."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import aiohttp
import kmock
import pytest

from nereid_operator.__main__ import operate
from nereid_operator.clients.connection import Connection
from nereid_operator.plan.ir import Image, Network, Platform, Proxy
from nereid_operator.settings import GatewaySettings, Settings
from tests.handlers.fake_api_server import SYSTEM, FakeApiServer
from tests.stack.ports import free_port

RULES = Network("nereid-system", ({"podSelector": {}},))
# Bounds every wait, and says nothing of how long one takes: machines are slow when much runs on them.
DEADLINE_SECONDS = 60.0


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds; fail with `what` was awaited when it does not in time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS:.0f} s in vain for {what}"
        await asyncio.sleep(0.01)


@dataclass
class Operator:
    """A running operator."""

    settings: Settings
    stop: asyncio.Event

    async def listening(self) -> None:
        """Wait until its own endpoint answers."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                await self.passes()
                return
            assert time.monotonic() < deadline, "the operator does not listen"
            await asyncio.sleep(0.01)

    async def passes(self) -> float:
        """Return how many passes have ended, from /metrics."""
        url = f"http://127.0.0.1:{self.settings.http_port}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            lines = (await answer.text()).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("nereid_reconciles_total"))

    async def passes_beyond(self, count: float) -> float:
        """Wait for more passes than `count`, and return how many there were."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (passes := await self.passes()) <= count:
            assert time.monotonic() < deadline, f"no pass beyond {count} in {DEADLINE_SECONDS:.0f} s"
            await asyncio.sleep(0.01)
        return passes

    async def status_of(self, path: str) -> int:
        """Return the HTTP status of a path of the operator's own endpoint."""
        url = f"http://127.0.0.1:{self.settings.http_port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status


@pytest.fixture
async def api() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as handler, kmock.Server(handler):
        yield handler
        handler.hang_up()


@pytest.fixture
def start(api: FakeApiServer) -> Callable[..., contextlib.AbstractAsyncContextManager[Operator]]:
    """Return what starts an operator; several in a row are restarts."""

    @contextlib.asynccontextmanager
    async def starting(
        image: str = "nereid.dev/model-runtime:test",
        network: Network | None = RULES,
        proxy: Proxy | None = None,
        gateway: GatewaySettings | None = None,
    ) -> AsyncIterator[Operator]:
        platform = Platform(Image(image, "IfNotPresent"), network=network, proxy=proxy)
        namespace = SYSTEM if gateway else "default"
        settings = Settings(
            platform, http_port=free_port(), live_port=free_port(), pod_namespace=namespace, gateway=gateway
        )
        connection = Connection(str(api.servers[0].url).rstrip("/"), None, None, None, token=lambda: None)
        stop = asyncio.Event()
        task = asyncio.create_task(operate(settings, connection, stop))
        running = Operator(settings, stop)
        try:
            await running.listening()
            yield running
        finally:
            stop.set()
            await asyncio.wait_for(task, DEADLINE_SECONDS)

    return starting


@pytest.fixture
async def operator(start: Callable[[], contextlib.AbstractAsyncContextManager[Operator]]) -> AsyncIterator[Operator]:
    async with start() as running:
        yield running
