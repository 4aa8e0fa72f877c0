"""A linear layer as a function: the weight in the layout its device multiplies fastest.

On a CPU that is oneDNN's own: the weight is laid out anew once, when the model loads, and what was loaded is dropped,
so that a layer takes its memory once; an activation that follows is applied before the product leaves the registers.
Elsewhere, and in a number format that this CPU has no such layout for, it is `F.linear`. Called by the model files.
"""

from collections.abc import Callable
from enum import StrEnum

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

Linear = Callable[[Tensor], Tensor]

# oneDNN picks a layout for so many rows; it multiplies any number of them.
_ROWS = 32


class Activation(StrEnum):
    """What a layer applies to its product."""

    NONE = "none"
    GELU = "gelu"  # the exact one, by the error function


def make_linear(weight: Tensor, bias: Tensor | None = None, activation: Activation = Activation.NONE) -> Linear:
    """Return `x [..., in] -> activation(x weight^T + bias) [..., out]` for a weight [out, in]."""
    return _packed(weight, bias, activation) if can_pack(weight) else plain_linear(weight, bias, activation)


def can_pack(weight: Tensor) -> bool:
    """Tell whether oneDNN has a layout of its own for the weight on this machine."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return weight.dtype is torch.float32 or (
        weight.dtype is torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001
    )


def plain_linear(weight: Tensor, bias: Tensor | None, activation: Activation) -> Linear:
    """Return the layer by torch's public functions, on any device."""

    def linear(x: Tensor) -> Tensor:
        return F.linear(x, weight, bias)

    def linear_gelu(x: Tensor) -> Tensor:
        return F.gelu(F.linear(x, weight, bias))

    return linear_gelu if activation is Activation.GELU else linear


def _packed(weight: Tensor, bias: Tensor | None, activation: Activation) -> Linear:
    # torch's compiler lays weights out by these operations; they have no public name.
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)  # noqa: SLF001
    multiply = torch.ops.mkldnn._linear_pointwise.default  # noqa: SLF001

    def linear(x: Tensor) -> Tensor:
        result: Tensor = multiply(x, packed, bias, activation.value, [], "none")
        return result

    return linear
