"""A write asks right before its bytes leave: what was allowed before the connection stood may not be any more."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from nereid_operator.clients.connection import Connection
from nereid_operator.clients.kube import AiohttpTransport, GuardedTransport
from nereid_operator.clients.requests import Request
from nereid_operator.errors import NotLeadingError

WRITE = Request("PATCH", "/apis/x", body={"spec": {}})
READ = Request("GET", "/apis/x")


@dataclass
class Server:
    """Answers everything with an empty object, when it may; `received` holds what came over each ended connection."""

    port: int = 0
    received: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = b""
        while chunk := await reader.read(65536):
            seen += chunk
            self.asked.set()
            await self.may_answer.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()
        self.received.put_nowait(seen)


@dataclass
class Guard:
    """Allows that many times."""

    left: int

    def __call__(self) -> None:
        if not self.left:
            raise NotLeadingError("the time is up")
        self.left -= 1


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    server.may_answer.set()
    async with await asyncio.start_server(server.answer, "127.0.0.1", 0) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server


def connect(server: Server) -> AiohttpTransport:
    return AiohttpTransport(Connection(f"http://127.0.0.1:{server.port}", None, None, None, lambda: None))


async def sent(server: Server, request: Request, guard: Guard) -> bytes:
    """Return what reached the server of a request that may have been held back."""
    transport = connect(server)
    try:
        await GuardedTransport(transport, guard)(request)
    finally:
        await transport.close()
    return await server.received.get()


async def test_a_write_that_is_allowed_to_the_end_is_sent(server: Server):
    assert b'{"spec":{}}' in await sent(server, WRITE, Guard(left=2))


async def test_a_write_whose_time_is_up_when_the_connection_stands_sends_not_one_byte(server: Server):
    with pytest.raises(NotLeadingError):
        await sent(server, WRITE, Guard(left=1))
    assert await server.received.get() == b""


async def test_a_write_whose_time_is_up_does_not_even_connect(server: Server):
    with pytest.raises(NotLeadingError):
        await sent(server, WRITE, Guard(left=0))
    assert server.received.empty()


async def test_reading_is_always_allowed(server: Server):
    assert (await sent(server, READ, Guard(left=0))).startswith(b"GET /apis/x")


async def test_a_write_that_was_sent_is_waited_for_though_its_caller_is_cancelled(server: Server):
    server.may_answer.clear()
    transport = connect(server)
    guarded = GuardedTransport(transport, Guard(left=2))
    caller = asyncio.create_task(guarded(WRITE))
    await server.asked.wait()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await guarded.settled(within_seconds=0.01)
    settled = asyncio.create_task(guarded.settled(within_seconds=20))
    await asyncio.sleep(0)
    assert not settled.done()
    server.may_answer.set()
    await settled
    await transport.close()
