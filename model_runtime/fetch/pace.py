"""Whether a source gives enough to go on waiting for it. One pace per model: its connections count together.

Silence is the sockets' own timeout. A drip escapes that, a byte before each end of it, so the bytes of a stretch of
time are counted too. Only time spent waiting for the source counts, not that of a slow disk or between two attempts.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from model_runtime.errors import SourceTooSlow
from model_runtime.fetch.source import Chunks


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a source may say nothing, and how much it must give, at the least, in a stretch of waiting for it.

    10 KiB/s is a thousandth of what a poor line carries, and would take more than a day for 1 GiB.
    """

    silence_seconds: float = 30.0
    slow_seconds: float = 60.0
    bytes_per_second: int = 10 << 10


DEFAULT_LIMITS = Limits()


class Pace:
    """Counts the bytes of all connections to one source; threads share it."""

    def __init__(self, limits: Limits, now: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._now = now
        self._lock = threading.Lock()
        self._waiting = 0
        self._since = 0.0
        # Of the present stretch: the seconds in which somebody waited, and what came.
        self._seconds = 0.0
        self._bytes = 0

    def watched(self, what: str, chunks: Chunks) -> Chunks:
        """Give the chunks on.

        Raises:
            SourceTooSlow: what came on all connections in the last stretch is too little.

        """
        while chunk := self._next(what, chunks):
            yield chunk

    def _next(self, what: str, chunks: Chunks) -> bytes:
        self._begin()
        chunk = b""
        try:
            chunk = next(chunks, b"")
        finally:
            seconds, count = self._end(len(chunk))
        if chunk and count < self._limits.bytes_per_second * seconds:
            raise SourceTooSlow(
                f"{what}: {count} bytes in {seconds:.0f} s: expected at least {self._limits.bytes_per_second} a second"
            )
        return chunk

    def _begin(self) -> None:
        with self._lock:
            self._count_time()
            self._waiting += 1

    def _end(self, count: int) -> tuple[float, int]:
        """Return length and bytes of the stretch if it ends now, else zeros."""
        with self._lock:
            self._count_time()
            self._waiting -= 1
            self._bytes += count
            if self._seconds < self._limits.slow_seconds:
                return 0.0, 0
            stretch = self._seconds, self._bytes
            self._seconds, self._bytes = 0.0, 0
            return stretch

    def _count_time(self) -> None:
        now = self._now()
        if self._waiting:
            self._seconds += now - self._since
        self._since = now
