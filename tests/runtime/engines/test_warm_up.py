"""A model is ready when its last three runs took about the same time, or when it has been given long enough."""

from collections.abc import Iterator

import pytest

from model_runtime.engines.warm_up import Bounds, WarmUp, is_steady, warm_up


class Clock:
    """A clock that a model's runs move."""

    def __init__(self, durations: Iterator[float]) -> None:
        self.seconds = 1000.0
        self.durations = durations

    def now(self) -> float:
        return self.seconds

    def run(self) -> None:
        self.seconds += next(self.durations)


def warmed(*durations: float, bounds: Bounds = Bounds(runs=20, seconds=60.0)) -> WarmUp:  # noqa: B008 - frozen
    clock = Clock(iter(durations))
    return warm_up(clock.run, clock.now, bounds)


STEADY = {
    "nothing yet": ([], False),
    "too few": ([1.0, 1.0], False),
    "three alike": ([1.0, 1.0, 1.0], True),
    "just within a fifth": ([1.0, 1.2, 1.1], True),
    "just beyond it": ([1.0, 1.21, 1.1], False),
    "only the last three count": ([9.0, 1.0, 1.1, 1.0], True),
    "a late hiccup": ([1.0, 1.0, 1.0, 2.0], False),
}


@pytest.mark.parametrize(("durations", "steady"), STEADY.values(), ids=STEADY.keys())
def test_steady_is_three_runs_within_a_fifth(durations: list[float], steady: bool) -> None:
    assert is_steady(durations) is steady


RUNS = {
    "a fast model runs thrice": ([0.01] * 5, 3, True),
    "a model slow at first runs until it is not": ([8.0, 4.0, 2.0, 1.0, 0.5, 0.5, 0.5, 0.5], 7, True),
    "a model that grows slower goes on": ([1.0, 1.3, 1.7, 2.2, 2.2, 2.2, 2.2], 6, True),
    "after so many runs it is ready as it is": ([1.0, 2.0] * 20, 20, False),
    "after so many seconds too": ([10.0, 30.0] * 20, 4, False),
}


@pytest.mark.parametrize(("durations", "runs", "steady"), RUNS.values(), ids=RUNS.keys())
def test_how_often_it_runs(durations: list[float], runs: int, steady: bool) -> None:
    found = warmed(*durations)
    assert (len(found.durations), found.steady) == (runs, steady)
    assert list(found.durations) == pytest.approx(durations[:runs])


def test_the_log_says_what_it_took() -> None:
    assert str(warmed(0.5, 0.25, 0.25, 0.25)) == ("warmed up by 4 runs in 1.25 s; the last took 250.0, 250.0, 250.0 ms")
    assert str(warmed(1.0, 2.0, bounds=Bounds(runs=2))) == (
        "warmed up by 2 runs in 3.00 s without becoming steady; the last took 1000.0, 2000.0 ms"
    )


def test_a_model_that_cannot_run_does_not_become_ready() -> None:
    def run() -> None:
        raise ValueError("no such layer")

    with pytest.raises(ValueError, match="no such layer"):
        warm_up(run, lambda: 0.0)
