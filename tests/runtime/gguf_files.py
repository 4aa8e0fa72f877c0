"""GGUF files: right ones by ggml's own writer, and others byte by byte, so that each field can lie."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES

U8, I8, U32, F32, BOOL, STRING, ARRAY, U64 = 0, 1, 4, 6, 7, 8, 9, 10
ALIGNMENT = 32


def text(content: str | bytes) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return struct.pack("<Q", len(content)) + content


def pair(key: str | bytes, kind: int, value: bytes) -> bytes:
    """One metadata key with its value, as the bytes of the value."""
    return text(key) + struct.pack("<I", kind) + value


def array_of(kind: int, count: int, elements: bytes = b"") -> bytes:
    return struct.pack("<IQ", kind, count) + elements


def info(name: str | bytes, dimensions: Sequence[int] = (8,), kind: int = 0, offset: int = 0) -> bytes:
    """The description of one tensor; the default is 8 numbers of float32."""
    sizes = struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
    return text(name) + sizes + struct.pack("<IQ", kind, offset)


def gguf(
    pairs: Sequence[bytes] = (),
    infos: Sequence[bytes] = (),
    data: bytes = b"",
    *,
    head: bytes | None = None,
    alignment: int = ALIGNMENT,
) -> bytes:
    """A whole file; `head` replaces magic, version and counts."""
    counts = struct.pack("<4sIQQ", b"GGUF", 3, len(infos), len(pairs))
    header = (counts if head is None else head) + b"".join(pairs) + b"".join(infos)
    return header + bytes(-len(header) % alignment) + data


def write(path: Path, metadata: Mapping[str, Any], tensors: Mapping[str, tuple[Any, GGMLQuantizationType]]) -> Path:
    """Write a file with ggml's own writer: arrays of uint8 are taken for the bytes of their quantized rows."""
    writer = GGUFWriter(path, metadata.get("general.architecture", "llama"))
    for key, value in metadata.items():
        if key != "general.architecture":
            _add(writer, key, value)
    for name, (array, kind) in tensors.items():
        writer.add_tensor(name, array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)


def rows(kind: GGMLQuantizationType, count: int = 2) -> tuple[Any, tuple[int, int]]:
    """Zeros in one of ggml's formats, and their shape: two blocks in each row."""
    elements, size = GGML_QUANT_SIZES[kind]
    return np.zeros((count, 2 * size), np.uint8), (count, 2 * elements)
