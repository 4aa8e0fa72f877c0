"""The texts that a model of texts is warmed up with: one short one, a whole batch, and a long one. Pure."""

from model_runtime.triton.batches import Texts

_SHORT = 8
_USUAL = 32
# Attention over a longer text uses the same kernels, and costs its square.
_LONG = 256


def warm_up_texts(context: int, max_batch_size: int) -> list[Texts]:
    """Return the batches, as tokens; each token is the first of the vocabulary."""
    shapes = ((1, _SHORT), (max_batch_size, _USUAL), (1, _LONG))
    return [[[0] * min(length, context)] * count for count, length in shapes]
