"""JSON of a model: what has one meaning is read, and what has two, none, or too much is refused with a reason."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_runtime.documents import parse_document
from model_runtime.errors import InvalidConfig, InvalidModel, ModelRuntimeError, PackedFile, PickledWeights
from model_runtime.strict_json import JsonError, parse_json, walk

REFUSED = [
    ("nothing", b"", InvalidModel, "not valid JSON"),
    ("an object that does not end", b"{", InvalidModel, "not valid JSON"),
    ("two documents", b"{} {}", InvalidModel, "Extra data"),
    ("a byte that is not UTF-8", b'{"a": "\xff"}', InvalidModel, "byte 7 is not UTF-8"),
    ("UTF-16, which some parsers guess", '{"a": 1}'.encode("utf-16"), InvalidModel, "byte 0 is not UTF-8"),
    ("a byte order mark", b'\xef\xbb\xbf{"a": 1}', InvalidModel, "BOM"),
    ("brackets without end", b"[" * 100_000, InvalidModel, "nested deeper than 64"),
    ("65 lists in one another", b"[" * 66 + b"]" * 66, InvalidModel, "nested deeper than 64"),
    ("objects in one another", b'{"a":' * 70 + b"1" + b"}" * 70, InvalidModel, "nested deeper than 64"),
    ("millions of values", b"[" + b"0," * 1_000_001 + b"0]", InvalidModel, "expected at most 1000000"),
    ("NaN", b'{"a": NaN}', InvalidConfig, "NaN is no number"),
    ("Infinity, deep inside", b'{"a": [{"b": -Infinity}]}', InvalidConfig, "-Infinity is no number"),
    ("a number above all floats", b'{"a": 1e999}', InvalidConfig, "1e999 is more than a number can be"),
    ("a number of a million digits", b"9" * 1_000_000, InvalidConfig, "a number of 1000000 digits"),
    ("a name twice", b'{"a": {"b": 1, "b": 2}}', InvalidConfig, "'b' is there twice"),
    ("a name twice, once escaped", b'{"a": 1, "\\u0061": 2}', InvalidConfig, "'a' is there twice"),
    ("half of a character", b'{"a": "\\ud800"}', InvalidConfig, "lone surrogate"),
    ("half of a character as a name", b'{"\\udc00": 1}', InvalidConfig, "lone surrogate"),
    ("a pickle", b"\x80\x04\x95\x10\x00", PickledWeights, "pickle"),
    ("a pickle of the oldest protocol", b"cos\nsystem\n(S'id'\ntR.", PickledWeights, "pickle"),
    ("gzip", b"\x1f\x8b\x08\x00\x00", PackedFile, "gzip"),
]


@pytest.mark.parametrize(("sentence", "content", "error", "says"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused(sentence: str, content: bytes, error: type[ModelRuntimeError], says: str) -> None:
    with pytest.raises(error, match=says) as raised:
        parse_document("config.json", content)
    assert type(raised.value) is error
    assert str(raised.value).startswith("config.json: ")
    assert len(str(raised.value)) < 300


PASSED = [
    ("a limit of 31 digits, as tokenizers have", b'{"n": 1000000000000000019884624838656}'),
    ("a smile written as two escapes", b'{"a": "\\ud83d\\ude00"}'),
    ("a backslash before what looks like half of a character", b'{"a": "\\\\ud800"}'),
    ("64 lists in one another", b"[" * 65 + b"]" * 65),
    ("the smallest number", b'{"a": 5e-324, "b": -0.0}'),
]


@pytest.mark.parametrize(("sentence", "content"), PASSED, ids=[row[0] for row in PASSED])
def test_what_passes_is_what_json_means(sentence: str, content: bytes) -> None:
    assert parse_document("config.json", content) == json.loads(content)


@settings(deadline=None)
@given(
    st.binary(max_size=200)
    | st.text(max_size=100).map(str.encode)
    | st.text('[]{}:,"\\u0dD819eE.-', max_size=60).map(str.encode)
)
def test_any_bytes_give_a_document_or_a_reason(content: bytes) -> None:
    try:
        document = parse_json(content, max_values=100)
    except JsonError:
        return
    json.dumps(document, allow_nan=False, ensure_ascii=False).encode()


def test_every_name_is_found_outer_ones_first() -> None:
    assert [name for name, _ in walk({"a": [{"b": {"c": 1}}], "d": 2})] == ["a", "d", "b", "c"]
