"""What is too slow: bytes in a stretch of waiting for the source, on all connections together, and nothing else."""

from collections.abc import Iterator

import pytest

from model_runtime.errors import SourceTooSlow
from model_runtime.fetch.http import retry_after_seconds
from model_runtime.fetch.pace import Limits, Pace
from tests.runtime.fetch.conftest import FakeTime

LIMITS = Limits(slow_seconds=60, bytes_per_second=100)


def arriving(fake_time: FakeTime, *chunks: tuple[float, int]) -> Iterator[bytes]:
    """Give chunks of so many bytes, each after so many seconds."""
    for seconds, count in chunks:
        fake_time.now += seconds
        yield bytes(count)


ENOUGH = [
    ("much at once", [(0.1, 10**6)] * 3),
    ("just enough", [(10, 1000)] * 20),
    ("nothing for long, then much", [(59, 1), (2, 6100)]),
    ("little, but for a short time", [(1, 1)] * 59),
]


@pytest.mark.parametrize(("sentence", "chunks"), ENOUGH, ids=[case[0] for case in ENOUGH])
def test_enough(sentence: str, chunks: list[tuple[float, int]], fake_time: FakeTime) -> None:
    pace = Pace(LIMITS, lambda: fake_time.now)
    given = list(pace.watched("file", arriving(fake_time, *chunks)))
    assert [len(chunk) for chunk in given] == [count for _, count in chunks]


TOO_SLOW = [
    ("a drip", [(1, 1)] * 61, "60 bytes in 60 s: expected at least 100 a second"),
    ("much, and then a drip", [(1, 10**6), *[(1, 1)] * 120], "60 bytes in 60 s"),
    ("a little less than enough", [(10, 999)] * 6, "5994 bytes in 60 s"),
]


@pytest.mark.parametrize(("sentence", "chunks", "says"), TOO_SLOW, ids=[case[0] for case in TOO_SLOW])
def test_too_slow(sentence: str, chunks: list[tuple[float, int]], says: str, fake_time: FakeTime) -> None:
    pace = Pace(LIMITS, lambda: fake_time.now)
    with pytest.raises(SourceTooSlow, match=f"file: {says}"):
        list(pace.watched("file", arriving(fake_time, *chunks)))


def test_the_time_of_a_slow_disk_does_not_count(fake_time: FakeTime) -> None:
    pace = Pace(LIMITS, lambda: fake_time.now)
    for _ in pace.watched("file", arriving(fake_time, *[(0.5, 60)] * 100)):
        fake_time.now += 30


def test_the_time_between_two_attempts_does_not_count(fake_time: FakeTime) -> None:
    pace = Pace(LIMITS, lambda: fake_time.now)
    for _ in range(10):
        list(pace.watched("file", arriving(fake_time, (1, 120))))
        fake_time.now += 120


def test_the_connections_of_a_model_count_together(fake_time: FakeTime) -> None:
    pace = Pace(LIMITS, lambda: fake_time.now)
    dripping = pace.watched("slow", arriving(fake_time, *[(1, 1)] * 200))
    steady = pace.watched("fast", arriving(fake_time, *[(0, 200)] * 200))
    for _ in range(200):
        next(steady)
        next(dripping)


HEADERS = [
    ("nothing is said", {}, 0),
    ("seconds", {"retry-after": "7"}, 7),
    ("less than nothing", {"retry-after": "-7"}, 0),
    ("no number", {"retry-after": "soon"}, 0),
    ("a date without the server's own", {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
    (
        "a date by the server's own",
        {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "Wed, 21 Oct 2015 07:27:30 GMT"},
        30,
    ),
    (
        "a date that has passed",
        {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "Wed, 21 Oct 2015 08:00:00 GMT"},
        0,
    ),
]


@pytest.mark.parametrize(("sentence", "headers", "seconds"), HEADERS, ids=[case[0] for case in HEADERS])
def test_when_to_come_back(sentence: str, headers: dict[str, str], seconds: float) -> None:
    assert retry_after_seconds(headers) == seconds
