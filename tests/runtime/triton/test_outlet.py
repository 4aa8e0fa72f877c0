"""The watch over what is sent to Triton, without Triton."""

import threading
from queue import Empty, Queue
from typing import Any

import pytest

from model_runtime.triton.outlet import Outlet, TritonStuckError


class Sender:
    """Takes what is sent when it is let."""

    def __init__(self) -> None:
        self.taken: list[tuple[Any, ...]] = []
        self.let = threading.Event()

    def send(self, *arguments: Any, flags: int = 0) -> None:
        self.let.wait()
        self.taken.append((*arguments, flags))

    def is_cancelled(self) -> int:
        return 1


def test_what_takes_too_long_is_told_once() -> None:
    sender, told = Sender(), Queue[Exception]()
    times = iter([0.0])
    outlet = Outlet(told.put, stuck_seconds=30.0, now=lambda: next(times, 31.0))
    thread = threading.Thread(target=outlet.watched(sender).send, args=("a piece",))
    thread.start()
    try:
        error = told.get(timeout=20)
    finally:
        sender.let.set()
        thread.join()
    assert isinstance(error, TritonStuckError)
    assert str(error) == "triton has not taken an answer for 31 s"


def test_what_is_taken_is_passed_on_and_forgotten() -> None:
    sender, told = Sender(), Queue[Exception]()
    outlet = Outlet(told.put, stuck_seconds=0.0)
    sender.let.set()
    watched = outlet.watched(sender)
    watched.send("a piece", flags=1)
    assert watched.is_cancelled() is True
    assert sender.taken == [("a piece", 1)]
    outlet.close()
    assert told.empty()


def test_a_call_that_fails_is_over() -> None:
    told = Queue[Exception]()
    outlet = Outlet(told.put, stuck_seconds=0.5)
    with pytest.raises(ZeroDivisionError), outlet.calling():
        _ = 1 / 0
    with pytest.raises(Empty):
        told.get(timeout=2.5)  # two looks
    outlet.close()
