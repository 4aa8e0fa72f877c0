"""Clients of a replica's API: concurrent streams whose tokens are stamped, and short requests one after the other."""

import asyncio
import http.client
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from bench.errors import BenchError
from bench.runtime.replica import NAME

_REQUEST_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Stream:
    """Moments of one answer: when it was asked for, when its first and its last text came; and how many tokens."""

    asked: float
    first: float
    last: float
    tokens: int

    @property
    def step(self) -> float:
        """Seconds from token to token.

        Raises:
            BenchError: there is one token alone.

        """
        if self.tokens < 2:
            raise BenchError("an answer of one token: expected several, to see the time between them")
        return (self.last - self.first) / (self.tokens - 1)


def stream_all(port: int, prompts: Sequence[str], tokens: int, concurrent: int) -> list[Stream]:
    """Ask for the continuation of each prompt, so many at a time, each next one as soon as there is room."""
    return asyncio.run(_stream_all(port, prompts, tokens, concurrent))


async def _stream_all(port: int, prompts: Sequence[str], tokens: int, concurrent: int) -> list[Stream]:
    limit, timeout = asyncio.Semaphore(concurrent), aiohttp.ClientTimeout(total=_REQUEST_SECONDS)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=timeout) as session:

        async def limited(prompt: str) -> Stream:
            async with limit:
                return await _stream(session, prompt, tokens)

        return list(await asyncio.gather(*map(limited, prompts)))


async def _stream(session: aiohttp.ClientSession, prompt: str, tokens: int) -> Stream:
    body = {"model": NAME, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": True}
    asked, times, count = time.perf_counter(), [], 0
    async with session.post("/v1/completions", json=body | {"stream_options": {"include_usage": True}}) as answer:
        if answer.status != http.HTTPStatus.OK:
            raise BenchError(f"the replica answered {answer.status}: {await answer.text()}")
        async for line in answer.content:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line.removeprefix(b"data: "))
            if any(choice["text"] for choice in event["choices"]):
                times.append(time.perf_counter())
            if event.get("usage"):
                count = event["usage"]["completion_tokens"]
    if not times:
        raise BenchError(f"an answer of {count} tokens and no text: expected some")
    return Stream(asked, times[0], times[-1], count)


def requests(port: int, prompt: str, tokens: int, count: int) -> list[float]:
    """Return the seconds of each of several whole answers, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST_SECONDS)
    body = json.dumps({"model": NAME, "prompt": prompt, "max_tokens": tokens, "temperature": 0})
    try:
        return [_request(connection, body, tokens) for _ in range(count)]
    finally:
        connection.close()


def _request(connection: http.client.HTTPConnection, body: str, tokens: int) -> float:
    begin = time.perf_counter()
    connection.request("POST", "/v1/completions", body, {"content-type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    seconds = time.perf_counter() - begin
    if answer.get("usage", {}).get("completion_tokens") != tokens:
        raise BenchError(f"the replica answered {answer}: expected {tokens} tokens")
    return seconds
