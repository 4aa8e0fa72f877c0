"""Rotary positions (arXiv:2104.09864): how fast each pair of a head turns, with the scalings that published models use.

Without torch in the configuration: `read_rope` is called by `llama_config`, so by the resolve Job too;
`inverse_frequencies` by `llama.load`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from model_runtime.engines.config import Config, number
from model_runtime.engines.errors import InvalidConfigError, UnsupportedModelError


class Scaling(StrEnum):
    """How positions beyond the original context are told apart, by the library's names."""

    DEFAULT = "default"
    LINEAR = "linear"  # all positions lie closer: arXiv:2306.15595
    LLAMA3 = "llama3"  # only slow pairs turn slower: Llama 3.1's own


@dataclass(frozen=True, slots=True)
class Rope:
    """`theta` is the base; `original_context` and the two factors are those of LLAMA3."""

    theta: float
    scaling: Scaling = Scaling.DEFAULT
    factor: float = 1.0
    low_frequency_factor: float = 1.0
    high_frequency_factor: float = 4.0
    original_context: float = 8192.0


def read_rope(config: Config) -> Rope:
    """Read either spelling: `rope_theta` with `rope_scaling`, and since transformers 5 `rope_parameters`.

    Raises:
        InvalidConfigError: a value that no model can have.
        UnsupportedModelError: another scaling.

    """
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rope, Mapping):
        raise InvalidConfigError(f"config.json: rope parameters are {rope!r:.80}; expected an object")
    kind = rope.get("rope_type", rope.get("type", Scaling.DEFAULT.value))
    if kind not in set(Scaling):
        raise UnsupportedModelError(f"config.json: rope type is {kind!r:.80}; supported: {', '.join(Scaling)}")
    read = Rope(
        theta=number(rope, "rope_theta", number(config, "rope_theta", 10_000.0)),
        scaling=Scaling(kind),
        factor=number(rope, "factor", 1.0),
        low_frequency_factor=number(rope, "low_freq_factor", 1.0),
        high_frequency_factor=number(rope, "high_freq_factor", 4.0),
        original_context=number(rope, "original_max_position_embeddings", 8192.0),
    )
    if read.high_frequency_factor <= read.low_frequency_factor:
        raise InvalidConfigError(
            f"config.json: high_freq_factor is {read.high_frequency_factor}; "
            f"expected more than low_freq_factor, {read.low_frequency_factor}"
        )
    return read


def inverse_frequencies(rope: Rope, head_size: int) -> list[float]:
    """Return the angle that each pair of a head turns from one position to the next, in radians, [D / 2]."""
    plain = [rope.theta ** -(pair / head_size) for pair in range(0, head_size, 2)]
    match rope.scaling:
        case Scaling.DEFAULT:
            return plain
        case Scaling.LINEAR:
            return [angle / rope.factor for angle in plain]
        case Scaling.LLAMA3:
            return [_llama3(rope, angle) for angle in plain]


def _llama3(rope: Rope, angle: float) -> float:
    """Slow pairs, which turn less than once in the original context, turn slower; in between there is a ramp."""
    turns = rope.original_context * angle / (2 * math.pi)
    ramp = (turns - rope.low_frequency_factor) / (rope.high_frequency_factor - rope.low_frequency_factor)
    kept = min(max(ramp, 0.0), 1.0)
    return kept * angle + (1 - kept) * angle / rope.factor
