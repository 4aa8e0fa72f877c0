"""Generations through the batcher, without a thread: what the tests of the engine share."""

from dataclasses import dataclass, field
from typing import Any

from model_runtime.engines.batcher import Batcher
from model_runtime.engines.generate import Piece
from model_runtime.engines.generator import Generator
from model_runtime.engines.sampling import SamplingParameters
from model_runtime.engines.sequence import Request

# No test needs more steps; a batcher that goes round in circles fails it.
MOST_STEPS = 20_000


@dataclass(slots=True)
class Recorder:
    """A sink that keeps what it gets."""

    pieces: list[Piece] = field(default_factory=list)
    error: Exception | None = None
    cancelled: bool = False

    def is_cancelled(self) -> bool:
        return self.cancelled

    def send(self, piece: Piece) -> None:
        self.pieces.append(piece)

    def fail(self, error: Exception) -> None:
        self.error = error

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def ended(self) -> bool:
        return self.error is not None or (bool(self.pieces) and self.pieces[-1].finish_reason is not None)


def request(generator: Generator, prompt: list[int], sink: Recorder, **sampling: Any) -> Request:
    return generator.read(prompt, SamplingParameters(**sampling), sink)


def run(batcher: Batcher) -> None:
    """Step until nothing is left."""
    for _ in range(MOST_STEPS):
        if batcher.idle:
            return
        batcher.step(0.0)
    raise AssertionError(f"still {len(batcher.running)} running, {len(batcher.waiting)} waiting")


def generate(generator: Generator, prompt: list[int], **sampling: Any) -> Recorder:
    """Run one generation alone."""
    batcher, sink = generator.batcher(max_active=1), Recorder()
    batcher.add(request(generator, prompt, sink, **sampling))
    run(batcher)
    if sink.error is not None:
        raise sink.error
    return sink


def tokens_of(sink: Recorder) -> list[int]:
    """Return the tokens of a generation that was run with `logprobs`."""
    return [piece.logprobs[0].token for piece in sink.pieces]
