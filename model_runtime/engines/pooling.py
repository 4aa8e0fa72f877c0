"""From the vectors of the tokens to the one vector of each text; pure. Used by `bert`."""

import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from model_runtime.engines.pooling_config import Pooling, PoolingMode
from model_runtime.engines.text_batch import TextBatch


def pool(pooling: Pooling, batch: TextBatch, tokens: Tensor) -> Tensor:
    """Return the vectors of the batch's texts, [B, H], from its tokens' vectors, [N, H], in the batch's order."""
    vectors = _means(batch, tokens) if pooling.mode is PoolingMode.MEAN else tokens[batch.starts]
    return F.normalize(vectors, dim=1) if pooling.normalize else vectors


def _means(batch: TextBatch, tokens: Tensor) -> Tensor:
    sums = tokens.new_zeros(len(batch.lengths), tokens.shape[1]).index_add_(0, batch.text_of_tokens(), tokens)
    return sums / batch.lengths[:, None]
