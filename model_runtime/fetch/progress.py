"""How far the fetch is: a line every few seconds for `kubectl logs`, and a reading for whoever asks meanwhile.

Fed by download.py from several threads, read by progress_server.py. The arithmetic is pure: samples in, a rate out.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

# The rate is that of the last so many seconds: what a line does now, not what it did an hour ago.
WINDOW_SECONDS = 10.0
_SAMPLE_SECONDS = 0.5
_MEGABYTE = 1e6


class Phase(StrEnum):
    """What `prepare` is doing."""

    FETCHING = "Fetching"
    VERIFYING = "Verifying"


@dataclass(frozen=True, slots=True)
class Sample:
    """How many bytes had come over the line at a moment."""

    at: float
    received: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How far it is; `seconds_left` is None while nothing comes, so that no end can be foreseen."""

    phase: Phase
    bytes_done: int
    bytes_total: int
    bytes_per_second: float
    seconds_left: float | None


def recent(samples: Sequence[Sample], now: float) -> tuple[Sample, ...]:
    """Return the samples of the window, and the last before it, from which the window's bytes are counted."""
    older = [sample for sample in samples if sample.at <= now - WINDOW_SECONDS]
    return (*older[-1:], *samples[len(older) :])


def bytes_per_second(samples: Sequence[Sample], latest: Sample) -> float:
    """Return the rate from the first of the samples to the latest one."""
    first = samples[0] if samples else latest
    seconds = latest.at - first.at
    return (latest.received - first.received) / seconds if seconds > 0 else 0.0


def estimate(phase: Phase, done: int, total: int, rate: float) -> Reading:
    """Return the reading for `done` of `total` bytes at a rate in bytes per second."""
    left = total - done
    seconds_left = left / rate if rate > 0 else None
    return Reading(phase, done, total, rate, seconds_left if left > 0 else 0.0)


@dataclass(slots=True)
class Progress:
    """Counts the bytes of all files together; the threads of a download share it."""

    report: Callable[[str], None]
    now: Callable[[], float]
    every_seconds: float = 5.0
    _phase: Phase = field(default=Phase.FETCHING, init=False)
    _total: int = field(default=0, init=False)
    _done: int = field(default=0, init=False)
    _received: int = field(default=0, init=False)
    _samples: tuple[Sample, ...] = field(default=(), init=False)
    _reported: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def begin(self, total: int) -> None:
        """Start the clock, also anew; `total` is the size of the whole model in bytes."""
        with self._lock:
            self._total, self._reported = total, self.now()
            self._done = self._received = 0
            self._samples = (Sample(self._reported, 0),)

    def find(self, count: int) -> None:
        """Count bytes that are on the disk already; a negative count takes back what must be fetched again."""
        with self._lock:
            self._done += count

    def add(self, count: int) -> None:
        """Count bytes that came over the line."""
        with self._lock:
            self._done += count
            self._received += count
            now = self.now()
            if now - self._samples[-1].at >= _SAMPLE_SECONDS:
                self._samples = (*recent(self._samples, now), Sample(now, self._received))
            if now - self._reported >= self.every_seconds:
                self._write(now)

    def finish(self) -> None:
        """Report that all bytes are there; what follows is their verification."""
        with self._lock:
            self._write(self.now())
            self._phase = Phase.VERIFYING

    def reading(self) -> Reading | None:
        """Return how far it is; None while it is not known how much there is to fetch."""
        with self._lock:
            return self._reading(self.now()) if self._samples else None

    def _reading(self, now: float) -> Reading:
        rate = bytes_per_second(recent(self._samples, now), Sample(now, self._received))
        return estimate(self._phase, self._done, self._total, rate)

    def _write(self, now: float) -> None:
        self._reported = now
        self.report(describe(self._reading(now)))


def describe(reading: Reading) -> str:
    """Return the line of a reading."""
    done, total = reading.bytes_done / _MEGABYTE, reading.bytes_total / _MEGABYTE
    left = f", about {reading.seconds_left:.0f} s left" if reading.seconds_left else ""
    return f"fetched {done:.1f} of {total:.1f} MB at {reading.bytes_per_second / _MEGABYTE:.1f} MB/s{left}"
