"""A linear layer as a function: the weight in the layout its device multiplies fastest."""

from collections.abc import Callable

import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

Linear = Callable[[Tensor], Tensor]


def make_linear(weight: Tensor, bias: Tensor | None = None) -> Linear:
    """Return `x [T, in] -> x weight^T + bias [T, out]` for a weight [out, in]."""

    def linear(x: Tensor) -> Tensor:
        return F.linear(x, weight, bias)

    return linear
