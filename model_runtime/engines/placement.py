"""Where a model runs and in which number format: the one place that looks at the hardware."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Placement:
    """Device and dtype of every tensor of a model."""

    device: torch.device
    dtype: torch.dtype


def choose_placement() -> Placement:
    """Return the GPU with bfloat16 if torch sees one, else the CPU with float32, where greedy equals the reference."""
    if torch.cuda.is_available():
        return Placement(torch.device("cuda"), torch.bfloat16)
    return Placement(torch.device("cpu"), torch.float32)
