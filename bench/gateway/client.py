"""A client that asks again and again, to see when a change is in force. Runs in a thread of its own."""

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.errors import BenchError
from bench.gateway.processes import ADDRESS_HEADER

PATH = "/v1/embeddings"
_PAUSE_SECONDS = 0.001
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and the address of the backend that gave it; 0 where there was none."""

    status: int
    address: str | None = None


def body(model: str) -> bytes:
    """Return a request of about 1 kB."""
    return json.dumps({"model": model, "input": "word " * 190}).encode()


def ask_until(port: int, model: str, is_last: Callable[[Answer], bool]) -> tuple[float, set[int]]:
    """Ask until an answer is the last one; return when that came, on the monotonic clock, and the statuses before it.

    Raises:
        BenchError: none came within a minute.

    """
    connection, text, before = http.client.HTTPConnection("127.0.0.1", port, timeout=10), body(model), set[int]()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    try:
        while time.monotonic() < deadline:
            answer = _ask(connection, text)
            if is_last(answer):
                return time.monotonic(), before
            before.add(answer.status)
            time.sleep(_PAUSE_SECONDS)
    finally:
        connection.close()
    raise BenchError(f"{model} was not there after {_PATIENCE_SECONDS:.0f} s; the answers were {sorted(before)}")


def _ask(connection: http.client.HTTPConnection, text: bytes) -> Answer:
    try:
        connection.request("POST", PATH, text, {"content-type": "application/json"})
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return Answer(0)
    return Answer(response.status, response.getheader(ADDRESS_HEADER))
