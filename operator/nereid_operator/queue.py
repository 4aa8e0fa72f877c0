"""The work queue: keyed, level-triggered. Many adds of a key become one pass; one key never runs twice at once.

`WorkQueue` is pure bookkeeping with time as an argument; `Workers` drives it on the event loop. Filled by feed.py,
drained by reconciler.reconcile.

    add ──► waiting ──take──► running ──done──► (again, if added meanwhile)
    fail ─► later, after 0.5 s, 1 s, 2 s … at most 5 min, each up to a quarter shorter by chance, so that what failed
            together does not come back together; add does not wait for it
"""

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from nereid_operator.errors import ApiError, NotLeadingError

K = TypeVar("K", bound=Hashable)

FIRST_BACK_OFF_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 300.0
HEARTBEAT_SECONDS = 5.0

_log = logging.getLogger(__name__)


def back_off_seconds(failures: int, *, chance: float) -> float:
    """Return how long to wait after that many failures in a row; `chance` is a number of 0 to 1."""
    longest = min(FIRST_BACK_OFF_SECONDS * 2.0 ** min(failures - 1, 32), LONGEST_BACK_OFF_SECONDS)
    return longest * (1.0 - chance / 4)


class Place(StrEnum):
    """Where a key is."""

    RUNNING = "Running"
    WAITING = "Waiting"
    LATER = "Later"
    IDLE = "Idle"


@dataclass(frozen=True, slots=True)
class KeyState:
    """Where a key is; `seconds` is for how long it has waited, or in how long it comes back."""

    state: Place
    seconds: float
    failures: int


@dataclass(slots=True)
class WorkQueue(Generic[K]):
    """Which keys wait, run, or come back later. All times are seconds of one clock that never goes back."""

    _waiting: dict[K, float] = field(default_factory=dict)
    _running: set[K] = field(default_factory=set)
    _later: list[tuple[float, int, K]] = field(default_factory=list)
    _due: dict[K, float] = field(default_factory=dict)
    _failures: dict[K, int] = field(default_factory=dict)
    _sequence: int = 0

    def add(self, key: K, *, now: float) -> None:
        """Ask for a pass over the key; asking twice is asking once."""
        self._waiting.setdefault(key, now)

    def add_after(self, key: K, seconds: float, *, now: float) -> None:
        """Ask for a pass after a while; the earliest of several such wishes counts."""
        due = now + seconds
        if due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._later, (due, self._sequence, key))

    def take(self, *, now: float) -> K | None:
        """Return the key that waited longest and is not running, and mark it as running; None when there is none."""
        self._promote(now)
        key = next((key for key in self._waiting if key not in self._running), None)
        if key is not None:
            del self._waiting[key]
            self._running.add(key)
        return key

    def succeed(self, key: K) -> None:
        """End a pass; its failures are forgotten."""
        self._running.discard(key)
        self._failures.pop(key, None)

    def fail(self, key: K, *, now: float, chance: float, at_least: float = 0.0) -> float:
        """End a pass that failed; return the seconds after which it comes back, `at_least` those."""
        self._running.discard(key)
        self._failures[key] = self._failures.get(key, 0) + 1
        seconds = max(back_off_seconds(self._failures[key], chance=chance), min(at_least, LONGEST_BACK_OFF_SECONDS))
        self.add_after(key, seconds, now=now)
        return seconds

    def next_due(self) -> float | None:
        """Return when the next delayed key is due; None when there is none."""
        return self._later[0][0] if self._later else None

    @property
    def depth(self) -> int:
        """Return how many keys wait."""
        return len(self._waiting)

    def oldest_seconds(self, *, now: float) -> float:
        """Return how long the key has waited that has waited longest; 0 when none waits."""
        return now - min(self._waiting.values(), default=now)

    def state(self, key: K, *, now: float) -> KeyState:
        """Return where a key is."""
        failures = self._failures.get(key, 0)
        if key in self._running:
            return KeyState(Place.RUNNING, 0.0, failures)
        if key in self._waiting:
            return KeyState(Place.WAITING, now - self._waiting[key], failures)
        if key in self._due:
            return KeyState(Place.LATER, max(self._due[key] - now, 0.0), failures)
        return KeyState(Place.IDLE, 0.0, failures)

    def _promote(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            due, _, key = heapq.heappop(self._later)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key, now=due)


class Workers(Generic[K]):
    """Runs passes over the keys of a queue, at most `concurrency` at once.

    `handle` returns the seconds after which it wants the key again, or None. What it raises is logged, and backs off;
    only what nobody expected is logged with its traceback. `chance` gives numbers of 0 to 1.
    """

    def __init__(
        self,
        queue: WorkQueue[K],
        handle: Callable[[K], Awaitable[float | None]],
        *,
        concurrency: int,
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._handle = handle
        self._concurrency = concurrency
        self._clock = clock
        self._chance = chance
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.heartbeat = clock()

    def add(self, key: K) -> None:
        """Ask for a pass over the key."""
        self._queue.add(key, now=self._clock())
        self._wake.set()

    @property
    def idle(self) -> bool:
        """Return whether nothing runs and nothing waits."""
        return not self._tasks and not self._queue.depth

    async def run(self) -> None:
        """Serve the queue until cancelled; passes that run then are cancelled too."""
        try:
            while True:
                self._wake.clear()
                self.heartbeat = self._clock()
                self._start_passes()
                # Not wait_for: Python 3.11's loses a cancellation that comes together with the event.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._seconds_to_wait()):
                        await self._wake.wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start_passes(self) -> None:
        while len(self._tasks) < self._concurrency and (key := self._queue.take(now=self._clock())) is not None:
            task = asyncio.create_task(self._pass(key), name=f"reconcile {key}")
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake.set()

    async def _pass(self, key: K) -> None:
        try:
            again_seconds = await self._handle(key)
        except NotLeadingError as error:
            self._queue.succeed(key)
            _log.info("%s: the pass was ended, the next leader makes it: %s", key, error)
            return
        except ApiError as error:
            seconds = self._fail(key, at_least=error.retry_after_seconds)
            _log.warning("%s: the pass failed, next try in %.1f s: %s", key, seconds, error)
            return
        except Exception:  # noqa: BLE001 (one bad key must not stop the others)
            _log.exception("%s: the pass failed, next try in %.1f s", key, self._fail(key, at_least=0.0))
            return
        self._queue.succeed(key)
        if again_seconds is not None:
            self._queue.add_after(key, again_seconds, now=self._clock())

    def _fail(self, key: K, *, at_least: float) -> float:
        return self._queue.fail(key, now=self._clock(), chance=self._chance(), at_least=at_least)

    def _seconds_to_wait(self) -> float:
        due = self._queue.next_due()
        if due is None or len(self._tasks) >= self._concurrency:
            return HEARTBEAT_SECONDS
        return min(max(due - self._clock(), 0.0), HEARTBEAT_SECONDS)
