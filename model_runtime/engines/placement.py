"""Where a model runs and in which number format: the one place of the engine that looks at the hardware.

Nothing is chosen by what happens to be there: a model that should be on a GPU is there, or does not run.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from model_runtime.engines.device import Device
from model_runtime.engines.dtype import Dtype
from model_runtime.engines.errors import DeviceMissingError

_DTYPES: Mapping[Dtype, torch.dtype] = {
    Dtype.FLOAT32: torch.float32,
    Dtype.BFLOAT16: torch.bfloat16,
    Dtype.FLOAT16: torch.float16,
}


@dataclass(frozen=True, slots=True)
class Placement:
    """Device and dtype of every tensor of a model."""

    device: torch.device
    dtype: torch.dtype


def choose_placement(device: Device, wanted: Dtype | None, stored: torch.dtype) -> Placement:
    """Return where to run; `stored` is the dtype of the weights' files.

    Without a wish the CPU runs in float32, where greedy equals the reference, and a GPU in the dtype the weights are
    stored in.

    Raises:
        DeviceMissingError: the GPU is asked for, and torch sees none.

    """
    if device is Device.CPU:
        return Placement(torch.device("cpu"), _DTYPES[wanted or Dtype.FLOAT32])
    if not torch.cuda.is_available():
        raise DeviceMissingError(f"torch {torch.__version__} sees no CUDA device (built for CUDA {torch.version.cuda})")
    return Placement(torch.device("cuda"), _DTYPES[wanted] if wanted else stored)


def free_bytes(placement: Placement) -> int | None:
    """Return the free memory of a GPU; None on the CPU, whose memory is bounded by what the pod was given."""
    if placement.device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(placement.device)
    return int(free)
