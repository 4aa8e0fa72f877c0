"""Which block of the KV cache belongs to whom, and which still hold what a later prompt begins with. No tensors.

A block that is full is named by a digest over its tokens and all before them, so that a prompt with the same beginning
(a system prompt, the earlier turns of a conversation, `n` choices) takes it over instead of computing it again. Blocks
that nobody uses keep what they hold until the room is needed; those used least recently go first.
Called by `batcher`, from the engine's thread alone.
"""

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Sequence

from model_runtime.engines.kv_cache import BLOCK_TOKENS

NOTHING = b""


class BlockPool:
    """Blocks 0 to `size` - 1. Each call leaves the pool whole: a block is free, kept, or held by one or more."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = list(range(size - 1, -1, -1))
        self._holders = [0] * size
        self._names: dict[int, bytes] = {}  # of blocks that are full
        self._named: dict[bytes, int] = {}
        self._kept: OrderedDict[int, None] = OrderedDict()  # named, and held by nobody

    @property
    def available(self) -> int:
        """How many blocks can be had."""
        return len(self._free) + len(self._kept)

    def take(self) -> int | None:
        """Return a block to write into, held by the caller; None when all are held."""
        if self._free:
            block = self._free.pop()
        elif self._kept:
            block, _ = self._kept.popitem(last=False)
            del self._named[self._names.pop(block)]
        else:
            return None
        self._holders[block] = 1
        return block

    def share(self, tokens: Sequence[int]) -> list[int]:
        """Return the blocks that hold the beginning of these tokens, now held by the caller too.

        At least one token is left out: the model has to run something to say what follows.
        """
        found: list[int] = []
        name = NOTHING
        for start in range(0, len(tokens) - BLOCK_TOKENS, BLOCK_TOKENS):
            name = name_after(name, tokens[start : start + BLOCK_TOKENS])
            block = self._named.get(name)
            if block is None:
                break
            self._kept.pop(block, None)
            self._holders[block] += 1
            found.append(block)
        return found

    def fill(self, block: int, name: bytes) -> None:
        """Say what a block holds, now that it is full; of two that hold the same the first is found."""
        if name not in self._named:
            self._named[name], self._names[block] = block, name

    def release(self, blocks: Sequence[int]) -> None:
        """Give blocks back, those of one sequence in order: its end is the first to go when room is needed."""
        for block in reversed(blocks):
            self._holders[block] -= 1
            if self._holders[block]:
                continue
            if block in self._names:
                self._kept[block] = None
            else:
                self._free.append(block)


def name_after(before: bytes, tokens: Sequence[int]) -> bytes:
    """Return the name of a full block: of its tokens, after the block named `before` (NOTHING for the first)."""
    return hashlib.sha256(before + array("q", tokens).tobytes()).digest()
