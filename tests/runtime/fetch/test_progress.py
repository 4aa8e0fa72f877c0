"""Progress lines and patience, with a clock that only tests move."""

import pytest

from model_runtime.errors import ConnectionCut, SourceTooSlow, SourceUnreachable
from model_runtime.fetch.progress import (
    Phase,
    Progress,
    Reading,
    Sample,
    bytes_per_second,
    describe,
    estimate,
    recent,
)
from model_runtime.fetch.retry import Clock, Patience, retry
from tests.runtime.fetch.conftest import FakeTime

MB = 10**6
READINGS = [
    ("nothing yet", (0, 10 * MB, 0.0), None, "fetched 0.0 of 10.0 MB at 0.0 MB/s"),
    ("half way", (5 * MB, 10 * MB, 1.0 * MB), 5.0, "fetched 5.0 of 10.0 MB at 1.0 MB/s, about 5 s left"),
    ("the line is dead", (5 * MB, 10 * MB, 0.0), None, "fetched 5.0 of 10.0 MB at 0.0 MB/s"),
    ("the end", (10 * MB, 10 * MB, 2.0 * MB), 0.0, "fetched 10.0 of 10.0 MB at 2.0 MB/s"),
    ("a model of no bytes", (0, 0, 0.0), 0.0, "fetched 0.0 of 0.0 MB at 0.0 MB/s"),
]


@pytest.mark.parametrize(("sentence", "figures", "left", "line"), READINGS, ids=[case[0] for case in READINGS])
def test_what_is_left_follows_from_the_rate(
    sentence: str, figures: tuple[int, int, float], left: float | None, line: str
) -> None:
    reading = estimate(Phase.FETCHING, *figures)
    assert reading.seconds_left == left
    assert describe(reading) == line


RATES = [
    ("no sample", (), (5.0, 100), 0.0),
    ("the moment of the first sample", ((5.0, 100),), (5.0, 100), 0.0),
    ("steady", ((0.0, 0), (5.0, 50)), (10.0, 100), 10.0),
    ("faster than long ago", ((0.0, 0), (90.0, 90), (95.0, 590)), (100.0, 1090), 100.0),
    ("nothing for a while, then it is slow and soon dead", ((0.0, 0), (5.0, 500)), (50.0, 500), 0.0),
]


@pytest.mark.parametrize(("sentence", "samples", "latest", "rate"), RATES, ids=[case[0] for case in RATES])
def test_the_rate_is_that_of_the_last_seconds(
    sentence: str, samples: tuple[tuple[float, int], ...], latest: tuple[float, int], rate: float
) -> None:
    now = Sample(*latest)
    assert bytes_per_second(recent([Sample(*sample) for sample in samples], now.at), now) == rate


def test_what_was_on_the_disk_is_done_but_came_over_no_line(fake_time: FakeTime) -> None:
    progress = Progress(report=lambda _: None, now=lambda: fake_time.now)
    assert progress.reading() is None
    progress.begin(1000)
    progress.find(500)
    fake_time.sleep(1)
    progress.add(100)
    assert progress.reading() == Reading(Phase.FETCHING, 600, 1000, 100.0, 4.0)
    progress.find(-100)
    progress.add(500)
    progress.finish()
    assert progress.reading() == Reading(Phase.VERIFYING, 1000, 1000, 600.0, 0.0)


def test_a_long_fetch_keeps_few_samples(fake_time: FakeTime) -> None:
    progress = Progress(report=lambda _: None, now=lambda: fake_time.now)
    progress.begin(10**6)
    for _ in range(10_000):
        fake_time.sleep(0.1)
        progress.add(1)
    assert len(progress._samples) < 30
    assert progress.reading() == Reading(Phase.FETCHING, 10_000, 10**6, pytest.approx(10), pytest.approx(99_000))


def test_a_line_comes_every_few_seconds(fake_time: FakeTime) -> None:
    lines: list[str] = []
    progress = Progress(report=lines.append, now=lambda: fake_time.now, every_seconds=5)
    progress.begin(10)
    for _ in range(11):
        fake_time.sleep(1)
        progress.add(1)
    assert len(lines) == 2


def failing(times: int) -> "list[SourceUnreachable]":
    return [SourceUnreachable("gone") for _ in range(times)]


def attempt(errors: "list[SourceUnreachable]") -> str:
    if errors:
        raise errors.pop()
    return "answer"


def test_delays_double_up_to_the_longest(patience: Patience, fake_time: FakeTime) -> None:
    failures = failing(5)
    assert retry(patience, lambda: attempt(failures)) == "answer"
    assert fake_time.sleeps == [1, 2, 4, 8, 16]


def test_attempts_are_bounded(patience: Patience, fake_time: FakeTime) -> None:
    failures = failing(100)
    with pytest.raises(SourceUnreachable, match=r"gone .*given up after 6 attempts"):
        retry(patience, lambda: attempt(failures))
    assert len(failures) == 94


def test_no_delay_goes_beyond_the_deadline(fake_time: FakeTime) -> None:
    patience = Patience(deadline=4, clock=Clock(now=lambda: fake_time.now, sleep=fake_time.sleep))
    failures = failing(100)
    with pytest.raises(SourceUnreachable, match="given up at the deadline"):
        retry(patience, lambda: attempt(failures))
    assert fake_time.sleeps == [1, 2]


def test_what_is_given_up_keeps_its_kind(patience: Patience) -> None:
    with pytest.raises(ConnectionCut, match=r"cut .*given up after 6 attempts"):
        retry(patience, lambda: attempt([ConnectionCut("cut")]))


def test_what_is_too_slow_is_not_tried_again_at_once(patience: Patience, fake_time: FakeTime) -> None:
    with pytest.raises(SourceTooSlow, match=r"slow$"):
        retry(patience, lambda: attempt([SourceTooSlow("slow")]))
    assert fake_time.sleeps == []


def test_the_deadline_ends_what_drips(patience: Patience, fake_time: FakeTime) -> None:
    fake_time.now = patience.deadline + 1
    with pytest.raises(SourceTooSlow, match="not finished at the deadline"):
        patience.check("file")
