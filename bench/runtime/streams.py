"""Clients of a replica's API: concurrent streams whose tokens are stamped, and short requests one after the other."""

import asyncio
import http.client
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.errors import BenchError
from bench.runtime.replica import NAME

_REQUEST_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Stream:
    """Moments of one answer: when it was asked for, when its first text and its end came; and how many tokens."""

    asked: float
    first: float
    last: float
    tokens: int

    @property
    def step(self) -> float:
        """Seconds from token to token."""
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
    body = _body(prompt, tokens) | {"stream": True, "stream_options": {"include_usage": True}}
    asked = time.perf_counter()
    async with session.post("/v1/completions", json=body) as answer:
        if answer.status != http.HTTPStatus.OK:
            raise BenchError(f"the replica answered {answer.status}: {await answer.text()}")
        events = [
            (time.perf_counter(), json.loads(line.removeprefix(b"data: ")))
            async for line in answer.content
            if line.startswith(b"data: {")
        ]
    return read_stream(asked, events, tokens)


def read_stream(asked: float, events: Sequence[tuple[float, Any]], tokens: int) -> Stream:
    """Return the moments of a stream of events, each with the moment when it came (pure).

    Raises:
        BenchError: there was no text, no end, or another number of tokens than was asked for.

    """
    choices = [(moment, choice) for moment, event in events for choice in event.get("choices", ())]
    texts = [moment for moment, choice in choices if choice["text"]]
    ends = [moment for moment, choice in choices if choice["finish_reason"]]
    counts = [event["usage"]["completion_tokens"] for _, event in events if event.get("usage")]
    if not texts or not ends or counts != [tokens]:
        raise BenchError(f"a stream of {len(texts)} texts, {len(ends)} ends and {counts} tokens: expected {tokens}")
    return Stream(asked, texts[0], ends[-1], tokens)


def _body(prompt: str, tokens: int) -> dict[str, object]:
    """Ask for exactly so many tokens, the likeliest each."""
    return {"model": NAME, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}


def requests(port: int, prompt: str, tokens: int, count: int) -> list[float]:
    """Return the seconds of each of several whole answers, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST_SECONDS)
    body = json.dumps(_body(prompt, tokens))
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
