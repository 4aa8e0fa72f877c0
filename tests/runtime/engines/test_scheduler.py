"""The scheduler with generations made by hand: turns, bounds, cancellation, failure."""

import threading
from collections.abc import Iterator

import pytest

from model_runtime.engines.errors import CancelledError, QueueFullError
from model_runtime.engines.generate import FinishReason, Piece
from model_runtime.engines.scheduler import Scheduler

SECONDS = 10.0


class Recorder:
    """A sink that keeps what it gets; `log` is shared to see the order over several."""

    def __init__(self, log: list[str] | None = None) -> None:
        self.log = log if log is not None else []
        self.error: Exception | None = None
        self.cancelled = False
        self.ended = threading.Event()

    def is_cancelled(self) -> bool:
        return self.cancelled

    def send(self, piece: Piece) -> None:
        self.log.append(piece.text)
        if piece.finish_reason is not None:
            self.ended.set()

    def fail(self, error: Exception) -> None:
        self.error = error
        self.ended.set()


def spoken(*texts: str) -> Iterator[Piece]:
    for text in texts[:-1]:
        yield Piece(text, 1)
    yield Piece(texts[-1], 1, FinishReason.STOP)


def gated(gate: threading.Event, started: threading.Event | None = None) -> Iterator[Piece]:
    if started is not None:
        started.set()
    assert gate.wait(SECONDS)
    yield Piece("gate", 1, FinishReason.STOP)


def test_active_requests_take_turns() -> None:
    scheduler, gate, log = Scheduler(max_active=3, max_queued=8), threading.Event(), list[str]()
    started, first, second, third = threading.Event(), Recorder(log), Recorder(log), Recorder(log)
    scheduler.submit(gated(gate, started), first)
    assert started.wait(SECONDS)
    scheduler.submit(spoken("a1", "a2", "a3"), second)
    scheduler.submit(spoken("b1", "b2"), third)
    gate.set()
    scheduler.close()
    assert log == ["gate", "a1", "b1", "a2", "b2", "a3"]


def test_one_request_too_many_is_refused_at_once() -> None:
    scheduler, gate, started = Scheduler(max_active=1, max_queued=2), threading.Event(), threading.Event()
    scheduler.submit(gated(gate, started), Recorder())
    assert started.wait(SECONDS)
    waiting = [Recorder(), Recorder()]
    for sink in waiting:
        scheduler.submit(spoken("x"), sink)
    with pytest.raises(QueueFullError, match="2 requests are already waiting"):
        scheduler.submit(spoken("x"), Recorder())
    gate.set()
    scheduler.close()
    assert [sink.log for sink in waiting] == [["x"], ["x"]]


def test_a_cancelled_request_stops_before_its_next_token() -> None:
    scheduler, sink = Scheduler(max_active=1, max_queued=2), Recorder()

    def endless() -> Iterator[Piece]:
        while True:
            sink.cancelled = len(sink.log) >= 3
            yield Piece("x", 1)

    scheduler.submit(endless(), sink)
    scheduler.close()
    assert isinstance(sink.error, CancelledError)
    assert len(sink.log) == 4


def test_a_failing_request_does_not_disturb_the_others() -> None:
    def failing() -> Iterator[Piece]:
        yield Piece("x", 1)
        raise MemoryError("no more")

    scheduler, broken, whole = Scheduler(max_active=2, max_queued=2), Recorder(), Recorder()
    scheduler.submit(failing(), broken)
    scheduler.submit(spoken("a", "b", "c"), whole)
    scheduler.close()
    assert isinstance(broken.error, MemoryError)
    assert whole.log == ["a", "b", "c"]


@pytest.mark.parametrize("cancelled", [False, True], ids=["while it answers", "when its client has gone"])
def test_a_request_that_cannot_be_told_of_its_failure_does_not_end_the_engine(cancelled: bool) -> None:
    class Broken(Recorder):
        def send(self, piece: Piece) -> None:
            raise RuntimeError("no room for the answer")

        def fail(self, error: Exception) -> None:
            raise RuntimeError("no room for the error")

    scheduler, broken, whole = Scheduler(max_active=1, max_queued=2), Broken(), Recorder()
    broken.cancelled = cancelled
    scheduler.submit(spoken("x"), broken)
    scheduler.submit(spoken("a", "b"), whole)
    assert whole.ended.wait(SECONDS)
    scheduler.close()
    assert whole.log == ["a", "b"]
