"""Trying again: bounded by attempts without progress and by a deadline; the clock is an argument."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from model_runtime.errors import SourceTooSlow, SourceUnreachable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Clock:
    """The time that retries and progress see, in seconds."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on: `attempts` in a row without a byte, delays that double, until `clock.now()` is `deadline`.

    A source that says when to come back is asked no sooner, but after `longest_asked_seconds` at the latest.
    """

    deadline: float
    attempts: int = 6
    first_delay_seconds: float = 1.0
    longest_delay_seconds: float = 30.0
    longest_asked_seconds: float = 120.0
    clock: Clock = field(default_factory=Clock)

    def check(self, what: str) -> None:
        """Refuse to go on after the deadline, however steadily the bytes drip in.

        Raises:
            SourceTooSlow: the deadline has passed.

        """
        if self.clock.now() > self.deadline:
            raise SourceTooSlow(f"{what}: not finished at the deadline")

    def wait(self, failures: int, error: SourceUnreachable) -> None:
        """Sleep before the next attempt, after this many failures in a row (1 or more).

        Raises:
            SourceUnreachable: of the error's own kind; patience is at its end.

        """
        if isinstance(error, SourceTooSlow):
            # It took its time to find out, and each attempt brings a little: the next one is the next process's.
            raise error
        delay = min(self.first_delay_seconds * 2 ** (failures - 1), self.longest_delay_seconds)
        delay = max(delay, min(error.retry_after_seconds, self.longest_asked_seconds))
        if failures >= self.attempts:
            raise type(error)(f"{error} (given up after {failures} attempts)") from error
        if self.clock.now() + delay > self.deadline:
            raise type(error)(f"{error} (given up at the deadline)") from error
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
