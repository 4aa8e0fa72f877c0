"""`python -m bench.runtime.generation_llamacpp GGUF BF16 THREADS`: llama.cpp, run by its own environment's Python.

Writes the model of the first file to the second in bfloat16, and loads that. It knows nothing but `calls` and the C
functions of llama.cpp as `llama_cpp` names them. Answers calls.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import llama_cpp

from bench.runtime.calls import answer_calls

# Beyond prompt and answer: llama.cpp rounds up to a multiple of this many tokens.
_ROUNDING = 256


@dataclass(frozen=True, slots=True)
class LlamaCpp:
    """The call."""

    model: Any
    threads: int

    def generate(self, prompts: list[list[int]], tokens: int) -> dict[str, list[list[float]]]:
        """Run the prompts one after the other, then all sequences together, greedily; return when each token came."""
        length = max(map(len, prompts)) + tokens
        with self._context(len(prompts), length) as context, _greedy() as sampler, _batch(length) as batch:
            chosen = []
            for sequence, prompt in enumerate(prompts):
                last = len(prompt) - 1
                _fill(batch, [(token, place, sequence, place == last) for place, token in enumerate(prompt)])
                _decode(context, batch)
                chosen.append(llama_cpp.llama_sampler_sample(sampler, context, last))
            stamps = [time.perf_counter()]
            for step in range(tokens - 1):
                _fill(batch, [(token, len(prompts[row]) + step, row, True) for row, token in enumerate(chosen)])
                _decode(context, batch)
                chosen = [llama_cpp.llama_sampler_sample(sampler, context, row) for row in range(len(prompts))]
                stamps.append(time.perf_counter())
        return {"stamps": [stamps for _ in prompts]}

    @contextmanager
    def _context(self, sequences: int, length: int) -> Iterator[Any]:
        settings = llama_cpp.llama_context_default_params()
        settings.n_seq_max = sequences
        settings.n_ctx = sequences * (length + _ROUNDING)
        settings.n_batch = settings.n_ubatch = max(length, sequences)
        settings.n_threads = settings.n_threads_batch = self.threads
        context = llama_cpp.llama_init_from_model(self.model, settings)
        if not context:
            raise MemoryError("llama.cpp made no context")
        try:
            yield context
        finally:
            llama_cpp.llama_free(context)


@contextmanager
def _greedy() -> Iterator[Any]:
    sampler = llama_cpp.llama_sampler_init_greedy()
    try:
        yield sampler
    finally:
        llama_cpp.llama_sampler_free(sampler)


@contextmanager
def _batch(rows: int) -> Iterator[Any]:
    batch = llama_cpp.llama_batch_init(rows, 0, 1)
    try:
        yield batch
    finally:
        llama_cpp.llama_batch_free(batch)


def _fill(batch: Any, rows: Sequence[tuple[int, int, int, bool]]) -> None:  # noqa: ANN401 - a C structure
    """Write rows of token, place, sequence, and whether its logits are wanted."""
    batch.n_tokens = len(rows)
    for row, (token, place, sequence, wanted) in enumerate(rows):
        batch.token[row], batch.pos[row] = token, place
        batch.n_seq_id[row], batch.seq_id[row][0] = 1, sequence
        batch.logits[row] = wanted


def _decode(context: Any, batch: Any) -> None:  # noqa: ANN401
    if code := llama_cpp.llama_decode(context, batch):
        raise RuntimeError(f"llama_decode returned {code}")


def to_bfloat16(source: str, target: str) -> None:
    """Write a GGUF file with every matrix in bfloat16.

    Raises:
        RuntimeError: llama.cpp did not write it.

    """
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_BF16
    settings.allow_requantize = True
    if code := llama_cpp.llama_model_quantize(source.encode(), target.encode(), settings):
        raise RuntimeError(f"llama_model_quantize returned {code}")


def main(arguments: Sequence[str]) -> int:
    """Write the model in bfloat16 and load it, then answer calls."""
    source, target, threads = arguments
    llama_cpp.llama_backend_init()
    to_bfloat16(source, target)
    model = llama_cpp.llama_model_load_from_file(target.encode(), llama_cpp.llama_model_default_params())
    if not model:
        raise RuntimeError(f"llama.cpp cannot load {target}")
    answer_calls({"generate": LlamaCpp(model, int(threads)).generate})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
