"""Whether new requests are taken, and how many are being answered.

A pod that is about to end goes through three states, one way only; `python3 -m model_runtime.drain` sends the signals:

    SERVING ── SIGUSR1 ──► LEAVING ── SIGUSR2 or SIGTERM ──► CLOSED
                           /readyz says 503, requests are       new requests get a 503 that names the drain,
                           served while Services forget the pod  those in flight go on

`app` asks for every inference request; `server` waits for the last one after SIGTERM.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from model_runtime.frontend.errors import Draining


class State(IntEnum):
    """How far the end has come."""

    SERVING = 0
    LEAVING = 1
    CLOSED = 2


class Admission:
    """The state of one process, and its requests in flight; used by one event loop."""

    def __init__(self) -> None:
        self.state = State.SERVING
        self.in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def move(self, state: State) -> None:
        """Go on to a state; never back."""
        self.state = max(self.state, state)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Count a request while the block runs; Draining when no more are taken."""
        if self.state is State.CLOSED:
            raise Draining("this replica is about to end and takes no more requests; try again", code="draining")
        self.in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            if self.in_flight == 0:
                self._idle.set()

    async def idle(self) -> None:
        """Wait until nothing is in flight."""
        await self._idle.wait()
