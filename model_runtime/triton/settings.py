"""What a model's config.pbtxt tells its Python class: the parameters that `model_runtime.repository` wrote."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_runtime.engines.device import Device
from model_runtime.engines.errors import InvalidModelError

DEFAULT_MAX_ACTIVE = 8
DEFAULT_MAX_QUEUED = 64


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """`weights` is the model's folder; `max_active` generations run at a time and `max_queued` more may wait."""

    name: str
    weights: Path
    device: Device = Device.CPU
    max_active: int = DEFAULT_MAX_ACTIVE
    max_queued: int = DEFAULT_MAX_QUEUED


def read_settings(args: dict[str, str]) -> ModelSettings:
    """Read the arguments of Triton's `initialize`; InvalidModelError names a parameter that is missing or wrong."""
    config = json.loads(args["model_config"])
    parameters = {name: value["string_value"] for name, value in config.get("parameters", {}).items()}
    if "weights" not in parameters:
        raise InvalidModelError("config.pbtxt: the parameter weights is missing; expected the model's folder")
    return ModelSettings(
        name=config["name"],
        weights=Path(parameters["weights"]),
        device=_device(parameters.get("device", Device.CPU.value)),
        max_active=_positive(parameters, "max_active", DEFAULT_MAX_ACTIVE),
        max_queued=_positive(parameters, "max_queued", DEFAULT_MAX_QUEUED),
    )


def _device(text: str) -> Device:
    if text not in set(Device):
        raise InvalidModelError(f"config.pbtxt: the parameter device is {text!r}; expected {' or '.join(Device)}")
    return Device(text)


def _positive(parameters: dict[str, Any], name: str, default: int) -> int:
    text = parameters.get(name, str(default))
    if not text.isdigit() or int(text) == 0:
        raise InvalidModelError(f"config.pbtxt: the parameter {name} is {text!r}; expected a positive integer")
    return int(text)
