"""The work queue coalesces, never runs a key twice at once, and backs off."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nereid_operator.errors import ApiError, ConflictError, NotLeadingError
from nereid_operator.queue import LONGEST_BACK_OFF_SECONDS, KeyState, Place, Workers, WorkQueue, back_off_seconds


def test_many_adds_are_one_pass():
    queue = WorkQueue[str]()
    for _ in range(5):
        queue.add("a", now=0)
    assert queue.take(now=0) == "a"
    assert queue.take(now=0) is None


def test_a_key_added_while_it_runs_runs_again_afterwards():
    queue = WorkQueue[str]()
    queue.add("a", now=0)
    queue.take(now=0)
    queue.add("a", now=0)
    assert queue.take(now=0) is None
    queue.succeed("a")
    assert queue.take(now=0) == "a"


def test_keys_come_in_the_order_they_were_added():
    queue = WorkQueue[str]()
    for key in ("b", "a", "b", "c"):
        queue.add(key, now=0)
    assert [queue.take(now=0) for _ in range(3)] == ["b", "a", "c"]


def test_failures_back_off_and_success_forgets_them():
    queue = WorkQueue[str]()
    waits = []
    now = 0.0
    queue.add("a", now=0)
    for _ in range(4):
        assert queue.take(now=now) == "a"
        waits.append(queue.fail("a", now=now, chance=0.0))
        assert queue.take(now=now + waits[-1] - 0.01) is None
        now += waits[-1]
    assert waits == [0.5, 1.0, 2.0, 4.0]
    queue.take(now=now)
    queue.succeed("a")
    queue.add("a", now=0)
    queue.take(now=now)
    assert queue.fail("a", now=now, chance=0.0) == 0.5


def test_an_event_does_not_wait_for_the_back_off():
    queue = WorkQueue[str]()
    queue.add("a", now=0)
    queue.take(now=0)
    queue.fail("a", now=0, chance=0.0)
    queue.add("a", now=0)
    assert queue.take(now=0) == "a"


def test_the_age_is_that_of_the_key_that_waits_longest():
    queue = WorkQueue[str]()
    assert queue.oldest_seconds(now=9) == 0
    queue.add("a", now=1)
    queue.add("b", now=3)
    queue.add("a", now=8)
    assert queue.oldest_seconds(now=9) == 8
    queue.take(now=9)
    assert queue.oldest_seconds(now=9) == 6


def test_where_a_key_is_can_be_asked():
    queue = WorkQueue[str]()
    assert queue.state("a", now=0) == KeyState(Place.IDLE, 0, 0)
    queue.add("a", now=1)
    assert queue.state("a", now=4) == KeyState(Place.WAITING, 3, 0)
    queue.take(now=4)
    queue.add("a", now=5)
    assert queue.state("a", now=6) == KeyState(Place.RUNNING, 0, 0)
    queue.take(now=6)
    queue.add_after("b", 10, now=6)
    assert queue.state("b", now=8) == KeyState(Place.LATER, 8, 0)
    queue.fail("a", now=8, chance=0.0)
    assert queue.state("a", now=8).failures == 1


def test_a_delayed_key_is_as_old_as_it_is_overdue():
    queue = WorkQueue[str]()
    queue.add_after("a", 10, now=0)
    queue.add("b", now=11)
    queue.take(now=12)
    assert queue.oldest_seconds(now=12) == 2


def test_the_earliest_of_several_delays_counts():
    queue = WorkQueue[str]()
    queue.add_after("a", 10, now=0)
    queue.add_after("a", 5, now=0)
    queue.add_after("a", 20, now=0)
    assert queue.next_due() == 5
    assert queue.take(now=5) == "a"
    queue.succeed("a")
    assert queue.take(now=30) is None


@given(st.integers(min_value=1, max_value=10_000), st.floats(min_value=0.0, max_value=1.0))
def test_the_back_off_is_bounded(failures: int, chance: float):
    assert 0 < back_off_seconds(failures, chance=chance) <= LONGEST_BACK_OFF_SECONDS


def test_what_failed_together_does_not_come_back_together():
    waits = {back_off_seconds(4, chance=number / 10) for number in range(11)}
    assert len(waits) == 11
    assert (min(waits), max(waits)) == (3.0, 4.0)


def test_a_server_that_wants_to_be_left_alone_is():
    queue = WorkQueue[str]()
    queue.add("a", now=0)
    queue.take(now=0)
    assert queue.fail("a", now=0, chance=0.0, at_least=7.0) == 7.0
    assert queue.next_due() == 7.0


@given(st.lists(st.tuples(st.sampled_from(["add", "take", "succeed", "fail"]), st.sampled_from("abc"))))
def test_a_key_never_runs_twice_at_once(steps: list[tuple[str, str]]):
    queue = WorkQueue[str]()
    running: set[str] = set()
    for now, (step, key) in enumerate(steps):
        if step == "add":
            queue.add(key, now=0)
        elif step == "take" and (taken := queue.take(now=now)) is not None:
            assert taken not in running
            running.add(taken)
        elif step == "succeed" and key in running:
            running.discard(key)
            queue.succeed(key)
        elif step == "fail" and key in running:
            running.discard(key)
            queue.fail(key, now=now, chance=0.0)


async def test_at_most_so_many_passes_run_at_once():
    running, most, finished = 0, 0, asyncio.Event()
    ended: set[int] = set()

    async def handle(key: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        ended.add(key)
        if len(ended) == 20:
            finished.set()

    workers = Workers(
        WorkQueue[int](), handle, concurrency=3, clock=asyncio.get_running_loop().time, chance=lambda: 0.0
    )
    task = asyncio.create_task(workers.run())
    for key in range(20):
        workers.add(key)
    await asyncio.wait_for(finished.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert most == 3


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotLeadingError("b does not hold the Lease"), "a: the pass was ended, the next leader makes it"),
        (ConflictError(409, "modified"), "a: the pass failed, next try in 0.5 s: 409: modified"),
        (ApiError(429, "too many", retry_after_seconds=3.0), "a: the pass failed, next try in 3.0 s: 429: too many"),
    ],
    ids=["not leading any more", "an object that has changed", "a server that has too much to do"],
)
async def test_what_is_to_be_expected_is_one_line_in_the_log(
    error: Exception, said: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO")

    async def handle(_: str) -> None:
        raise error

    workers = Workers(
        WorkQueue[str](), handle, concurrency=1, clock=asyncio.get_running_loop().time, chance=lambda: 0.0
    )
    await workers._pass("a")
    assert said in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_key_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture):
    done = asyncio.Event()

    async def handle(key: str) -> None:
        if key == "bad":
            raise ValueError("no")
        done.set()

    workers = Workers(
        WorkQueue[str](), handle, concurrency=1, clock=asyncio.get_running_loop().time, chance=lambda: 0.0
    )
    task = asyncio.create_task(workers.run())
    workers.add("bad")
    workers.add("good")
    await asyncio.wait_for(done.wait(), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "bad: the pass failed, next try in 0.5 s" in caplog.text
