"""Ends the process when Triton takes no answer any more, so that the container starts anew.

Triton 2.51 can lock itself up when a client cancels a gRPC stream while an answer is on its way (docs/decisions/0004):
whoever sends the answer then waits for ever, the engine's thread with it, while every probe of Triton goes on well.
`generation` sends through here only.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Triton takes an answer in well under a millisecond, and never waits for the client.
STUCK_SECONDS = 30.0
_LOOK_SECONDS = 1.0


class TritonStuckError(Exception):
    """Triton has not taken an answer for too long."""


class Outlet:
    """Use: `watched` for each sender, `close` on an orderly end. `on_stuck` is called once, in a thread of its own."""

    def __init__(
        self,
        on_stuck: Callable[[Exception], None],
        stuck_seconds: float = STUCK_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_stuck, self._stuck_seconds, self._now = on_stuck, stuck_seconds, now
        self._began: dict[int, float] = {}  # by thread: when its call of Triton began
        self._closed = threading.Event()
        threading.Thread(target=self._look, name="outlet", daemon=True).start()

    def watched(self, sender: Any) -> "WatchedSender":  # noqa: ANN401 - Triton's module has no types
        """Return a sender whose calls are watched."""
        return WatchedSender(sender, self)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Watch over the block, a call of Triton; from any thread, one at a time in each."""
        thread = threading.get_ident()
        self._began[thread] = self._now()
        try:
            yield
        finally:
            del self._began[thread]

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def _look(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            longest = max((self._now() - began for began in list(self._began.values())), default=0.0)
            if longest > self._stuck_seconds:
                self._on_stuck(TritonStuckError(f"triton has not taken an answer for {longest:.0f} s"))
                return


class WatchedSender:
    """A request's response sender."""

    def __init__(self, sender: Any, outlet: Outlet) -> None:  # noqa: ANN401 - Triton's module has no types
        self._sender, self._outlet = sender, outlet

    def send(self, *arguments: Any, **flags: Any) -> None:  # noqa: ANN401 - Triton's module has no types
        """Send what Triton's own `send` takes."""
        with self._outlet.calling():
            self._sender.send(*arguments, **flags)

    def is_cancelled(self) -> bool:
        """Say whether the client has cancelled the request or hung up."""
        with self._outlet.calling():
            return bool(self._sender.is_cancelled())
