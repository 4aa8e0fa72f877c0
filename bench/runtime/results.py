"""What the benchmark of the engine measured, and its table and JSON line. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.figures import percentile

_MILLISECONDS = 1e3


@dataclass(frozen=True, slots=True)
class Race:
    """Tokens or sentences a second in each round, ours and another's in turn."""

    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def ratio(self) -> float:
        """The median of ours over the median of theirs."""
        return median(self.ours) / median(self.theirs)


@dataclass(frozen=True, slots=True)
class Generation:
    """SmolLM2 in bfloat16; the races with llama.cpp are None where it could not run, for the reason."""

    one: Race
    fifo: Race
    generate_batch: Race
    llamacpp_one: Race | None
    llamacpp_eight: Race | None
    llamacpp_reason: str | None


@dataclass(frozen=True, slots=True)
class Embedding:
    """MiniLM in one dtype; `cosine` is the smallest between a vector of ours and the reference's."""

    one: Race
    batch: Race
    cosine: float


@dataclass(frozen=True, slots=True)
class Start:
    """A cold start: seconds until prepare has ended, and until the frontend is ready; what the replica holds then."""

    prepared: float
    ready: float
    resident_mib: float


@dataclass(frozen=True, slots=True)
class Serving:
    """A replica of SmolLM2 in bfloat16; times in seconds, `phases` in milliseconds by how many decode together."""

    starts: Sequence[Start]
    first_tokens: Sequence[float]
    served: Sequence[float]
    direct: Sequence[float]
    phases: Mapping[int, Mapping[str, float]]

    @property
    def overhead_milliseconds(self) -> float:
        """What a request takes more through frontend and Triton than by a call of the engine."""
        return (median(self.served) - median(self.direct)) * _MILLISECONDS

    @property
    def resident_mib(self) -> float:
        """The median of the starts."""
        return median(start.resident_mib for start in self.starts)

    @property
    def ready(self) -> float:
        """The median of the starts."""
        return median(start.ready for start in self.starts)

    def first_token_milliseconds(self, percent: float) -> float:
        """Return a percentile of the times to the first token."""
        return percentile(self.first_tokens, percent) * _MILLISECONDS


@dataclass(frozen=True, slots=True)
class Results:
    """Everything, of one run on so many threads; `embeddings` by dtype."""

    threads: int
    generation: Generation
    embeddings: Mapping[str, Embedding]
    serving: Serving


def smallest_cosine(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> float:
    """Return the smallest cosine between two lists of vectors of length 1, pair by pair."""
    return min(sum(a * b for a, b in zip(*pair, strict=True)) for pair in zip(ours, theirs, strict=True))


def table(results: Results) -> str:
    """Return what was measured, a figure a line and where the time of a step goes."""
    generation, serving = results.generation, results.serving
    lines = [
        _race_line("tokens_ratio_1", generation.one),
        _race_line("tokens_ratio_8_fifo", generation.fifo),
        _race_line("tokens_ratio_8_generate_batch", generation.generate_batch),
        _race_line("llamacpp_bf16_ratio_1", generation.llamacpp_one, generation.llamacpp_reason),
        _race_line("llamacpp_bf16_ratio_8", generation.llamacpp_eight, generation.llamacpp_reason),
    ]
    for dtype, found in results.embeddings.items():
        lines.append(_race_line(f"embeddings_ratio_1 {dtype}", found.one))
        lines.append(_race_line(f"embeddings_ratio_32 {dtype}", found.batch) + f"; cosine ≥ {found.cosine:.4f}")
    count = len(serving.first_tokens)
    first = (f"ttft_p{percent}_ms" for percent in (50, 99))
    lines += [
        _line(name, serving.first_token_milliseconds(percent), f"of {count} requests, 4 at a time")
        for name, percent in zip(first, (50, 99), strict=True)
    ]
    prepared = median(start.prepared for start in serving.starts)
    direct, served = (median(times) * _MILLISECONDS for times in (serving.direct, serving.served))
    lines += [
        _line("replica_mib", serving.resident_mib, "Triton, its Python and the frontend, ready"),
        _line("cold_start_seconds", serving.ready, f"of which prepare {prepared:.2f}, median of {len(serving.starts)}"),
        _line("triton_overhead_ms", serving.overhead_milliseconds, f"{served:.1f} over HTTP, {direct:.1f} by a call"),
    ]
    return "\n".join(lines + [_phases_line(count, found) for count, found in serving.phases.items()])


def _line(name: str, figure: float, words: str) -> str:
    return f"{name:<30} {figure:8.2f}   {words}"


def _race_line(name: str, race: Race | None, reason: str | None = None) -> str:
    if race is None:
        return f"{name:<30}     none   {reason}"
    return _line(name, race.ratio, f"{_rates(race.ours)} a second, theirs {_rates(race.theirs)}")


def _rates(rates: Sequence[float]) -> str:
    return f"{median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})"


def _phases_line(count: int, phases: Mapping[str, float]) -> str:
    parts = ", ".join(f"{name} {milliseconds:.2f}" for name, milliseconds in phases.items())
    return f"{f'a decode step of {count}, ms':<30}            {parts}"


def as_json(results: Results) -> str:
    """Return one line; the embeddings' ratios without a dtype are those in bfloat16, as everything else."""
    generation, serving = results.generation, results.serving
    return json.dumps(
        {
            "tokens_ratio_1": round(generation.one.ratio, 2),
            "tokens_ratio_8_fifo": round(generation.fifo.ratio, 2),
            "tokens_ratio_8_generate_batch": round(generation.generate_batch.ratio, 2),
            "llamacpp_bf16_ratio_1": _ratio(generation.llamacpp_one),
            "llamacpp_bf16_ratio_8": _ratio(generation.llamacpp_eight),
            "llamacpp_reason": generation.llamacpp_reason,
            **_embedding_ratios(results.embeddings),
            "ttft_p50_ms": round(serving.first_token_milliseconds(50), 1),
            "ttft_p99_ms": round(serving.first_token_milliseconds(99), 1),
            "ttft_requests": len(serving.first_tokens),
            "replica_mib": round(serving.resident_mib),
            "cold_start_seconds": round(serving.ready, 2),
            "triton_overhead_ms": round(serving.overhead_milliseconds, 2),
            "step_ms": {
                str(count): {name: round(value, 3) for name, value in found.items()}
                for count, found in serving.phases.items()
            },
            "rounds": len(generation.one.ours),
            "threads": results.threads,
        }
    )


def _ratio(race: Race | None) -> float | None:
    return None if race is None else round(race.ratio, 2)


def _embedding_ratios(embeddings: Mapping[str, Embedding]) -> Mapping[str, Any]:
    suffixes = {"BFloat16": "", "Float32": "_float32"}
    return {
        f"embeddings_ratio_{size}{suffixes[dtype]}": round(race.ratio, 2)
        for dtype, found in embeddings.items()
        for size, race in ((1, found.one), (32, found.batch))
    }
