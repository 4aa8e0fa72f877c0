"""Loads a model's GGUF file: the tensors that a folder of safetensors would give, dequantized. Called by `weights`.

A tensor is dequantized a few rows at a time straight into its place, so that loading takes the memory of the model and
some 50 MB more. config.json beside the file is what `model_runtime.prepare` derived from it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize

from model_runtime.engines.config import read_json
from model_runtime.engines.llama_config import read_config
from model_runtime.engines.placement import Placement
from model_runtime.engines.tensors import Shapes, check_names, check_shape
from model_runtime.gguf_header import GgufHeader, read_header
from model_runtime.gguf_tensors import llama_tensors
from model_runtime.safetensors_header import Tensor

# A row of the widest models has 0.1 million elements; dequantizing takes up to four times 4 bytes for each.
_CHUNK_ELEMENTS = 1 << 21


def gguf_file(folder: Path) -> Path | None:
    """Return the GGUF file of a folder; `model_runtime.selection` lets only one in."""
    return next(iter(sorted(folder.glob("*.gguf"))), None)


def load_gguf(path: Path, expected: Shapes, placement: Placement, ignored: Iterable[str]) -> dict[str, torch.Tensor]:
    """Return the expected tensors, as `weights.load_weights` does.

    Raises:
        InvalidModelError: names the first missing or misshapen tensor.
        UnsupportedArchitecture: as `llama_tensors`.

    """
    header = _header(path)
    names = [tensor.name for tensor in llama_tensors(path.name, header)]
    check_names(set(names), set(expected), set(ignored))
    heads = read_config(read_json(path.parent / "config.json"))
    content = np.memmap(path, np.uint8, mode="r", offset=header.data_begin)
    found: dict[str, torch.Tensor] = {}
    for name, tensor in zip(names, header.tensors, strict=True):
        if name in expected:
            check_shape(name, tensor.shape, expected[name])
            found[name] = _load(content, tensor, placement)
            found[name] = _as_halves(found[name], heads.head_size) if _is_rotated(name) else found[name]
    return found


def loaded_dtypes(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the dtype by safetensors' name that each tensor is loaded in, and its elements."""
    for tensor in llama_tensors(path.name, _header(path)):
        yield tensor.dtype, int(np.prod(tensor.shape))


def _header(path: Path) -> GgufHeader:
    with path.open("rb") as file:
        return read_header(path.name, path.stat().st_size, file.read)


def _load(content: "np.memmap[tuple[int], np.dtype[np.uint8]]", tensor: Tensor, placement: Placement) -> torch.Tensor:
    """Dequantize a tensor, some rows at a time."""
    columns = tensor.shape[-1]
    loaded = torch.empty(tensor.shape, dtype=placement.dtype, device=placement.device)
    rows = loaded.view(-1, columns)
    stored = content[tensor.begin : tensor.end].reshape(len(rows), -1)
    step = max(1, _CHUNK_ELEMENTS // columns)
    for start in range(0, len(rows), step):
        # A copy: what is not quantized comes as a view of the file, which is not writable.
        values = np.array(dequantize(stored[start : start + step], GGMLQuantizationType[tensor.dtype]))
        rows[start : start + step] = torch.from_numpy(values)
    return loaded


def _is_rotated(name: str) -> bool:
    return name.endswith(("q_proj.weight", "k_proj.weight"))


def _as_halves(weight: torch.Tensor, head_size: int) -> torch.Tensor:
    """Undo llama.cpp's order of the rows of a head: it turns neighbours, this engine the halves."""
    heads = weight.view(-1, head_size // 2, 2, weight.shape[-1])  # [heads, D / 2, 2, H]
    return heads.transpose(1, 2).reshape(weight.shape)
