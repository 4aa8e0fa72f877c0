"""The engine's thread: bounds, closing, and what it does when it cannot go on."""

import threading
from collections.abc import Iterator, Sequence

import pytest
import torch

from model_runtime.engines.batcher import Batcher
from model_runtime.engines.errors import EngineDiedError, QueueFullError
from model_runtime.engines.kv_blocks import BlockPool
from model_runtime.engines.llama import Span
from model_runtime.engines.scheduler import Scheduler
from model_runtime.engines.sequence import Request
from tests.runtime.engines.generating import Recorder
from tests.runtime.engines.test_batcher import Model, ask, tokenizer

SECONDS = 10.0


class Waited(Recorder):
    """A sink that can be waited for; not a dataclass of its own, which would compare by value."""

    def __init__(self) -> None:
        super().__init__()
        self.done = threading.Event()

    def send(self, piece: object) -> None:
        super().send(piece)
        if self.ended:
            self.done.set()

    def fail(self, error: Exception) -> None:
        super().fail(error)
        self.done.set()


class GatedModel(Model):
    """Runs nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.entered = threading.Event(), threading.Event()

    def __call__(self, spans: Sequence[Span]) -> torch.Tensor:
        self.entered.set()
        assert self.gate.wait(SECONDS)
        return super().__call__(spans)


@pytest.fixture
def model() -> Iterator[GatedModel]:
    model = GatedModel()
    yield model
    model.gate.set()


def start(model: Model, *, max_active: int = 2, max_queued: int = 2) -> tuple[Scheduler, list[Exception]]:
    deaths: list[Exception] = []
    batcher = Batcher(model, BlockPool(64), tokenizer(), max_active)
    return Scheduler(batcher, max_queued=max_queued, on_death=deaths.append), deaths


def wanted(count: int) -> tuple[Request, Waited]:
    sink = Waited()
    return ask([1], count, sink)[0], sink


def test_one_request_too_many_is_refused_at_once(model: GatedModel) -> None:
    scheduler, _ = start(model, max_active=1, max_queued=2)
    accepted = [wanted(2) for _ in range(3)]
    scheduler.submit(accepted[0][0])
    assert model.entered.wait(SECONDS)
    for request, _ in accepted[1:]:
        scheduler.submit(request)
    with pytest.raises(QueueFullError, match="2 requests are already waiting"):
        scheduler.submit(wanted(1)[0])
    model.gate.set()
    scheduler.close()
    assert [len(sink.pieces) for _, sink in accepted] == [2, 2, 2]


def test_a_place_that_is_free_again_is_given_again(model: GatedModel) -> None:
    scheduler, _ = start(model, max_active=1, max_queued=1)
    model.gate.set()
    for _ in range(20):
        request, sink = wanted(1)
        while True:
            try:
                scheduler.submit(request)
                break
            except QueueFullError:
                assert sink.done.wait(0.001) is False
        assert sink.done.wait(SECONDS)
    scheduler.close()


def test_closing_lets_accepted_requests_finish(model: GatedModel) -> None:
    scheduler, _ = start(model, max_active=1, max_queued=8)
    sinks = []
    for _ in range(5):
        request, sink = wanted(3)
        scheduler.submit(request)
        sinks.append(sink)
    model.gate.set()
    scheduler.close()
    assert [len(sink.pieces) for sink in sinks] == [3] * 5


def test_many_threads_submit_and_each_gets_its_own_answer(model: GatedModel) -> None:
    model.gate.set()
    scheduler, _ = start(model, max_active=4, max_queued=400)
    sinks = [wanted(5) for _ in range(200)]
    threads = [
        threading.Thread(target=lambda part=part: [scheduler.submit(request) for request, _ in part])
        for part in (sinks[start::4] for start in range(4))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scheduler.close()
    assert all([piece.logprobs[0].token for piece in sink.pieces] == [2, 3, 4, 5, 6] for _, sink in sinks)


def test_an_engine_that_cannot_go_on_tells_everyone_and_dies_once(model: GatedModel) -> None:
    class Broken(GatedModel):
        def __call__(self, spans: Sequence[Span]) -> torch.Tensor:
            super().__call__(spans)
            raise KeyError("a defect")

    broken = Broken()
    scheduler, deaths = start(broken, max_active=1, max_queued=4)
    running, waiting = wanted(3), wanted(3)
    scheduler.submit(running[0])
    assert broken.entered.wait(SECONDS)
    scheduler.submit(waiting[0])
    broken.gate.set()
    for _, sink in (running, waiting):
        assert sink.done.wait(SECONDS)
        assert isinstance(sink.error, EngineDiedError)
    scheduler.close()
    assert [type(death) for death in deaths] == [KeyError]
    with pytest.raises(EngineDiedError):
        scheduler.submit(wanted(1)[0])
