"""Progress lines and patience, with a clock that only tests move."""

import pytest

from model_runtime.errors import SourceUnreachable
from model_runtime.fetch.progress import Progress, describe
from model_runtime.fetch.retry import Clock, Patience, retry
from tests.runtime.fetch.conftest import FakeTime

LINES = [
    ("nothing yet", (0, 10_000_000, 5.0), "fetched 0.0 of 10.0 MB at 0.0 MB/s"),
    ("half way", (5_000_000, 10_000_000, 5.0), "fetched 5.0 of 10.0 MB at 1.0 MB/s, about 5 s left"),
    ("the end", (10_000_000, 10_000_000, 5.0), "fetched 10.0 of 10.0 MB at 2.0 MB/s"),
    ("in no time", (1, 1, 0.0), "fetched 0.0 of 0.0 MB at 0.0 MB/s"),
]


@pytest.mark.parametrize(("sentence", "figures", "line"), LINES, ids=[case[0] for case in LINES])
def test_the_line_says_how_far(sentence: str, figures: tuple[int, int, float], line: str) -> None:
    assert describe(*figures) == line


def test_a_line_comes_every_few_seconds(fake_time: FakeTime) -> None:
    lines: list[str] = []
    progress = Progress(total=10, report=lines.append, now=lambda: fake_time.now, every_seconds=5)
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
