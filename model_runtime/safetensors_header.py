"""The header of a safetensors file, read by hand: nothing of the tensors is trusted before it adds up.

`resolve` reads it from the source by a range, `prepare` from the disk, both through `read_header`. The form is that of
https://github.com/huggingface/safetensors ("Format"): 8 bytes little-endian length N, N bytes JSON, then the tensors.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from model_runtime.errors import InvalidModel

LENGTH_BYTES = 8
# The reference library refuses longer headers too; the largest published ones are near 1 MB.
MAX_HEADER_BYTES = 100_000_000
_MAX_RANK = 32

DTYPE_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as the header describes it; `begin` and `end` are bytes after the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def size(self) -> int:
        """The bytes of the tensor."""
        return self.end - self.begin


def read_header(path: str, file_size: int, read: Callable[[int], bytes]) -> tuple[Tensor, ...]:
    """Read the header through `read(count)`, which gives exactly `count` bytes from where the last call ended.

    Raises:
        InvalidModel: the header is not well-formed, or does not describe the file's bytes exactly.

    """
    if file_size < LENGTH_BYTES:
        raise InvalidModel(f"{path}: {file_size} bytes: expected at least {LENGTH_BYTES}, the length of the header")
    length = int.from_bytes(read(LENGTH_BYTES), "little")
    if length > min(MAX_HEADER_BYTES, file_size - LENGTH_BYTES):
        raise InvalidModel(f"{path}: header of {length} bytes in a file of {file_size}: expected a header that fits")
    return parse_header(path, read(length), file_size - LENGTH_BYTES - length)


def parse_header(path: str, header: bytes, data_size: int) -> tuple[Tensor, ...]:
    """Parse the header and check it against the `data_size` bytes that follow it.

    Raises:
        InvalidModel: as `read_header`, naming the tensor.

    """
    try:
        document = json.loads(header, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidModel(f"{path}: the header is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidModel(f"{path}: the header is a JSON {type(document).__name__}: expected an object")
    tensors = [_tensor(path, name, value) for name, value in document.items() if name != "__metadata__"]
    return _covering(path, sorted(tensors, key=lambda tensor: (tensor.begin, tensor.end)), data_size)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        raise ValueError("a name is there twice")
    return names


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _tensor(path: str, name: str, value: object) -> Tensor:
    where = f"{path}: tensor {name[:80]!r}"
    match value:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [begin, end], **rest} if not rest:
            pass
        case _:
            raise InvalidModel(f"{where}: expected exactly dtype, shape and data_offsets")
    if dtype not in DTYPE_BYTES:
        raise InvalidModel(f"{where}: dtype {dtype[:20]!r}: expected one of {', '.join(DTYPE_BYTES)}")
    if len(shape) > _MAX_RANK or not all(map(_is_count, (*shape, begin, end))):
        raise InvalidModel(f"{where}: expected whole numbers of zero or more in shape and data_offsets")
    if end - begin != DTYPE_BYTES[dtype] * prod(shape):
        raise InvalidModel(f"{where}: data_offsets span {end - begin} bytes: {dtype}{shape} does not")
    return Tensor(name=name, dtype=dtype, shape=tuple(shape), begin=begin, end=end)


def _is_count(value: object) -> bool:
    # 2**63 bounds the product of a hostile shape; bool is an int in Python but not in JSON.
    return type(value) is int and 0 <= value < 2**63


def _covering(path: str, tensors: Sequence[Tensor], data_size: int) -> tuple[Tensor, ...]:
    """Check that the tensors, in order of their bytes, cover the data without a gap or an overlap."""
    position = 0
    for tensor in tensors:
        if tensor.begin != position:
            raise InvalidModel(
                f"{path}: tensor {tensor.name[:80]!r} begins at byte {tensor.begin}: expected {position}, "
                "where the one before it ends"
            )
        position = tensor.end
    if position != data_size:
        raise InvalidModel(f"{path}: tensors end at byte {position}: expected {data_size}, the end of the file")
    return tuple(tensors)
