"""What a model's config.pbtxt tells its Python class: the parameters that `model_runtime.repository` wrote."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from model_runtime.engines.device import Device
from model_runtime.engines.dtype import Dtype
from model_runtime.engines.errors import InvalidModelError

DEFAULT_MAX_ACTIVE = 8
DEFAULT_MAX_QUEUED = 64


Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Where the model lies, where and in what it computes, and what bounds the generations of one.

    `weights` is the model's folder, `digest` that of the manifest that was verified there. Without `dtype` the device
    decides. `max_active` generations run at a time and `max_queued` more may wait, `queue_timeout_microseconds` at
    most (0: forever); `kv_cache_bytes` is what their tokens may take (None: the engine's own choice).
    `max_batch_size` is what Triton's batcher puts together, 1 where there is none.
    """

    name: str
    weights: Path
    device: Device = Device.CPU
    dtype: Dtype | None = None
    digest: str | None = None
    max_active: int = DEFAULT_MAX_ACTIVE
    max_queued: int = DEFAULT_MAX_QUEUED
    queue_timeout_microseconds: int = 0
    kv_cache_bytes: int | None = None
    max_batch_size: int = 1


def read_settings(args: dict[str, str]) -> ModelSettings:
    """Read the arguments of Triton's `initialize`; InvalidModelError names a parameter that is missing or wrong."""
    config = json.loads(args["model_config"])
    parameters = {name: value["string_value"] for name, value in config.get("parameters", {}).items()}
    if "weights" not in parameters:
        raise InvalidModelError("config.pbtxt: the parameter weights is missing; expected the model's folder")
    return ModelSettings(
        name=config["name"],
        weights=Path(parameters["weights"]),
        device=_choice(parameters, "device", Device) or Device.CPU,
        dtype=_choice(parameters, "dtype", Dtype),
        digest=parameters.get("digest"),
        max_active=_count(parameters, "max_active", least=1) or DEFAULT_MAX_ACTIVE,
        max_queued=_count(parameters, "max_queued", least=1) or DEFAULT_MAX_QUEUED,
        queue_timeout_microseconds=_count(parameters, "queue_timeout_microseconds", least=0) or 0,
        kv_cache_bytes=_count(parameters, "kv_cache_bytes", least=1),
        max_batch_size=config.get("max_batch_size") or 1,
    )


def _choice(parameters: Mapping[str, str], name: str, choices: type[Choice]) -> Choice | None:
    text = parameters.get(name)
    if text is None:
        return None
    if text not in set(choices):
        raise InvalidModelError(f"config.pbtxt: the parameter {name} is {text!r}; expected {' or '.join(choices)}")
    return choices(text)


def _count(parameters: Mapping[str, str], name: str, *, least: int) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise InvalidModelError(f"config.pbtxt: the parameter {name} is {text!r}; expected {least} or more")
    return int(text)
