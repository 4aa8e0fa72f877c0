"""A proxy between operator and API server that notes every write, and spoils what a test tells it to spoil.

operator ──HTTP──► Proxy ──TLS──► API server
                     │ Fault.before: answer instead of the server, or cut
                     │ Fault.after:  change or withhold the server's answer
                     └ Fault.stream: change the events of a watch
"""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from nereid_operator.clients.connection import Connection, ssl_context
from tests.faults.apiserver import until
from tests.stack.ports import free_port

_HOP_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "content-encoding"}


class CutError(Exception):
    """The connection ends here, without an answer."""


@dataclass(frozen=True)
class Asked:
    """A request of the operator's."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") == "true"

    @property
    def is_list(self) -> bool:
        """Tell whether it is a list of a kind that the operator watches, of which there are objects in namespaces."""
        return self.method == "GET" and not self.is_watch and "limit" in self.query

    @property
    def is_write(self) -> bool:
        """Tell whether something is to change; the election goes on all the time and does not count."""
        return self.method != "GET" and "/leases" not in self.path

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Write:
    """A write that was sent on, and the status of the answer; 0 while there is none."""

    asked: Asked
    status: int = 0


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


Stream = AsyncIterator[bytes]


async def _nothing(_: Asked) -> Answer | None:
    return None


async def _unchanged(_: Asked, answer: Answer) -> Answer:
    return answer


def _as_they_come(_: Asked, lines: Stream) -> Stream:
    return lines


@dataclass(frozen=True)
class Fault:
    """What is spoilt; by default nothing."""

    before: Callable[[Asked], Awaitable[Answer | None]] = _nothing
    after: Callable[[Asked, Answer], Awaitable[Answer]] = _unchanged
    stream: Callable[[Asked, Stream], Stream] = _as_they_come


def failure(status: int, message: str, **headers: str) -> Answer:
    """Return an error as the API server words it."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "message": message}
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})


@dataclass
class Proxy:
    """The proxy. `writes` are those that the server was asked for, also those that it has not answered yet."""

    connection: Connection
    port: int
    fault: Fault = field(default_factory=Fault)
    writes: list[Write] = field(default_factory=list)
    lists: int = 0
    _session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def resyncs(self, count: int) -> None:
        """Wait until the operator has begun to list everything so many times more."""
        wanted = self.lists + count
        await until("lists", lambda: self._has_listed(wanted))

    async def _has_listed(self, wanted: int) -> bool:
        return self.lists >= wanted

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.method, request.path, dict(request.query), await request.read())
        self.lists += asked.is_list and asked.path.endswith("/modeldeployments")
        try:
            if asked.is_watch:
                return await self._watch(request, asked)
            return await self._answer(request, asked)
        except (CutError, aiohttp.ClientError):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)

    async def _answer(self, request: web.Request, asked: Asked) -> web.Response:
        answer = await self.fault.before(asked)
        if answer is None:
            # Noted first: what it does is seen before its answer comes.
            write = Write(asked)
            self.writes += [write] if asked.is_write else []
            async with self._send(request, asked) as received:
                headers = {"Content-Type": received.headers.get("Content-Type", "application/json")}
                answer = Answer(received.status, await received.read(), headers)
            write.status = answer.status
            answer = await self.fault.after(asked, answer)
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    async def _watch(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        spoilt = await self.fault.before(asked)
        if spoilt is not None:
            return web.Response(status=spoilt.status, body=spoilt.body, headers=spoilt.headers)
        async with self._send(request, asked) as received:
            response = web.StreamResponse(status=received.status, headers={"Content-Type": "application/json"})
            await response.prepare(request)
            async for line in self.fault.stream(asked, received.content):
                await response.write(line)
            return response

    def _send(
        self, request: web.Request, asked: Asked
    ) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_HEADERS}
        return self._session.request(
            asked.method,
            self.connection.server + asked.path,
            params=asked.query,
            data=asked.body or None,
            headers=headers,
            read_bufsize=2**22,
        )

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Proxy"]:
        """Listen as long as the block."""
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        connector = aiohttp.TCPConnector(ssl=ssl_context(self.connection), limit=0)
        async with aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=None)
        ) as self._session:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            try:
                yield self
            finally:
                await runner.cleanup()


def make_proxy(connection: Connection) -> Proxy:
    """Return a proxy on a free port; it listens as long as it is open."""
    return Proxy(connection, free_port())
