"""The engine's thread: takes requests from a bounded queue and runs the batcher's steps until it is closed.

`submit` is called by Triton's thread and never blocks; the answers go to the request's `Sink` from the engine's thread.
Both bounds are hard: `max_active` generations run at a time, `max_queued` more wait, and one more is refused.
A step that fails as a whole is a defect of ours: the thread ends, everyone is told, and `on_death` is called.
"""

import logging
import threading
import time
from collections.abc import Callable

from model_runtime.engines.batcher import Batcher
from model_runtime.engines.errors import EngineDiedError, QueueFullError
from model_runtime.engines.sequence import Request

log = logging.getLogger(__name__)


class Scheduler:
    """Use: `submit` until `close`, which lets accepted requests finish."""

    def __init__(
        self,
        batcher: Batcher,
        *,
        max_queued: int,
        on_death: Callable[[Exception], None],
        after_step: Callable[[Batcher], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the thread; `after_step` is called in it, `on_death` too, as its last act."""
        self._batcher, self._now = batcher, now
        self._on_death, self._after_step = on_death, after_step
        self._max_queued = max_queued
        self._changed = threading.Condition()
        self._arrived: list[Request] = []
        self._unfinished = 0
        self._closing = False
        self._dead = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Accept a request; QueueFullError at once when there is no room, EngineDiedError when nothing runs."""
        with self._changed:
            if self._dead:
                raise EngineDiedError("the engine has ended; the server is about to start anew")
            if self._unfinished >= self._batcher.max_active + self._max_queued:
                raise QueueFullError(f"{self._max_queued} requests are already waiting; try again later")
            self._unfinished += 1
            self._arrived.append(request)
            self._changed.notify()

    def close(self) -> None:
        """Finish what was accepted and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._take():
                self._batcher.step(self._now())
                self._count()
                self._after_step(self._batcher)
        except Exception as error:
            log.exception("the engine has ended")
            self._die(error)

    def _take(self) -> bool:
        """Hand over who has arrived, waiting for someone when there is nothing to do; False when all is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._arrived or self._closing or not self._batcher.idle)
            arrived, self._arrived = self._arrived, []
        for request in arrived:
            self._batcher.add(request)
        return not self._batcher.idle

    def _count(self) -> None:
        with self._changed:
            self._unfinished = len(self._arrived) + len(self._batcher.running) + len(self._batcher.waiting)

    def _die(self, error: Exception) -> None:
        with self._changed:
            self._dead = True
            arrived, self._arrived = self._arrived, []
        for request in arrived:
            self._batcher.add(request)
        self._batcher.abandon(EngineDiedError(f"the engine has ended: {error}"))
        self._on_death(error)
