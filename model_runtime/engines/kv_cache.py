"""The keys and values of all generations, in blocks of a few tokens: allocated once, so that its memory is bounded.

`kv_blocks` says which block belongs to whom; `llama.forward` writes and reads them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model_runtime.engines.errors import InvalidModelError
from model_runtime.engines.llama_config import LlamaConfig
from model_runtime.engines.placement import Placement

BLOCK_TOKENS = 16
_FULL_CONTEXTS = 2
# The rest is for activations, which come and go, and for what CUDA keeps to itself.
_FREE_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class KVCache:
    """L layers, N blocks, K key/value heads, S tokens a block, D head size; written in place."""

    keys: Tensor  # [L, N, K, S, D]
    values: Tensor  # [L, N, K, S, D]


def allocate_cache(config: LlamaConfig, placement: Placement, blocks: int) -> KVCache:
    """Return a cache of so many blocks; on a CPU its memory is touched only as it fills."""
    shape = (config.layers, blocks, config.kv_heads, BLOCK_TOKENS, config.head_size)
    keys, values = (torch.empty(shape, dtype=placement.dtype, device=placement.device) for _ in range(2))
    return KVCache(keys=keys, values=values)


def block_bytes(config: LlamaConfig, dtype: torch.dtype) -> int:
    """Return what one block takes in all layers, keys and values together."""
    return 2 * config.layers * config.kv_heads * BLOCK_TOKENS * config.head_size * dtype.itemsize


def blocks_for(tokens: int) -> int:
    """Return how many blocks so many tokens fill or begin."""
    return -(-tokens // BLOCK_TOKENS)


def cache_blocks(config: LlamaConfig, placement: Placement, wanted_bytes: int | None, free: int | None) -> int:
    """Return how many blocks a cache gets: as many as were asked for in bytes, else two full contexts.

    On a GPU, whose `free` bytes are known, a cache that nobody has sized takes most of them instead. One block is the
    least: InvalidModelError where not even that fits into what was asked for.
    """
    size = block_bytes(config, placement.dtype)
    if wanted_bytes is None and free is None:
        return blocks_for(_FULL_CONTEXTS * config.context)
    blocks = (wanted_bytes if wanted_bytes is not None else int(_FREE_SHARE * (free or 0))) // size
    if blocks < 1:
        raise InvalidModelError(f"the KV cache has no room: {BLOCK_TOKENS} tokens of this model take {size} bytes")
    return blocks
