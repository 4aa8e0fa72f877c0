"""How much memory a model takes, from its sizes alone. Pure, and without torch; called by `loadable`.

The figures are for the CPU, where the engine computes in float32; resolve reports them, and the operator gives a
replica memory by them.
"""

from dataclasses import dataclass
from math import prod

from model_runtime.engines.llama_config import LlamaConfig
from model_runtime.engines.tensors import Shapes

_FLOAT32_BYTES = 4


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of the weights and, for a decoder, of the KV cache of one token, and its longest context in tokens."""

    weights_bytes: int
    kv_bytes_per_token: int | None = None
    context_length: int | None = None


def llama_footprint(config: LlamaConfig, shapes: Shapes) -> Footprint:
    """Return the footprint of a decoder: each layer keeps a key and a value per token and key/value head."""
    return Footprint(
        weights_bytes=_weights_bytes(shapes),
        kv_bytes_per_token=2 * config.layers * config.kv_heads * config.head_size * _FLOAT32_BYTES,
        context_length=config.context,
    )


def stateless_footprint(shapes: Shapes) -> Footprint:
    """Return the footprint of a model that keeps nothing between requests: an encoder, a classifier, tensors."""
    return Footprint(weights_bytes=_weights_bytes(shapes))


def _weights_bytes(shapes: Shapes) -> int:
    return _FLOAT32_BYTES * sum(map(prod, shapes.values()))
