"""The header of a safetensors file: what the reference library writes is read, and what does not add up is refused."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from model_runtime.errors import InvalidHeader, InvalidModel, InvalidTensors, UnsafeFile
from model_runtime.fetch.source import read_exactly
from model_runtime.safetensors_header import Tensor, parse_header, read_header


def read(content: bytes) -> tuple[Tensor, ...]:
    return read_header("m.safetensors", len(content), read_exactly(iter([content]), "m.safetensors"))


def encoded(header: Any, data_size: int = 0) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(data_size)


def tensor(begin: int, end: int, shape: list[Any] | None = None, dtype: str = "U8") -> dict[str, Any]:
    return {"dtype": dtype, "shape": [end - begin] if shape is None else shape, "data_offsets": [begin, end]}


arrays = st.dictionaries(
    st.text(min_size=1, max_size=10).filter(lambda name: name != "__metadata__"),
    st.tuples(st.lists(st.integers(0, 5), max_size=3), st.sampled_from(["float32", "float16", "int64", "bool"])),
    max_size=5,
)


@given(arrays)
def test_what_the_reference_library_writes_is_read(wanted: dict[str, tuple[list[int], str]]) -> None:
    content = save({name: np.zeros(shape, dtype) for name, (shape, dtype) in wanted.items()})
    assert {found.name: list(found.shape) for found in read(content)} == {
        name: shape for name, (shape, _) in wanted.items()
    }


@given(st.binary(max_size=300))
def test_any_bytes_give_tensors_or_a_reason(content: bytes) -> None:
    try:
        tensors = read(content)
    except (InvalidModel, UnsafeFile):
        return
    assert sum(found.size for found in tensors) <= len(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["F32", "U8"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
nearly = st.fixed_dictionaries({"dtype": json_values, "shape": json_values, "data_offsets": json_values})


@given(st.dictionaries(st.text(max_size=5), nearly | json_values, max_size=3), st.integers(0, 64))
def test_any_header_gives_tensors_that_cover_the_data_or_a_reason(header: dict[str, Any], data_size: int) -> None:
    try:
        tensors = parse_header("m", json.dumps(header).encode(), data_size)
    except InvalidModel:
        return
    assert sum(found.size for found in tensors) == data_size


BAD = [
    ("an empty file", b"", InvalidHeader, "0 bytes"),
    ("a file shorter than the length", b"1234567", InvalidHeader, "7 bytes"),
    ("a length beyond the file", (100).to_bytes(8, "little") + b"{}", InvalidHeader, "header of 100 bytes"),
    ("an absurd length", b"\xff" * 16, InvalidHeader, "header of 18446744073709551615 bytes"),
    ("no JSON", encoded(b"{"), InvalidHeader, "not valid JSON"),
    ("JSON nested without end", encoded(b"[" * 100_000), InvalidHeader, "nested deeper than 64"),
    ("text that is not UTF-8", encoded(b'{"\xff":1}'), InvalidHeader, "not valid JSON"),
    ("NaN, which is no JSON", encoded(b'{"a": NaN}'), InvalidHeader, "NaN"),
    ("a list", encoded([]), InvalidHeader, "expected an object"),
    ("a name that is there twice", encoded(b'{"a": 1, "a": 2}'), InvalidHeader, "there twice"),
    ("a tensor that is a number", encoded({"a": 1}), InvalidHeader, "expected exactly"),
    ("an unknown field", encoded({"a": {**tensor(0, 1), "x": 1}}, 1), InvalidHeader, "expected exactly"),
    ("an unknown dtype", encoded({"a": tensor(0, 1, dtype="Q4")}, 1), InvalidHeader, "dtype 'Q4'"),
    ("a negative dimension", encoded({"a": tensor(0, 1, [-1])}, 1), InvalidTensors, "whole numbers"),
    ("a dimension that is true", encoded({"a": tensor(0, 1, [True])}, 1), InvalidTensors, "whole numbers"),
    (
        "a fractional offset",
        encoded({"a": {**tensor(0, 1), "data_offsets": [0, 1.0]}}, 1),
        InvalidTensors,
        "whole numbers",
    ),
    ("more dimensions than any tensor has", encoded({"a": tensor(0, 1, [1] * 33)}, 1), InvalidTensors, "33 dimensions"),
    ("an end before the beginning", encoded({"a": tensor(1, 0, [0])}, 1), InvalidTensors, "span -1 bytes"),
    ("a shape of other bytes", encoded({"a": tensor(0, 4, [2])}, 4), InvalidTensors, "span 4 bytes"),
    (
        "a shape whose product is absurd",
        encoded({"a": tensor(0, 0, [2**62] * 32)}),
        InvalidTensors,
        "whole numbers from 0 to 281474976710656",
    ),
    ("overlapping tensors", encoded({"a": tensor(0, 4), "b": tensor(2, 6)}, 6), InvalidTensors, "'b' begins at byte 2"),
    (
        "a gap between tensors",
        encoded({"a": tensor(0, 4), "b": tensor(5, 6)}, 6),
        InvalidTensors,
        "'b' begins at byte 5",
    ),
    ("a gap at the beginning", encoded({"a": tensor(1, 4)}, 4), InvalidTensors, "begins at byte 1"),
    ("bytes after the last tensor", encoded({"a": tensor(0, 4)}, 5), InvalidTensors, "tensors end at byte 4"),
    ("a truncated file", encoded({"a": tensor(0, 4)}, 3), InvalidTensors, "tensors end at byte 4"),
]


@pytest.mark.parametrize(("sentence", "content", "error", "says"), BAD, ids=[case[0] for case in BAD])
def test_what_does_not_add_up_is_refused(sentence: str, content: bytes, error: type[InvalidModel], says: str) -> None:
    with pytest.raises(error, match=says):
        read(content)
