"""The header parser under mutation: a file is covered exactly or refused, as the reference would, in bounded memory."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import deserialize

from model_runtime.errors import ModelRuntimeError
from model_runtime.safetensors_header import Tensor, read_header
from tests.runtime.corpus.building import header_of, llama_shapes, written

HEADER, DATA = header_of(llama_shapes())
WHOLE = written(json.dumps(HEADER).encode(), DATA)


def read(content: bytes) -> tuple[Tensor, ...] | None:
    """Return the tensors, which cover the file and are those of the reference library, or None for a refusal."""
    try:
        tensors = read_header("m", len(content), io.BytesIO(content).read)
    except ModelRuntimeError:
        return None
    begin = 8 + int.from_bytes(content[:8], "little")
    ends = [0, *(tensor.end for tensor in tensors)]
    assert [tensor.begin for tensor in tensors] == ends[:-1]
    assert begin + ends[-1] == len(content)
    reference = {name: (found["dtype"], tuple(found["shape"])) for name, found in deserialize(content)}
    assert {tensor.name: (tensor.dtype, tensor.shape) for tensor in tensors} == reference
    return tensors


def set_byte(content: bytes, place: int, piece: bytes) -> bytes:
    return content[:place] + piece[:1] + content[place + 1 :]


def insert(content: bytes, place: int, piece: bytes) -> bytes:
    return content[:place] + piece + content[place:]


def remove(content: bytes, place: int, piece: bytes) -> bytes:
    return content[:place] + content[place + len(piece) :]


def cut(content: bytes, place: int, piece: bytes) -> bytes:
    return content[:place]


def repeat(content: bytes, place: int, piece: bytes) -> bytes:
    return content[:place] + content[place : place + 64] * 2 + content[place + 64 :]


Edit = Callable[[bytes, int, bytes], bytes]
edits = st.sampled_from([set_byte, insert, remove, cut, repeat])
places = st.integers(0, 64) | st.integers(0, len(WHOLE))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(edits, places, st.binary(min_size=1, max_size=16)), min_size=1, max_size=4))
def test_any_mutation_of_the_bytes_is_covered_or_refused(mutations: list[tuple[Edit, int, bytes]]) -> None:
    content = WHOLE
    for edit, place, piece in mutations:
        content = edit(content, place, piece)
    read(content)


numbers = st.sampled_from([-1, 0, 1, 2, 8, 64, 2**31, 2**48, 2**63, 2**64, 1.0, True, None, "8"]) | st.integers()
shapes = st.lists(numbers, max_size=10) | numbers
dtypes = st.sampled_from(["BF16", "F32", "U8", "F64", "BOOL", "F4", "", "bf16", 1, None])
values = st.fixed_dictionaries(
    {}, optional={"dtype": dtypes, "shape": shapes, "data_offsets": st.lists(numbers, max_size=3), "x": numbers}
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from([*HEADER, "a", "", "__metadata__"]), values, max_size=3), st.integers(-8, 8))
def test_any_mutation_of_the_entries_is_covered_or_refused(entries: dict[str, dict[str, Any]], more: int) -> None:
    header = {name: value | entries.get(name, {}) for name, value in HEADER.items()} | {
        name: value for name, value in entries.items() if name not in HEADER
    }
    data = DATA[: len(DATA) + more] if more < 0 else DATA + bytes(more)
    read(written(json.dumps(header).encode(), data))


steps = st.sampled_from([-16, -2, 0, 2, 16])


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from([*HEADER][-3:]), steps), steps)
def test_tensors_that_are_moved_are_covered_or_refused(moved: dict[str, int], more: int) -> None:
    header = HEADER | {
        name: HEADER[name] | {"data_offsets": [offset + moved[name] for offset in HEADER[name]["data_offsets"]]}
        for name in moved
    }
    data = DATA[: len(DATA) + more] if more < 0 else DATA + bytes(more)
    read(written(json.dumps(header).encode(), data))


@settings(max_examples=400, deadline=None)
@given(st.permutations(list(HEADER)), st.integers(0, 64))
def test_order_and_padding_of_the_header_change_nothing(names: list[str], blanks: int) -> None:
    header = json.dumps({name: HEADER[name] for name in names}).encode() + b" " * blanks
    tensors = read(written(header, DATA))
    assert tensors is not None
    assert {tensor.name: list(tensor.shape) for tensor in tensors} == {
        name: value["shape"] for name, value in HEADER.items() if name != "__metadata__"
    }


# The resolve Job has 1 GiB.
MOST_MIB = 512
# Not by getrusage: its peak is inherited from whoever starts the program.
PROGRAM = """
import re, sys
from model_runtime.errors import ModelRuntimeError
from model_runtime.safetensors_header import parse_header
begin, middle, end = (part.encode() for part in sys.argv[1:4])
header = begin + middle * int(sys.argv[4]) + end
try:
    parse_header("m", header, 0)
except ModelRuntimeError as error:
    print(error.reason, int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
"""
BOMBS = [
    ("as many values as are let through", ('{"a":[', "0,", "0]}"), 3_000_000),
    ("more values than are let through", ('{"a":[', '{"a":0},', "0]}"), 3_500_000),
    ("lists", ('{"a":[', "[],", "[]]}"), 1_500_000),
    ("objects", ('{"a":[', '{"a":0},', "0]}"), 1_000_000),
    ("one text of 30 MB", ('{"a":"', "0123456789", '"}'), 3_000_000),
    ("brackets that never close", ("", "[", ""), 3_000_000),
]


@pytest.mark.parametrize(("sentence", "parts", "count"), BOMBS, ids=[row[0] for row in BOMBS])
def test_no_header_takes_much_memory(sentence: str, parts: tuple[str, str, str], count: int) -> None:
    command = [sys.executable, "-c", PROGRAM, *parts, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    reason, mib = done.stdout.split()
    assert reason == "InvalidHeader"
    assert int(mib) < MOST_MIB
