"""Runs a model before it is called ready, until it is as fast as it will be: first runs allocate, lay out and compile.

Pure but for the run and the clock that it is given. Called by Triton's models in `initialize`, before which Triton does
not report them ready; they log what comes back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# So many runs in a row, of which the slowest takes at most so much of the fastest.
_STEADY_RUNS = 3
_STEADY_RATIO = 1.2


@dataclass(frozen=True, slots=True)
class Bounds:
    """A model that never becomes steady, on a busy machine say, is ready after so many runs or seconds."""

    runs: int = 20
    seconds: float = 20.0


DEFAULT_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How long each run took, in seconds, and whether the last ones were alike."""

    durations: tuple[float, ...]
    steady: bool

    def __str__(self) -> str:
        """Say it for the log."""
        runs = f"warmed up by {len(self.durations)} runs in {sum(self.durations):.2f} s"
        last = ", ".join(f"{1000 * duration:.1f}" for duration in self.durations[-_STEADY_RUNS:])
        if self.steady:
            return f"{runs}; the last took {last} ms"
        return f"{runs} without becoming steady; the last took {last} ms"


def warm_up(run: Callable[[], object], now: Callable[[], float], bounds: Bounds = DEFAULT_BOUNDS) -> WarmUp:
    """Run until the last three runs are within 20 % of each other, or a bound is reached; `now` is in seconds.

    `run` goes once through the shapes that the model is used with. What it raises is raised.
    """
    began = now()
    durations: list[float] = []
    while not is_steady(durations) and len(durations) < bounds.runs and now() - began < bounds.seconds:
        start = now()
        run()
        durations.append(now() - start)
    return WarmUp(tuple(durations), is_steady(durations))


def is_steady(durations: Sequence[float]) -> bool:
    """Tell whether the last three runs took about the same time."""
    last = durations[-_STEADY_RUNS:]
    return len(last) == _STEADY_RUNS and max(last) <= _STEADY_RATIO * min(last)
