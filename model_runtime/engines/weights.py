"""Loads a model's weights under strict names: what comes in is exactly what the model file expects, nothing else.

A model file states the tensors it wants with their shapes (`expected`); this module finds them in `model.safetensors`,
in the shards of `model.safetensors.index.json` or in a GGUF file. Called by `llama.load` and `bert.load`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from pathlib import Path

import torch
from safetensors import safe_open

from model_runtime.engines.config import read_json
from model_runtime.engines.errors import InvalidModelError
from model_runtime.engines.gguf_weights import gguf_file, load_gguf, loaded_dtypes
from model_runtime.engines.placement import Placement
from model_runtime.engines.tensors import Shapes, check_names, check_shape

_DTYPES: Mapping[str, torch.dtype] = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def load_weights(
    folder: Path, expected: Shapes, placement: Placement, *, ignored: Iterable[str] = ()
) -> dict[str, torch.Tensor]:
    """Return the expected tensors, on the device and in the dtype of `placement`.

    `ignored` names tensors that a folder may carry and the model does not need, such as buffers.
    Raises InvalidModelError that names the first missing, unexpected or misshapen tensor.
    """
    if path := gguf_file(folder):
        return load_gguf(path, expected, placement, ignored)
    shards = {name: shard for shard in _shards(folder) for name in _names(shard)}
    check_names(set(shards), set(expected), set(ignored))
    found: dict[str, torch.Tensor] = {}
    for shard in sorted(set(shards.values())):
        with safe_open(shard, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
                if name in expected:
                    found[name] = _checked(name, file.get_tensor(name), expected[name], placement)
    return found


def stored_dtype(folder: Path) -> torch.dtype:
    """Return the dtype that most weights are stored in, or dequantized to; float32 for one the engine does not know."""
    counts: Counter[str] = Counter()
    path = gguf_file(folder)
    for dtype, elements in loaded_dtypes(path) if path else _stored_dtypes(folder):
        counts[dtype] += elements
    return _DTYPES.get(max(counts, key=lambda name: counts[name], default=""), torch.float32)


def stored_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of a folder of safetensors, without reading it."""
    shapes: dict[str, tuple[int, ...]] = {}
    for shard in _shards(folder):
        with safe_open(shard, framework="pt") as file:
            shapes |= {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    return shapes


def _stored_dtypes(folder: Path) -> Iterator[tuple[str, int]]:
    for shard in _shards(folder):
        with safe_open(shard, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
                part = file.get_slice(name)
                yield part.get_dtype(), prod(part.get_shape())


def _shards(folder: Path) -> list[Path]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.exists():
        return [single]
    if not index.exists():
        raise InvalidModelError("model.safetensors: the file is missing, and so is model.safetensors.index.json")
    return [folder / name for name in sorted(set(read_json(index)["weight_map"].values()))]


def _names(shard: Path) -> list[str]:
    if not shard.exists():
        raise InvalidModelError(f"{shard.name}: the index names this file, but it is missing")
    with safe_open(shard, framework="pt") as file:
        return list(file.keys())


def _checked(name: str, tensor: torch.Tensor, shape: tuple[int, ...], placement: Placement) -> torch.Tensor:
    check_shape(name, tuple(tensor.shape), shape)
    return tensor.to(device=placement.device, dtype=placement.dtype)
