"""Where a model runs and in which number format: the one place of the engine that looks at the hardware.

Nothing is chosen by what happens to be there: a model that should be on a GPU is there, or does not run.
"""

from dataclasses import dataclass

import torch

from model_runtime.engines.device import Device
from model_runtime.engines.errors import DeviceMissingError


@dataclass(frozen=True, slots=True)
class Placement:
    """Device and dtype of every tensor of a model."""

    device: torch.device
    dtype: torch.dtype


def choose_placement(device: Device, stored: torch.dtype) -> Placement:
    """Return where to run; `stored` is the dtype of the weights' files.

    The CPU runs in float32, where greedy equals the reference; a GPU in the dtype the weights are stored in.

    Raises:
        DeviceMissingError: the GPU is asked for, and torch sees none.

    """
    if device is Device.CPU:
        return Placement(torch.device("cpu"), torch.float32)
    if not torch.cuda.is_available():
        raise DeviceMissingError(f"torch {torch.__version__} sees no CUDA device (built for CUDA {torch.version.cuda})")
    return Placement(torch.device("cuda"), stored)
