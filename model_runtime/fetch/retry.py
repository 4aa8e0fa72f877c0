"""Trying again: bounded by attempts without progress and by a deadline; the clock is an argument."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from model_runtime.errors import SourceUnreachable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Clock:
    """The time that retries and progress see, in seconds."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on: `attempts` in a row without a byte, delays that double, until `clock.now()` is `deadline`."""

    deadline: float
    attempts: int = 6
    first_delay_seconds: float = 1.0
    longest_delay_seconds: float = 30.0
    clock: Clock = field(default_factory=Clock)

    def check(self, what: str) -> None:
        """Refuse to go on after the deadline, however steadily the bytes drip in.

        Raises:
            SourceUnreachable: the deadline has passed.

        """
        if self.clock.now() > self.deadline:
            raise SourceUnreachable(f"{what}: not finished at the deadline")

    def wait(self, failures: int, error: SourceUnreachable) -> None:
        """Sleep before the next attempt, after this many failures in a row (1 or more).

        Raises:
            SourceUnreachable: patience is at its end.

        """
        delay = min(self.first_delay_seconds * 2 ** (failures - 1), self.longest_delay_seconds)
        if failures >= self.attempts:
            raise SourceUnreachable(f"{error} (given up after {failures} attempts)") from error
        if self.clock.now() + delay > self.deadline:
            raise SourceUnreachable(f"{error} (given up at the deadline)") from error
        self.clock.sleep(delay)


def retry(patience: Patience, action: Callable[[], T]) -> T:
    """Return the action's result; it is tried again while the source cannot be reached.

    Raises:
        SourceUnreachable: patience is at its end.

    """
    failures = 0
    while True:
        try:
            return action()
        except SourceUnreachable as error:
            failures += 1
            patience.wait(failures, error)
