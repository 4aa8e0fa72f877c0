"""The header of a GGUF file, read by hand: metadata and tensors, of which nothing is trusted before it adds up.

`resolve` reads it from the source as a stream, `prepare` and the engine from the disk, all through `read_header`. The
form is that of https://github.com/ggml-org/ggml (docs/gguf.md), versions 2 and 3, little-endian: the magic, counts,
metadata, the tensors' descriptions, padding, and then the tensors. Every length is checked before its bytes are read.
"""

import re
import struct
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any, cast

from model_runtime.beginnings import BEGINNING_BYTES
from model_runtime.errors import InvalidConfig, InvalidHeader, InvalidTensors
from model_runtime.gguf_types import GGML_TYPES
from model_runtime.safetensors_header import Tensor, other_format

MAGIC = b"GGUF"
VERSIONS = (2, 3)
# Vocabularies are in the header: the largest published ones (262,144 tokens, 514,906 merges) take some 17 MB.
MAX_HEADER_BYTES = 64 << 20
# Strings and arrays become objects of Python; the largest published headers hold 0.8 million.
MAX_OBJECTS = 2 << 20
MAX_KEYS = 10_000
MAX_TENSORS = 100_000
MAX_TEXT_BYTES = 4 << 20
_MAX_KEY_BYTES = 65_535
_MAX_NAME_BYTES = 64
_MAX_DIMENSIONS = 4
_MAX_DEPTH = 4
_MAX_ALIGNMENT = 1 << 20
# An empty name, no dimension: length, dimensions, type and offset.
_MIN_TENSOR_BYTES = 24
# docs/gguf.md wants lower_snake_case; writers put architectures (`command-r`) and templates' names in as they are.
_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")

# `struct` and `array` name the numbers alike. `array` has the machine's byte order: the images are little-endian.
_SCALARS: Mapping[int, str] = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_BOOL, _STRING, _ARRAY = 7, 8, 9

# Arrays of numbers and bools are an `array`, which takes no object for each; others are lists.
Value = bool | int | float | str | Sequence[Any]


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """Metadata by key and the tensors in the order of their bytes; `data_begin` is where those are, in bytes.

    Tensors have ggml's names, the type's name as dtype, and the last dimension first, as other libraries write shapes.
    """

    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    data_begin: int


def read_header(path: str, file_size: int, read: Callable[[int], bytes]) -> GgufHeader:
    """Read the header through `read(count)`, which gives exactly `count` bytes from where the last call ended.

    Raises:
        PickledWeights, PackedFile: the file is of another format, whatever its name.
        InvalidHeader: it is not well-formed, too long, or lies about a length.
        InvalidConfig: a number in the metadata is none.
        InvalidTensors: the tensors do not describe the rest of the file exactly.

    """
    cursor = _Cursor(path, file_size, read)
    _check_magic(cursor)
    tensor_count = cursor.count("tensors", MAX_TENSORS, _MIN_TENSOR_BYTES)
    key_count = cursor.count("metadata keys", MAX_KEYS, 8)
    metadata = _read_metadata(cursor, key_count)
    alignment = _alignment(path, metadata)
    tensors = [_read_tensor(cursor, alignment) for _ in range(tensor_count)]
    if any(cursor.take(-cursor.position % alignment)):
        raise cursor.invalid("the padding before the tensors is not zero")
    data = _covering(path, tensors, alignment, file_size - cursor.position)
    return GgufHeader(metadata, data, cursor.position)


def shown(value: Value | None) -> str:
    """Return a value for a message: arrays may be as large as the header."""
    if isinstance(value, str):
        return repr(value[:80])
    return repr(value) if value is None or isinstance(value, int | float) else f"an array of {len(value)}"


class _Cursor:
    """Reads values one after another, never past the end of the file and never past what a header may hold."""

    def __init__(self, path: str, file_size: int, read: Callable[[int], bytes]) -> None:
        self.path = path
        self.position = 0
        self._size = file_size
        self._read = read
        self._objects = 0

    def invalid(self, text: str) -> InvalidHeader:
        """Return the refusal, which names the file and the place."""
        return InvalidHeader(f"{self.path}: byte {self.position}: {text}")

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        end = self.position + count
        if end > self._size:
            raise self.invalid(f"{count} bytes wanted: the file ends after {self._size - self.position} more")
        if end > MAX_HEADER_BYTES:
            raise self.invalid(f"{count} bytes wanted: expected a header of at most {MAX_HEADER_BYTES} bytes")
        content = self._read(count) if count else b""
        if len(content) != count:
            raise self.invalid(f"{count} bytes wanted: there were {len(content)}")
        self.position = end
        return content

    def rest(self, end: int) -> bytes:
        """Return the bytes up to `end`, or to the end of the file when that comes first."""
        return self.take(min(end, self._size) - self.position)

    def number(self, code: str) -> Any:  # noqa: ANN401 - of the type that `struct` gives for the code
        """Return the next number, little-endian."""
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]

    def count(self, what: str, most: int, least_bytes: int) -> int:
        """Return a count of what follows; each takes at least `least_bytes` bytes."""
        count = int(self.number("Q"))
        if count > most:
            raise self.invalid(f"{count} {what}: expected at most {most}")
        if count * least_bytes > self._size - self.position:
            raise self.invalid(f"{count} {what}: the file ends after {self._size - self.position} more bytes")
        return count

    def objects(self, what: str, least_bytes: int) -> int:
        """Return a count of objects that follow, and reckon them to those of the whole header."""
        count = self.count(what, MAX_OBJECTS - self._objects, least_bytes)
        self._objects += count
        return count

    def text(self, what: str, most: int) -> str:
        """Return a string, whose length in bytes stands before it."""
        length = self.number("Q")
        if length > most:
            raise self.invalid(f"{what} of {length} bytes: expected at most {most}")
        content = self.take(length)
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise self.invalid(f"{what} {content[:20]!r} is not UTF-8") from error


def _check_magic(cursor: _Cursor) -> None:
    magic = cursor.take(len(MAGIC))
    if magic != MAGIC:
        beginning = magic + cursor.rest(BEGINNING_BYTES)
        raise other_format(cursor.path, beginning) or cursor.invalid(
            f"{magic!r}: expected {MAGIC!r}, with which a GGUF file begins"
        )
    version = cursor.number("I")
    if version and version & 0xFFFF == 0:
        raise cursor.invalid("a big-endian file: expected a little-endian one")
    if version not in VERSIONS:
        raise cursor.invalid(f"version {version}: expected {' or '.join(map(str, VERSIONS))}")


def _read_metadata(cursor: _Cursor, count: int) -> dict[str, Value]:
    metadata: dict[str, Value] = {}
    for _ in range(count):
        key = cursor.text("a metadata key", _MAX_KEY_BYTES)
        if not _KEY.fullmatch(key):
            raise cursor.invalid(f"metadata key {key[:80]!r}: expected words joined by '.'")
        if key in metadata:
            raise cursor.invalid(f"metadata key {key[:80]!r} is there twice")
        metadata[key] = _read_value(cursor, key, cursor.number("I"))
    return metadata


def _read_value(cursor: _Cursor, key: str, kind: int, depth: int = 0) -> Value:
    if kind == _STRING:
        return cursor.text(key[:80], MAX_TEXT_BYTES)
    if kind == _ARRAY:
        return _read_array(cursor, key, depth)
    if kind not in _SCALARS:
        raise cursor.invalid(f"{key[:80]}: metadata type {kind}: expected 0 to 12")
    value: Value = cursor.number(_SCALARS[kind])
    if isinstance(value, float) and not isfinite(value):
        raise InvalidConfig(f"{cursor.path}: {key[:80]} is {value}: expected a finite number")
    if kind != _BOOL:
        return value
    _check_bools(cursor, key, [value])
    return bool(value)


def _read_array(cursor: _Cursor, key: str, depth: int) -> Sequence[Any]:
    if depth == _MAX_DEPTH:
        raise cursor.invalid(f"{key[:80]}: arrays in arrays, more than {_MAX_DEPTH} deep")
    kind = cursor.number("I")
    if kind in {_STRING, _ARRAY}:
        count = cursor.objects(f"elements of {key[:80]}", 8)
        return [_read_value(cursor, key, kind, depth + 1) for _ in range(count)]
    if kind not in _SCALARS:
        raise cursor.invalid(f"{key[:80]}: array of metadata type {kind}: expected 0 to 12")
    numbers: Any = array(_SCALARS[kind])
    count = cursor.count(f"elements of {key[:80]}", MAX_HEADER_BYTES, numbers.itemsize)
    numbers.frombytes(cursor.take(count * numbers.itemsize))
    if kind == _BOOL:
        _check_bools(cursor, key, numbers)
    return cast("Sequence[Any]", numbers)


def _check_bools(cursor: _Cursor, key: str, numbers: Sequence[Any]) -> None:
    if max(numbers, default=0) > 1:
        raise cursor.invalid(f"{key[:80]}: a bool that is {max(numbers)}: expected 0 or 1")


def _alignment(path: str, metadata: Mapping[str, Value]) -> int:
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 8 <= alignment <= _MAX_ALIGNMENT or alignment & (alignment - 1):
        raise InvalidHeader(f"{path}: general.alignment is {shown(alignment)}: expected a power of two from 8")
    return alignment


def _read_tensor(cursor: _Cursor, alignment: int) -> Tensor:
    name = cursor.text("a tensor's name", _MAX_NAME_BYTES)
    where = f"{cursor.path}: tensor {name!r}"
    rank = cursor.number("I")
    if not 0 < rank <= _MAX_DIMENSIONS:
        raise InvalidTensors(f"{where}: {rank} dimensions: expected 1 to {_MAX_DIMENSIONS}")
    dimensions = struct.unpack(f"<{rank}Q", cursor.take(8 * rank))
    kind, begin = cursor.number("I"), int(cursor.number("Q"))
    size = _size(where, dimensions, kind)
    if begin % alignment:
        raise InvalidTensors(f"{where}: begins at byte {begin}: expected a multiple of {alignment}")
    return Tensor(name, GGML_TYPES[kind].name, dimensions[::-1], begin, begin + size)


def _size(where: str, dimensions: Sequence[int], kind: int) -> int:
    """Return the bytes of a tensor; its rows, which are its first dimension, consist of whole blocks."""
    stored = GGML_TYPES.get(kind)
    if stored is None:
        raise InvalidTensors(f"{where}: ggml type {kind}: expected one of those in files")
    if 0 in dimensions or prod(dimensions) >= 2**63:
        raise InvalidTensors(f"{where}: dimensions {list(dimensions)}: expected 1 or more, fewer than 2^63 elements")
    if dimensions[0] % stored.block_elements:
        raise InvalidTensors(
            f"{where}: rows of {dimensions[0]} elements: expected a multiple of {stored.block_elements} "
            f"in {stored.name}"
        )
    return prod(dimensions) // stored.block_elements * stored.block_bytes


def _covering(path: str, tensors: Sequence[Tensor], alignment: int, data_size: int) -> tuple[Tensor, ...]:
    """Check that the tensors follow one another without overlap, and with no more than padding between them."""
    ordered = tuple(sorted(tensors, key=lambda tensor: tensor.begin))
    for name, count in Counter(tensor.name for tensor in tensors).most_common(1):
        if count > 1:
            raise InvalidTensors(f"{path}: tensor {name!r} is there twice")
    end = padded = 0
    for tensor in ordered:
        if tensor.begin != padded:
            raise InvalidTensors(
                f"{path}: tensor {tensor.name!r} begins at byte {tensor.begin}: expected {padded}, "
                "after the one before it"
            )
        end, padded = tensor.end, tensor.end + -tensor.end % alignment
    if not end <= data_size <= padded:
        raise InvalidTensors(f"{path}: tensors end at byte {end}: expected {data_size}, the end of the file")
    return ordered
