"""The compiled decode step (`decode.cpp`) as a Python object: finds the library for this processor and calls it.

`NativeDecoder.step` runs a token for each of several rows through all layers; `engines/llama.py` uses it where
`native_decoder` gives one, and its own torch path elsewhere. The structures repeat those of decode.cpp.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model_runtime.native.builds import Build, best_build, processor_flags

_CPUINFO = Path("/proc/cpuinfo")
# Floats in a vector of decode.cpp, and tokens in a block of its cache.
LANES = 16
_DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}


class _Layer(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_void_p)
        for name in (
            "attention_norm",
            "qkv",
            "qkv_bias",
            "q_norm",
            "k_norm",
            "output",
            "feed_forward_norm",
            "gate_up",
            "down",
        )
    ]


class _Model(ctypes.Structure):
    _fields_ = [
        ("dtype", ctypes.c_int32),
        *(
            (name, ctypes.c_int32)
            for name in (
                "layers",
                "hidden",
                "query_heads",
                "kv_heads",
                "head_size",
                "feed_forward",
                "vocabulary",
                "threads",
                "max_rows",
            )
        ),
        ("norm_eps", ctypes.c_float),
        ("layer", ctypes.POINTER(_Layer)),
        ("embedding", ctypes.c_void_p),
        ("norm", ctypes.c_void_p),
        ("head", ctypes.c_void_p),
    ]


class _Step(ctypes.Structure):
    _fields_ = [
        ("rows", ctypes.c_int32),
        ("table_width", ctypes.c_int32),
        ("wanted_rows", ctypes.c_int32),
        ("tokens", ctypes.c_void_p),
        ("positions", ctypes.c_void_p),
        ("tables", ctypes.c_void_p),
        ("wanted", ctypes.c_void_p),
        ("cos", ctypes.c_void_p),
        ("sin", ctypes.c_void_p),
        ("keys", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("layer_stride", ctypes.c_int64),
        ("logits", ctypes.c_void_p),
    ]


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """The tensors of one block, contiguous and of one dtype; None for what a family does not have."""

    attention_norm: Tensor
    qkv: Tensor
    qkv_bias: Tensor | None
    q_norm: Tensor | None
    k_norm: Tensor | None
    output: Tensor
    feed_forward_norm: Tensor
    gate_up: Tensor
    down: Tensor


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the step needs to know besides the tensors; `max_rows` bounds the rows of one step."""

    hidden: int
    query_heads: int
    kv_heads: int
    head_size: int
    feed_forward: int
    vocabulary: int
    norm_eps: float
    max_rows: int


@dataclass(frozen=True, slots=True)
class Rows:
    """What is run in one step, in int32 and contiguous."""

    tokens: Tensor  # [B]
    positions: Tensor  # [B]
    tables: Tensor  # [B, blocks]: the blocks of each row's sequence
    wanted: Tensor  # [W]: the rows whose logits are asked for


class NativeDecoder:
    """A model's weights, known to the library by address: they are kept alive here."""

    def __init__(
        self, library: ctypes.CDLL, sizes: Sizes, layers: Sequence[LayerWeights], ends: tuple[Tensor, Tensor, Tensor]
    ) -> None:
        """Take the weights; `ends` are the embedding [V, H], the last norm [H] and the head [V, H]."""
        self.max_rows = sizes.max_rows
        self._library, self._vocabulary = library, sizes.vocabulary
        self._kept = (tuple(layers), ends)
        rows = (_Layer * len(layers))(*(_addresses(layer) for layer in layers))
        model = _Model(
            dtype=_DTYPES[ends[0].dtype],
            layers=len(layers),
            threads=torch.get_num_threads(),
            layer=rows,
            embedding=ends[0].data_ptr(),
            norm=ends[1].data_ptr(),
            head=ends[2].data_ptr(),
            **{name: getattr(sizes, name) for name in Sizes.__dataclass_fields__},
        )
        self._decoder = library.nereid_decoder_new(ctypes.byref(model))
        if not self._decoder:
            raise MemoryError("no memory for the buffers of the decode step")

    def __del__(self) -> None:
        """End the threads."""
        if getattr(self, "_decoder", None):
            self._library.nereid_decoder_free(self._decoder)

    def step(self, rows: Rows, rotations: tuple[Tensor, Tensor], cache: tuple[Tensor, Tensor]) -> Tensor:
        """Run a token in each of B rows; return the logits of the wanted rows, [W, V] in float32.

        Rotations are cosines and sines, [B, D / 2] in float32; cache holds keys and values, [L, N, K, S, D], which get
        those of these tokens. A row sees the rows before it that are of its own sequence.
        """
        logits = torch.empty((len(rows.wanted), self._vocabulary), dtype=torch.float32)
        step = _Step(
            rows=len(rows.tokens),
            table_width=rows.tables.shape[1],
            wanted_rows=len(rows.wanted),
            tokens=rows.tokens.data_ptr(),
            positions=rows.positions.data_ptr(),
            tables=rows.tables.data_ptr(),
            wanted=rows.wanted.data_ptr(),
            cos=rotations[0].data_ptr(),
            sin=rotations[1].data_ptr(),
            keys=cache[0].data_ptr(),
            values=cache[1].data_ptr(),
            layer_stride=cache[0].stride(0),
            logits=logits.data_ptr(),
        )
        self._library.nereid_decoder_step(self._decoder, ctypes.byref(step))
        return logits


def native_decoder(
    sizes: Sizes, layers: Sequence[LayerWeights], ends: tuple[Tensor, Tensor, Tensor]
) -> NativeDecoder | None:
    """Return the compiled step for a model; None where it does not fit or was not built for this processor."""
    # What products run over: bfloat16 is multiplied in pairs. What comes out of them, and heads, fill whole vectors.
    inputs = (sizes.hidden, sizes.query_heads * sizes.head_size, sizes.feed_forward)
    tensors = [*ends, *(tensor for layer in layers for tensor in _tensors(layer) if tensor is not None)]
    uneven = [*(size % (2 * LANES) for size in inputs), sizes.head_size % LANES, sizes.vocabulary % LANES]
    if any(uneven) or not all(_is_fitting(tensor) for tensor in tensors):
        return None
    library = load_library(best_build(processor_flags(_CPUINFO.read_text())))
    return NativeDecoder(library, sizes, layers, ends) if library else None


def _is_fitting(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype in _DTYPES and tensor.is_contiguous()


def _tensors(layer: LayerWeights) -> list[Tensor | None]:
    return [getattr(layer, name) for name in LayerWeights.__dataclass_fields__]


def _addresses(layer: LayerWeights) -> _Layer:
    return _Layer(*(None if tensor is None else tensor.data_ptr() for tensor in _tensors(layer)))


def load_library(build: Build | None) -> ctypes.CDLL | None:
    """Return the library of a build; None without one, or where it has not been compiled."""
    return _declared(ctypes.CDLL(str(build.path))) if build is not None and build.path.exists() else None


def _declared(library: Any) -> ctypes.CDLL:  # noqa: ANN401 - ctypes' functions have no types
    library.nereid_decoder_new.restype = ctypes.c_void_p
    library.nereid_decoder_new.argtypes = [ctypes.POINTER(_Model)]
    library.nereid_decoder_step.restype = None
    library.nereid_decoder_step.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Step)]
    library.nereid_decoder_free.restype = None
    library.nereid_decoder_free.argtypes = [ctypes.c_void_p]
    return library  # type: ignore[no-any-return]
