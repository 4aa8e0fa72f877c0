"""How a gateway's pod ends, with the real Envoy: what its drain does for open requests, and what SIGTERM alone does."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from nereid_operator.gateway_drain import requests_in_flight
from tests.stack.gateway_pod import Place, ask, bootstrap_of, lay_out, listen_at, only, running
from tests.stack.ports import free_ports
from tests.stack.wait import wait_for

_TYPES = "type.googleapis.com/envoy.extensions.filters"


class Backend:
    """A server whose answers end only when it is told; counts those that have begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.finish = asyncio.Event()
        self.connections: list[asyncio.Task[None]] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
                self.begun += 1
                if b"GET /long" in head:
                    await self.finish.wait()
                writer.write(b"4\r\nlast\r\n0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the gateway has closed it
        finally:
            writer.close()


@pytest.fixture
def gateway(tmp_path) -> Iterator[tuple[Place, int, int, "subprocess.Popen[bytes]"]]:
    """An Envoy with a listener as the operator names it: place, ports of listener and backend, process."""
    place = lay_out(tmp_path, {})
    status, front, backend = free_ports(3)
    listen_at(place, status)
    with bootstrap_of(place) as bootstrap:
        del bootstrap["dynamic_resources"], bootstrap["cluster_manager"]
        bootstrap["static_resources"]["clusters"].append(_cluster(backend))
        bootstrap["static_resources"]["listeners"].append(_listener(front))
    with running(place) as process:
        wait_for("Envoy is ready", lambda: ask(place, "/ready") == b"LIVE\n", seconds=20, interval=0.05)
        yield place, front, backend, process


async def test_sigterm_alone_cuts_what_is_open(gateway):
    """The reason for the container `drain`."""
    _, front, backend, process = gateway
    async with _serving(backend) as server, _request(front, "/long") as answer:
        await _until("the answer has begun", lambda: server.begun == 1)
        process.send_signal(signal.SIGTERM)
        assert b"last" not in await answer.read()


async def test_the_drain_lets_open_requests_end_and_then_ends(gateway):
    place, front, backend, _ = gateway
    async with _serving(backend) as server, _request(front, "/long") as answer, _draining(place, seconds=60) as drain:
        await _until("the answer has begun", lambda: server.begun == 1)
        drain.send_signal(signal.SIGTERM)
        await _until("readiness fails", lambda: ask(place, "/ready") == b"DRAINING\n")
        async with _request(front, "/short") as late:
            head = await late.readuntil(b"\r\n\r\n")
        assert b"200 OK" in head, "it is served until Services have forgotten the pod"
        assert b"connection: close" in head, "and its client told to go elsewhere"
        assert drain.returncode is None
        server.finish.set()
        assert b"last" in await answer.readuntil(b"0\r\n\r\n")
        assert await asyncio.wait_for(drain.wait(), 30) == 0


async def test_the_drain_ends_in_time_though_something_is_open(gateway):
    place, front, backend, _ = gateway
    async with _serving(backend) as server, _request(front, "/long"), _draining(place, seconds=0.5) as drain:
        await _until("the answer has begun", lambda: server.begun == 1)
        drain.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(drain.wait(), 30) == 0
        assert requests_in_flight(place.admin) == 1


async def test_the_drain_of_a_gateway_that_is_gone_says_so(tmp_path):
    place = lay_out(tmp_path, {})
    async with _draining(place, seconds=60) as drain:
        drain.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(drain.communicate(), 30)
    assert drain.returncode == 0
    assert f"no Envoy answers at {place.admin}" in said.decode()


def test_kubelet_gives_the_pod_more_time_than_the_drain_takes():
    spec = only("Deployment", "nereid-gateway", {"gateway": {"drainSeconds": 600}})["spec"]["template"]["spec"]
    ((drain,), (envoy,)) = spec["containers"], spec["initContainers"]
    assert drain["args"] == ["--admin=/run/nereid/admin.sock", "--grace-seconds=5", "--seconds=600"]
    assert spec["terminationGracePeriodSeconds"] > 605
    assert envoy["restartPolicy"] == "Always", "a sidecar ends after the containers beside it"


@asynccontextmanager
async def _serving(port: int) -> AsyncIterator[Backend]:
    backend = Backend()
    server = await asyncio.start_server(backend.answer, "127.0.0.1", port)
    try:
        yield backend
    finally:
        server.close()
        for connection in backend.connections:
            connection.cancel()
        await asyncio.gather(*backend.connections, return_exceptions=True)


@asynccontextmanager
async def _request(port: int, path: str) -> AsyncIterator[asyncio.StreamReader]:
    """Send a request and give its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: gateway\r\n\r\n".encode())
    try:
        yield reader
    finally:
        writer.close()


@asynccontextmanager
async def _draining(place: Place, *, seconds: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the container's command, and give it once it waits for its signal."""
    arguments = (f"--admin={place.admin}", "--grace-seconds=0", f"--seconds={seconds}")
    command = (sys.executable, "-m", "nereid_operator.gateway_drain", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        assert await process.stderr.readline() == b"waiting for SIGTERM\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _until(what, probe) -> None:
    await asyncio.to_thread(wait_for, what, probe, seconds=30, interval=0.05)


def _cluster(port: int):
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"name": "back", "type": "STATIC", "load_assignment": {"cluster_name": "back", "endpoints": endpoints}}


def _listener(port: int):
    """Return a listener whose connection manager has the operator's stat prefix."""
    router = {"name": "router", "typed_config": {"@type": f"{_TYPES}.http.router.v3.Router"}}
    manager = {
        "@type": f"{_TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "http_filters": [router],
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "back"}}]}
            ]
        },
    }
    return {
        "name": "front",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
