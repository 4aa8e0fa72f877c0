"""Where the time of a decode step goes, by watching the engine's own batcher from both of its ends.

model       the function that runs the model, from its call to its logits
sampling    from the logits to the last token's piece, less what the text took
text        the same tokens through a `TextStream` once more, by themselves
other       the rest of a step: who waits, who is admitted, blocks of the cache
Called by `generation_ours`; what is sent and how long that takes is not seen here, but by a client of the replica.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from torch import Tensor

from model_runtime.engines.batcher import Forward
from model_runtime.engines.generate import Piece, TextStream
from model_runtime.engines.generator import Generator
from model_runtime.engines.llama import Span
from model_runtime.engines.sequence import Request
from model_runtime.engines.sequence import Sequence as Running

_MILLISECONDS = 1e3


class Silence:
    """A sink that needs no time; it raises what must not be kept quiet."""

    def is_cancelled(self) -> bool:
        """Say no."""
        return False

    def send(self, piece: Piece) -> None:
        """Drop a piece."""

    def fail(self, error: Exception) -> None:
        """Raise."""
        raise error


@dataclass(slots=True)
class _Watch:
    """The last run of the model: when it began, when it ended, and whether it was a token of each sequence."""

    sequences: int
    began: float = 0.0
    ended: float = 0.0
    decoding: bool = False

    def watched(self, forward: Forward) -> Forward:
        def run(spans: Sequence[Span]) -> Tensor:
            self.decoding = len(spans) == self.sequences and all(len(span.tokens) == 1 for span in spans)
            self.began = time.perf_counter()
            logits = forward(spans)
            self.ended = time.perf_counter()
            return logits

        return run


@dataclass(slots=True)
class _Steps:
    """Seconds of each decode step."""

    whole: list[float] = field(default_factory=list)
    model: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)


def phases(generator: Generator, requests: Sequence[Request]) -> dict[str, float]:
    """Run the requests together; return the medians of milliseconds of a step in which all of them decode."""
    watch, steps, batcher = _Watch(len(requests)), _Steps(), generator.batcher(len(requests))
    batcher = replace(batcher, forward=watch.watched(batcher.forward))
    for request in requests:
        batcher.add(request)
    sequences = list(batcher.waiting)
    while not batcher.idle:
        began = time.perf_counter()
        batcher.step(began)
        ended = time.perf_counter()
        if watch.decoding:
            steps.whole.append(ended - began)
            steps.model.append(watch.ended - watch.began)
            steps.after.append(ended - watch.ended)
    whole, model, after = (median(part) * _MILLISECONDS for part in (steps.whole, steps.model, steps.after))
    text = sum(_text_seconds(generator, one) for one in sequences) * _MILLISECONDS
    return {"step": whole, "model": model, "sampling": after - text, "text": text, "other": whole - model - after}


def _text_seconds(generator: Generator, sequence: Running) -> float:
    """Return the seconds that the text of one token takes."""
    generation = sequence.request.generation
    stream = TextStream(generator.tokenizer, generation)
    return median(_push_seconds(stream, token) for token in sequence.tokens[len(generation.prompt) :])


def _push_seconds(stream: TextStream, token: int) -> float:
    began = time.perf_counter()
    stream.push(token)
    return time.perf_counter() - began
