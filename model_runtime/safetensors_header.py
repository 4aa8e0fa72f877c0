"""The header of a safetensors file, read by hand: nothing of the tensors is trusted before it adds up.

`resolve` reads it from the source by a range, `prepare` from the disk, both through `read_header`. The form is that of
https://github.com/huggingface/safetensors ("Format"): 8 bytes little-endian length N, N bytes JSON, then the tensors.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import prod

from model_runtime.beginnings import BEGINNING_BYTES, foreign_binary
from model_runtime.errors import InvalidHeader, InvalidTensors, UnsafeFile
from model_runtime.strict_json import JsonError, parse_json

LENGTH_BYTES = 8
# The largest published model (1 T parameters, one tensor per expert) has some 100,000 tensors in all its files.
MAX_TENSORS = 200_000
# The largest published headers are near 1 MB; MAX_TENSORS of usual names take 30 MB.
MAX_HEADER_BYTES = 32 << 20
# A tensor has 13 commas, colons and brackets, and one more per dimension after the second.
_MAX_VALUES = 16 * MAX_TENSORS
_MAX_NAME_CHARACTERS = 512
# Training tools write their settings there.
_MAX_METADATA_CHARACTERS = 1 << 20
_MAX_RANK = 8
# Also of a tensor without bytes, which no file's size bounds: 2**48 float32 are 1 PiB.
_MAX_ELEMENTS = 2**48

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
        PickledWeights, PackedFile: the file is of another format, whatever its name.
        InvalidHeader: the header is not well-formed, or lies about its length.
        InvalidTensors: the tensors do not cover the file's bytes exactly, or are absurd.

    """
    if file_size < LENGTH_BYTES:
        raise InvalidHeader(f"{path}: {file_size} bytes: expected at least {LENGTH_BYTES}, the length of the header")
    first = read(LENGTH_BYTES)
    length = int.from_bytes(first, "little")
    limit = min(MAX_HEADER_BYTES, file_size - LENGTH_BYTES)
    if length > limit:
        beginning = first + read(min(file_size, BEGINNING_BYTES) - LENGTH_BYTES)
        raise other_format(path, beginning) or InvalidHeader(
            f"{path}: header of {length} bytes in a file of {file_size}: expected at most {limit}"
        )
    return parse_header(path, read(length), file_size - LENGTH_BYTES - length)


def other_format(path: str, beginning: bytes) -> UnsafeFile | InvalidHeader | None:
    """Return why a file of weights that begins like this is none, where that can be told; GGUF asks it too."""
    if beginning.startswith(b"version https://git-lfs"):
        return InvalidHeader(f"{path}: a pointer of Git LFS: expected the file that it stands for")
    return foreign_binary(path, beginning)


def parse_header(path: str, header: bytes, data_size: int) -> tuple[Tensor, ...]:
    """Parse the header and check it against the `data_size` bytes that follow it.

    Raises:
        InvalidHeader, InvalidTensors: as `read_header`, naming the tensor.

    """
    try:
        document = parse_json(header, max_values=_MAX_VALUES)
    except JsonError as error:
        raise InvalidHeader(f"{path}: header: {error}") from error
    if not isinstance(document, dict):
        raise InvalidHeader(f"{path}: the header is a JSON {type(document).__name__}: expected an object")
    if not header.startswith(b"{"):
        raise InvalidHeader(f"{path}: the header begins with white space: expected '{{'")
    _check_metadata(path, document.pop("__metadata__", {}))
    if len(document) > MAX_TENSORS:
        raise InvalidTensors(f"{path}: {len(document)} tensors: expected at most {MAX_TENSORS}")
    tensors = [_tensor(path, name, value) for name, value in document.items()]
    return _covering(path, sorted(tensors, key=lambda tensor: (tensor.begin, tensor.end)), data_size)


def _check_metadata(path: str, metadata: object) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise InvalidHeader(f"{path}: __metadata__: expected an object of texts")
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > _MAX_METADATA_CHARACTERS:
        raise InvalidHeader(f"{path}: __metadata__ of {size} characters: expected at most {_MAX_METADATA_CHARACTERS}")


def _tensor(path: str, name: str, value: object) -> Tensor:
    where = f"{path}: tensor {name[:80]!r}"
    match value:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [begin, end], **rest} if not rest:
            pass
        case _:
            raise InvalidHeader(f"{where}: expected exactly dtype, shape and data_offsets")
    if len(name) > _MAX_NAME_CHARACTERS:
        raise InvalidHeader(f"{where}: a name of {len(name)} characters: expected at most {_MAX_NAME_CHARACTERS}")
    if dtype not in DTYPE_BYTES:
        raise InvalidHeader(f"{where}: dtype {dtype[:20]!r}: expected one of {', '.join(DTYPE_BYTES)}")
    if not all(map(_is_count, (*shape, begin, end))):
        raise InvalidTensors(f"{where}: expected whole numbers from 0 to {_MAX_ELEMENTS} in shape and data_offsets")
    if len(shape) > _MAX_RANK:
        raise InvalidTensors(f"{where}: {len(shape)} dimensions: expected at most {_MAX_RANK}")
    if prod(max(1, size) for size in shape) > _MAX_ELEMENTS:
        raise InvalidTensors(f"{where}: shape {shape}: expected at most {_MAX_ELEMENTS} elements")
    if end - begin != DTYPE_BYTES[dtype] * prod(shape):
        raise InvalidTensors(f"{where}: data_offsets span {end - begin} bytes: {dtype}{shape} does not")
    return Tensor(name=name, dtype=dtype, shape=tuple(shape), begin=begin, end=end)


def _is_count(value: object) -> bool:
    # Bounds the product of a hostile shape; bool is an int in Python but not in JSON.
    return type(value) is int and 0 <= value <= _MAX_ELEMENTS


def _covering(path: str, tensors: Sequence[Tensor], data_size: int) -> tuple[Tensor, ...]:
    """Check that the tensors, in order of their bytes, cover the data without a gap or an overlap."""
    position = 0
    for tensor in tensors:
        if tensor.begin != position:
            raise InvalidTensors(
                f"{path}: tensor {tensor.name[:80]!r} begins at byte {tensor.begin}: expected {position}, "
                "where the one before it ends"
            )
        position = tensor.end
    if position != data_size:
        raise InvalidTensors(f"{path}: tensors end at byte {position}: expected {data_size}, the end of the file")
    return tuple(tensors)


def check_total(headers: Collection[Sequence[Tensor]]) -> None:
    """Refuse more tensors in all files together than one may have.

    Raises:
        InvalidTensors: names both figures.

    """
    count = sum(map(len, headers))
    if count > MAX_TENSORS:
        raise InvalidTensors(f"{count} tensors in {len(headers)} files: expected at most {MAX_TENSORS}")
