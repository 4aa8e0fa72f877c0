"""The header of a GGUF file: what ggml's own writer writes is read, and what does not add up is refused."""

import gzip
import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader
from gguf.constants import GGML_QUANT_SIZES
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.errors import (
    InvalidConfig,
    InvalidHeader,
    InvalidModel,
    InvalidTensors,
    ModelRuntimeError,
    PackedFile,
    PickledWeights,
    UnsafeFile,
)
from model_runtime.fetch.source import read_exactly
from model_runtime.gguf_header import MAX_HEADER_BYTES, GgufHeader, read_header
from tests.runtime.gguf_files import (
    ARRAY,
    BOOL,
    F32,
    I8,
    STRING,
    U8,
    U32,
    U64,
    array_of,
    gguf,
    info,
    pair,
    rows,
    text,
    write,
)
from tests.runtime.models import smollm2_gguf

ONE = [info("a")]
DATA = bytes(32)


def read(content: bytes, size: int | None = None) -> GgufHeader:
    length = len(content) if size is None else size
    return read_header("m.gguf", length, read_exactly(iter([content]), "m.gguf"))


def counts(tensors: int = 0, keys: int = 0, magic: bytes = b"GGUF", version: int = 3) -> bytes:
    return struct.pack("<4sIQQ", magic, version, tensors, keys)


def test_the_real_file_is_read_as_by_the_library() -> None:
    path = smollm2_gguf()
    with path.open("rb") as file:
        header = read_header(path.name, path.stat().st_size, file.read)
    library: Any = GGUFReader(path)
    fields = {name: field.contents() for name, field in library.fields.items() if not name.startswith("GGUF.")}
    assert {
        key: value if isinstance(value, str | int | float) else list(value) for key, value in header.metadata.items()
    } == fields
    assert [(one.name, one.dtype, one.shape, header.data_begin + one.begin, one.size) for one in header.tensors] == [
        (one.name, one.tensor_type.name, tuple(map(int, one.shape[::-1])), one.data_offset, one.n_bytes)
        for one in sorted(library.tensors, key=lambda one: int(one.data_offset))
    ]


@pytest.mark.parametrize("kind", GGML_QUANT_SIZES, ids=lambda kind: str(kind.name))
def test_each_format_has_the_sizes_of_the_library(kind: GGMLQuantizationType, tmp_path: Path) -> None:
    content, shape = rows(kind)
    path = write(tmp_path / "m.gguf", {}, {"a": (content, kind), "b": (content, kind)})
    tensors = read(path.read_bytes()).tensors
    assert [(one.name, one.dtype, one.shape, one.size) for one in tensors] == [
        (name, kind.name, shape, content.nbytes) for name in "ab"
    ]


def test_metadata_of_every_type_is_read() -> None:
    scalars = "BbHhIif?"
    pairs = [pair(f"k.{kind}", kind, struct.pack(f"<{code}", 1)) for kind, code in enumerate(scalars)]
    pairs += [
        pair(f"k.{kind}", kind, struct.pack(f"<{code}", 1)) for kind, code in zip((10, 11, 12), "Qqd", strict=True)
    ]
    pairs += [
        pair("text", STRING, text("ä")),
        pair("texts", ARRAY, array_of(STRING, 2, text("a") + text("b"))),
        pair("bools", ARRAY, array_of(BOOL, 2, b"\x01\x00")),
        pair("nested", ARRAY, array_of(ARRAY, 2, array_of(U8, 1, b"\x05") + array_of(I8, 2, b"\xff\x01"))),
    ]
    metadata = read(gguf(pairs)).metadata
    assert [metadata[f"k.{kind}"] for kind in (*range(8), 10, 11, 12)] == [1] * 11
    assert metadata["k.7"] is True
    assert (metadata["text"], metadata["texts"], list(metadata["bools"])) == ("ä", ["a", "b"], [True, False])  # type: ignore[arg-type]
    assert [list(inner) for inner in metadata["nested"]] == [[5], [-1, 1]]  # type: ignore[union-attr]


def test_another_alignment_and_version_are_read() -> None:
    pairs = [pair("general.alignment", U32, struct.pack("<I", 64))]
    content = gguf(pairs, [info("a"), info("b", offset=64)], bytes(96), head=counts(2, 1, version=2), alignment=64)
    assert [(one.name, one.begin) for one in read(content).tensors] == [("a", 0), ("b", 64)]


def test_tensors_may_be_described_in_any_order_and_padding_may_end_the_file() -> None:
    content = gguf([], [info("b", (1,), offset=32), info("a", (1,))], bytes(64))
    assert [one.name for one in read(content).tensors] == ["a", "b"]


def alignment(value: int) -> list[bytes]:
    return [pair("general.alignment", U32, struct.pack("<I", value))]


def number(key: str, value: float) -> bytes:
    return pair(key, F32, struct.pack("<f", value))


HEADERS = [
    ("an empty file", b"", "4 bytes wanted"),
    ("another magic", gguf(head=counts(magic=b"GGJT")), "expected b'GGUF'"),
    ("the first version", gguf(head=counts(version=1)), "version 1: expected 2 or 3"),
    ("a version to come", gguf(head=counts(version=4)), "version 4"),
    ("a big-endian file", gguf(head=struct.pack(">4sIQQ", b"GGUF", 3, 0, 0)), "big-endian"),
    ("a file that ends in the counts", counts()[:20], "bytes wanted"),
    ("more tensors than any model has", gguf(head=counts(tensors=2**40)), "tensors: expected at most"),
    ("more tensors than fit into the file", gguf(head=counts(tensors=9000)), "9000 tensors: the file ends"),
    ("more keys than any model has", gguf(head=counts(keys=2**63)), "metadata keys: expected at most"),
    ("more keys than fit into the file", gguf(head=counts(keys=9000)), "9000 metadata keys: the file ends"),
    ("a key longer than the file", gguf([struct.pack("<Q", 60_000)]), "60000 bytes wanted"),
    ("a key longer than any", gguf([struct.pack("<Q", 2**64 - 1)]), "a metadata key of 18446744073709551615 bytes"),
    ("an empty key", gguf([pair("", U8, b"\x01")]), "key '': expected words"),
    ("a key with a newline", gguf([pair("a\nb", U8, b"\x01")]), "key 'a\\nb'"),
    ("a key that is not UTF-8", gguf([pair(b"\xff", U8, b"\x01")]), "not UTF-8"),
    ("a key that is there twice", gguf([pair("a", U8, b"\x01")] * 2), "'a' is there twice"),
    ("an unknown metadata type", gguf([pair("a", 13, bytes(8))]), "a: metadata type 13"),
    ("an array of an unknown type", gguf([pair("a", ARRAY, array_of(13, 1))]), "a: array of metadata type 13"),
    ("a bool that is 2", gguf([pair("a", BOOL, b"\x02")]), "a bool that is 2"),
    (
        "an array with a bool that is 255",
        gguf([pair("a", ARRAY, array_of(BOOL, 2, b"\x01\xff"))]),
        "a bool that is 255",
    ),
    ("text that is not UTF-8", gguf([pair("a", STRING, text(b"\xc3"))]), "a b'\\xc3' is not UTF-8"),
    ("text longer than the file", gguf([pair("a", STRING, struct.pack("<Q", 1000))]), "1000 bytes wanted"),
    ("text longer than any", gguf([pair("a", STRING, struct.pack("<Q", 2**62))]), "a of 4611686018427387904 bytes"),
    ("an array longer than the file", gguf([pair("a", ARRAY, array_of(U64, 2**20))]), "the file ends after"),
    ("an array longer than any", gguf([pair("a", ARRAY, array_of(U64, 2**61))]), "expected at most"),
    ("more strings than any vocabulary", gguf([pair("a", ARRAY, array_of(STRING, 2**22))]), "expected at most"),
    ("arrays in arrays without end", gguf([pair("a", ARRAY, array_of(ARRAY, 1) * 20)]), "more than 4 deep"),
    ("an alignment of zero", gguf(alignment(0)), "general.alignment is 0"),
    ("an alignment that is no power of two", gguf(alignment(48)), "general.alignment is 48"),
    ("an alignment that skips most of the file", gguf(alignment(2**31)), "general.alignment is 2147483648"),
    ("an alignment that is text", gguf([pair("general.alignment", STRING, text("32"))]), "general.alignment is '32'"),
    ("a name longer than ggml's", gguf([], [info("a" * 65)], DATA), "a tensor's name of 65 bytes"),
    ("padding that hides something", gguf([], ONE)[:57] + b"secret!" + DATA, "not zero"),
    ("no padding before the tensors", gguf([], ONE, DATA)[:60], "the file ends"),
]
TENSORS = [
    ("no dimension", gguf([], [info("a", ())], DATA), "0 dimensions"),
    ("five dimensions", gguf([], [info("a", (1,) * 5)], DATA), "5 dimensions"),
    ("a dimension of zero", gguf([], [info("a", (8, 0))], DATA), "dimensions [8, 0]"),
    ("more elements than can be", gguf([], [info("a", (2**32, 2**32))], DATA), "fewer than 2^63"),
    ("an unknown type", gguf([], [info("a", kind=99)], DATA), "ggml type 99"),
    ("a type that was removed", gguf([], [info("a", kind=4)], DATA), "ggml type 4"),
    ("rows of half a block", gguf([], [info("a", (16,), kind=2)], DATA), "a multiple of 32 in Q4_0"),
    ("an offset between two places", gguf([], [info("a", offset=8)], bytes(64)), "expected a multiple of 32"),
    (
        "an offset beyond the file",
        gguf([], [info("a", offset=2**40)], DATA),
        "begins at byte 1099511627776: expected 0",
    ),
    (
        "tensors that overlap",
        gguf([], [info("a", (16,)), info("b", offset=32)], bytes(96)),
        "'b' begins at byte 32: expected 64",
    ),
    ("two tensors in the same place", gguf([], [info("a"), info("b")], DATA), "begins at byte 0: expected 32"),
    (
        "a hole between tensors",
        gguf([], [info("a"), info("b", offset=96)], bytes(128)),
        "begins at byte 96: expected 32",
    ),
    ("a hole before the first", gguf([], [info("a", offset=32)], bytes(64)), "begins at byte 32: expected 0"),
    ("a name that is there twice", gguf([], [info("a"), info("a", offset=32)], bytes(64)), "'a' is there twice"),
    ("a tensor that is cut short", gguf([], ONE, bytes(31)), "end at byte 32: expected 31"),
    ("bytes after the last tensor", gguf([], ONE, bytes(96)), "end at byte 32: expected 96"),
    ("bytes without a tensor", gguf(data=b"x"), "end at byte 0: expected 1"),
]


@pytest.mark.parametrize(("sentence", "content", "says"), HEADERS, ids=[case[0] for case in HEADERS])
def test_a_header_that_is_wrong_is_refused(sentence: str, content: bytes, says: str) -> None:
    with pytest.raises(InvalidHeader) as caught:
        read(content)
    assert says in str(caught.value)
    assert str(caught.value).startswith("m.gguf: ")


@pytest.mark.parametrize(("sentence", "content", "says"), TENSORS, ids=[case[0] for case in TENSORS])
def test_tensors_that_do_not_add_up_are_refused(sentence: str, content: bytes, says: str) -> None:
    with pytest.raises(InvalidTensors) as caught:
        read(content)
    assert says in str(caught.value)


FORMATS = [
    (pickle.dumps(list(range(300))), PickledWeights, "m.gguf: its bytes are a pickle"),
    (gzip.compress(gguf()), PackedFile, "m.gguf: its bytes are gzip"),
    (b"version https://git-lfs.github.com/spec/v1\n", InvalidHeader, "a pointer of Git LFS"),
]


@pytest.mark.parametrize(("content", "reason", "says"), FORMATS, ids=["pickle", "gzip", "Git LFS"])
def test_another_format_under_the_name_is_known(content: bytes, reason: type[ModelRuntimeError], says: str) -> None:
    with pytest.raises(reason, match=says):
        read(content)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(InvalidConfig, match=r"llama.rope.freq_base is (nan|inf)"):
        read(gguf([number("llama.rope.freq_base", value)]))


def test_a_header_longer_than_any_is_refused_before_it_is_read() -> None:
    """The file claims a terabyte, so that only the bound of the header is in the way."""
    content = gguf([pair("a", ARRAY, array_of(U8, MAX_HEADER_BYTES))])
    with pytest.raises(InvalidHeader, match=f"a header of at most {MAX_HEADER_BYTES} bytes"):
        read(content, size=2**40)


@pytest.mark.parametrize(("sentence", "content", "says"), HEADERS, ids=[case[0] for case in HEADERS])
def test_a_lie_takes_no_memory(sentence: str, content: bytes, says: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InvalidHeader):
            read(content)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=300))
def test_any_bytes_after_the_magic_give_a_header_or_a_reason(content: bytes) -> None:
    _header_or_reason(b"GGUF\x03\x00\x00\x00" + content)


WHOLE = gguf(
    [pair("general.alignment", U32, struct.pack("<I", 32)), pair("x", ARRAY, array_of(STRING, 1, text("y")))],
    [info("a", (32, 2), kind=2), info("b", offset=64)],
    bytes(96),
)


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_change_of_bytes_gives_a_header_or_a_reason(changes: list[tuple[int, int]]) -> None:
    content = bytearray(WHOLE)
    for index, byte in changes:
        content[index] = byte
    _header_or_reason(bytes(content))


@given(st.integers(0, len(WHOLE) - 1))
def test_a_file_that_ends_early_is_refused(length: int) -> None:
    with pytest.raises(InvalidModel):
        read(WHOLE[:length])


def _header_or_reason(content: bytes) -> None:
    """Tensors, if there are any, lie inside the file one after another and leave no more than padding."""
    try:
        header = read(content)
    except (InvalidModel, UnsafeFile):
        return
    position = header.data_begin
    for one in header.tensors:
        begin = header.data_begin + one.begin
        assert 0 <= begin - position < 1 << 20
        position = begin + one.size
    assert position <= len(content)


def test_the_writer_and_the_builder_of_these_tests_agree(tmp_path: Path) -> None:
    """The bad files above are bad for their own reason: the builder writes what ggml's writer writes."""
    ours = gguf([pair("general.architecture", STRING, text("llama"))], ONE, DATA)
    theirs = write(tmp_path / "m.gguf", {}, {"a": (np.zeros(8, np.float32), GGMLQuantizationType.F32)})
    assert ours == theirs.read_bytes()
