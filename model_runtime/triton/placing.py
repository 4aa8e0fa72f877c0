"""Where Triton's Python models run: what config.pbtxt says, or an end that Kubernetes is told. Used by both models."""

from pathlib import Path

from model_runtime import termination
from model_runtime.engines.errors import DeviceMissingError
from model_runtime.engines.placement import Placement, choose_placement
from model_runtime.engines.weights import stored_dtype
from model_runtime.errors import DeviceMissing
from model_runtime.triton.settings import ModelSettings


def place(settings: ModelSettings, log: Path = termination.DEFAULT_LOG) -> Placement:
    """Return where the model runs; without the device it should be on, say so in `log` and raise: Triton then ends."""
    try:
        return choose_placement(settings.device, settings.dtype, stored_dtype(settings.weights))
    except DeviceMissingError as error:
        termination.write(termination.failure(DeviceMissing(str(error))), log)
        raise
