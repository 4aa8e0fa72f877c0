"""How far the download is, as a line every few seconds for `kubectl logs`."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

_MEGABYTE = 1e6


@dataclass(slots=True)
class Progress:
    """Counts the bytes of all files together; the threads of a download share it."""

    total: int
    report: Callable[[str], None]
    now: Callable[[], float]
    every_seconds: float = 5.0
    _done: int = field(default=0, init=False)
    _started: float = field(init=False)
    _reported: float = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._started = self._reported = self.now()

    def add(self, count: int) -> None:
        """Count bytes; a negative count takes back what must be fetched again."""
        with self._lock:
            self._done += count
            if self.now() - self._reported >= self.every_seconds:
                self._write()

    def finish(self) -> None:
        """Report the end."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        self._reported = self.now()
        self.report(describe(self._done, self.total, self._reported - self._started))


def describe(done: int, total: int, seconds: float) -> str:
    """Return the line for `done` of `total` bytes after so many seconds."""
    rate = done / seconds if seconds > 0 else 0.0
    left = f", about {(total - done) / rate:.0f} s left" if rate and done < total else ""
    return f"fetched {done / _MEGABYTE:.1f} of {total / _MEGABYTE:.1f} MB at {rate / _MEGABYTE:.1f} MB/s{left}"
