"""Many streams at once through one frontend: each ends as it should, and the frontend's memory stays small."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from model_runtime.drain import requests_in_flight
from tests.runtime.conftest import Frontend, frontend
from tests.runtime.frontend.stand_in import Script, StandIn
from tests.stack.wait import wait_for

PIECES = tuple((f" word{number}", 1, []) for number in range(50))
TEXT = "".join(piece[0] for piece in PIECES)
# A connection, a gRPC stream and the tasks between them: 26 to 50 KiB were measured.
KIB_PER_STREAM = 128
START_KIB = 16 * 1024
BODY = {"model": "m", "prompt": "Once", "stream": True, "stream_options": {"include_usage": True}}


def peak_kib(pid: int) -> int:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])


async def read_stream(session: aiohttp.ClientSession, url: str, body: dict[str, Any], tokens: int) -> str:
    """Return the text of one stream; an AssertionError says how it ended wrongly."""
    async with session.post(f"{url}/v1/completions", json=body) as answer:
        assert answer.status == 200, await answer.text()
        events = [line.removeprefix(b"data: ").strip() async for line in answer.content if line.startswith(b"data: ")]
    *chunks, usage, done = events
    assert done == b"[DONE]"
    assert orjson.loads(usage)["usage"]["completion_tokens"] == tokens
    assert orjson.loads(chunks[-1])["choices"][0]["finish_reason"] is not None
    return "".join(orjson.loads(chunk)["choices"][0]["text"] for chunk in chunks)


async def read_streams(
    served: Frontend, count: int, body: dict[str, Any], tokens: int, begun: Callable[[], None]
) -> list[str]:
    """Ask for all streams at once and return their texts; `begun` waits in a thread until they have begun."""
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=500)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        readers = [asyncio.create_task(read_stream(session, served.url, body, tokens)) for _ in range(count)]
        await asyncio.to_thread(begun)
        return await asyncio.gather(*readers)


@pytest.mark.parametrize("count", [500, pytest.param(1000, marks=pytest.mark.soak)])
async def test_no_stream_is_lost_and_memory_stays_bounded(
    stand_in: StandIn, smollm2: Path, tmp_path: Path, count: int
) -> None:
    with frontend(stand_in.address, "Completion", "m", smollm2, tmp_path) as served:
        stand_in.script = Script(pieces=PIECES)
        before = peak_kib(served.pid)
        stand_in.hold()

        def all_at_once() -> None:
            wait_for(f"{count} streams at once", lambda: stand_in.running == count, seconds=300)
            stand_in.release()

        texts = await read_streams(served, count, BODY, len(PIECES), all_at_once)
        assert texts == [TEXT] * count
        assert stand_in.cancelled == 0
        grown = peak_kib(served.pid) - before
        assert grown < START_KIB + KIB_PER_STREAM * count, f"{grown / count:.0f} KiB a stream"


async def test_a_client_that_does_not_read_costs_no_memory(stand_in: StandIn, smollm2: Path, tmp_path: Path) -> None:
    """The pieces stay in Triton: the frontend takes no more of them than fit between it and the client."""
    megabyte = "x" * 1024 * 1024
    stand_in.script = Script(pieces=tuple((megabyte, 1, []) for _ in range(200)))
    counts = [-1]

    def stands_still() -> bool:
        counts.append(stand_in.sent)
        return counts[-1] == counts[-2] > 0

    with frontend(stand_in.address, "Completion", "m", smollm2, tmp_path) as served:
        before = peak_kib(served.pid)
        async with aiohttp.ClientSession() as session, session.post(f"{served.url}/v1/completions", json=BODY) as slow:
            await slow.content.readexactly(1024)
            await asyncio.to_thread(wait_for, "a standstill", stands_still, seconds=60, interval=1.0)
        assert stand_in.sent < 50
        port = int(served.url.rsplit(":", 1)[1])
        await asyncio.to_thread(wait_for, "its end", lambda: requests_in_flight(port) == 0, seconds=30)
        assert peak_kib(served.pid) - before < 100 * 1024
