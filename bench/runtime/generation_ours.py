"""`python -m bench.runtime.generation_ours FOLDER`: the engine, called without Triton; answers calls (`calls`).

Each call runs on a cache that knows no prompt yet, so that none is spared what another had to do.
"""

import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bench.runtime.calls import answer_calls
from bench.runtime.phases import Silence, phases
from bench.runtime.workload import REQUESTS
from model_runtime.engines.device import Device
from model_runtime.engines.dtype import Dtype
from model_runtime.engines.generate import Piece
from model_runtime.engines.generator import Generator, load
from model_runtime.engines.placement import choose_placement
from model_runtime.engines.sampling import SamplingParameters
from model_runtime.engines.scheduler import Scheduler


@dataclass(slots=True)
class Stamps:
    """A sink that notes when each token came."""

    times: list[float] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def is_cancelled(self) -> bool:
        return False

    def send(self, piece: Piece) -> None:
        self.times += [time.perf_counter()] * piece.tokens
        if piece.finish_reason is not None:
            self.ended.set()

    def fail(self, error: Exception) -> None:
        self.error = error
        self.ended.set()

    def wait(self) -> list[float]:
        self.ended.wait()
        if self.error is not None:
            raise self.error
        return self.times


def _greedy(tokens: int) -> SamplingParameters:
    return SamplingParameters(temperature=0, max_tokens=tokens, ignore_eos=True)


@dataclass(frozen=True, slots=True)
class Engine:
    """The calls."""

    generator: Generator

    def generate(self, prompts: list[list[int]], tokens: int, every: float = 0.0) -> dict[str, Any]:
        """Generate for prompts that arrive one after the other; return when they began to, and when each token came."""
        scheduler, sinks = self._scheduler(), [Stamps() for _ in prompts]
        try:
            begin = time.perf_counter()
            for index, (prompt, sink) in enumerate(zip(prompts, sinks, strict=True)):
                time.sleep(max(0.0, begin + index * every - time.perf_counter()))
                scheduler.submit(self.generator.read(prompt, _greedy(tokens), sink))
            return {"begin": begin, "stamps": [sink.wait() for sink in sinks]}
        finally:
            scheduler.close()

    def requests(self, text: str, tokens: int, count: int) -> list[float]:
        """Return the seconds of each of several requests, from the text to the last token."""
        scheduler = self._scheduler()
        try:
            return [self._request(scheduler, text, tokens) for _ in range(count)]
        finally:
            scheduler.close()

    def _request(self, scheduler: Scheduler, text: str, tokens: int) -> float:
        begin, sink = time.perf_counter(), Stamps()
        scheduler.submit(self.generator.read(self.generator.tokenizer.encode(text), _greedy(tokens), sink))
        return sink.wait()[-1] - begin

    def _scheduler(self) -> Scheduler:
        return Scheduler(self.generator.batcher(REQUESTS), max_queued=REQUESTS, on_death=lambda _: None)

    def phases(self, prompts: list[list[int]], tokens: int) -> dict[str, float]:
        """Return the milliseconds of a decode step of all prompts together, by what they are spent on."""
        return phases(self.generator, [self.generator.read(one, _greedy(tokens), Silence()) for one in prompts])


def main(arguments: Sequence[str]) -> int:
    """Load the model in bfloat16 and answer calls."""
    (folder,) = arguments
    engine = Engine(load(Path(folder), choose_placement(Device.CPU, Dtype.BFLOAT16, stored=torch.bfloat16)))
    answer_calls({"generate": engine.generate, "requests": engine.requests, "phases": engine.phases})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
