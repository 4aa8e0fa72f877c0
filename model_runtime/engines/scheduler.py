"""Runs generations in one thread, in turn: each active one gets one token, then the next.

`submit` is called by Triton's thread and never blocks; the answers go to the request's `Sink` from the engine's thread.
Both bounds are hard: `max_active` caches exist at a time, `max_queued` requests wait, and one more is refused.
"""

import logging
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from model_runtime.engines.errors import CancelledError, QueueFullError
from model_runtime.engines.generate import Piece

log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where the pieces of one request go."""

    def is_cancelled(self) -> bool:
        """Say whether the client has gone."""

    def send(self, piece: Piece) -> None:
        """Deliver a piece; the one with a finish reason is the last call."""

    def fail(self, error: Exception) -> None:
        """Report that the request ended without an answer; the last call."""


@dataclass(frozen=True, slots=True)
class _Job:
    pieces: Iterator[Piece]
    sink: Sink


class Scheduler:
    """The engine's thread with its queue. Use: `submit` until `close`, which lets accepted requests finish."""

    def __init__(self, *, max_active: int, max_queued: int) -> None:
        self._max_active = max_active
        self._waiting: queue.Queue[_Job | None] = queue.Queue(maxsize=max_queued)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, pieces: Iterator[Piece], sink: Sink) -> None:
        """Accept a generation, a generator that has not run yet; QueueFullError at once when the queue has no room."""
        try:
            self._waiting.put_nowait(_Job(pieces=pieces, sink=sink))
        except queue.Full:
            raise QueueFullError(f"{self._waiting.maxsize} requests are already waiting; try again later") from None

    def close(self) -> None:
        """Finish what was accepted and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        active: list[_Job] = []
        while active or not self._closing:
            self._admit(active)
            active = [job for job in active if _step(job)]

    def _admit(self, active: list[_Job]) -> None:
        """Take waiting requests while there is room; wait for one only when there is nothing else to do."""
        while len(active) < self._max_active and not self._closing:
            try:
                job = self._waiting.get(block=not active)
            except queue.Empty:
                return
            if job is None:
                self._closing = True
                return
            active.append(job)


def _step(job: _Job) -> bool:
    """Run one token of a request; return whether it goes on."""
    try:
        if job.sink.is_cancelled():
            log.info("request cancelled by its client")
            _fail(job, CancelledError("the client has gone"))
            return False
        piece = next(job.pieces)
        job.sink.send(piece)
    except Exception as error:
        # One request's failure, such as a lack of memory, must not end the engine for the others.
        log.exception("request failed")
        _fail(job, error)
        return False
    return piece.finish_reason is None


def _fail(job: _Job, error: Exception) -> None:
    """Tell the client; one that cannot be told, because what carries the answers is broken, must not end the engine."""
    try:
        job.sink.fail(error)
    except Exception:
        log.exception("a failure could not be reported")
