"""From the vectors of a text's tokens to the text's one vector; pure. Used by `bert`."""

import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from model_runtime.engines.pooling_config import Pooling, PoolingMode


def pool(pooling: Pooling, tokens: Tensor) -> Tensor:
    """Return the vector of one text, [H], from its token vectors, [T, H]."""
    vector = tokens.mean(dim=0) if pooling.mode is PoolingMode.MEAN else tokens[0]
    return F.normalize(vector, dim=0) if pooling.normalize else vector
