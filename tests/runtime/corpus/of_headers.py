"""Repositories whose weights have a header that is not well-formed, or lies about its length."""

from model_runtime.errors import InvalidHeader
from tests.runtime.corpus.building import (
    WEIGHTS,
    Header,
    decoder,
    encoded,
    nested,
    with_header,
    with_tensor,
    with_weights,
    written,
)
from tests.runtime.corpus.rows import Bad

NORM = "model.norm.weight"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123\n"


def rename(header: Header, name: str) -> None:
    header[name] = header.pop(NORM)


def metadata(value: object) -> object:
    return with_header(lambda header: header.update(__metadata__=value))


BAD = [
    Bad("empty weights", with_weights(b""), InvalidHeader, "0 bytes: expected at least 8"),
    Bad("weights of seven bytes", with_weights(b"\0" * 7), InvalidHeader, "7 bytes: expected at least 8"),
    Bad("a header longer than the file", with_weights(decoder()[WEIGHTS][:100]), InvalidHeader, "in a file of 100"),
    Bad("a header of 2**64 bytes", with_weights(b"\xff" * 8 + bytes(64)), InvalidHeader, "18446744073709551615"),
    Bad("a header of nothing", with_weights(bytes(64)), InvalidHeader, "not valid JSON"),
    Bad("a header that is cut", with_weights(written(b'{"a": ')), InvalidHeader, "not valid JSON"),
    Bad("a header that is a list", with_weights(written(b"[]")), InvalidHeader, "expected an object"),
    Bad("a header after white space", with_weights(written(b" {}")), InvalidHeader, "white space"),
    Bad("a header of other letters", with_weights(written("{}".encode("utf-16"))), InvalidHeader, "not UTF-8"),
    Bad("lists without end", with_weights(written(b"[" * 100_000)), InvalidHeader, "nested deeper"),
    Bad("lists in the metadata", metadata({"a": nested(70)}), InvalidHeader, "nested deeper"),
    Bad("millions of values", with_weights(written(b'{"a":[' + b"0," * 3_200_001)), InvalidHeader, "at most 3200000"),
    Bad(
        "a header with a number of a million digits",
        with_weights(written(b'{"a":' + b"9" * 10**6)),
        InvalidHeader,
        "1000000 digits",
    ),
    Bad("a header of NaN", with_weights(written(b'{"a": NaN}')), InvalidHeader, "NaN is no number"),
    Bad("a tensor that is there twice", with_weights(written(b'{"a":{},"a":{}}')), InvalidHeader, "'a' is there twice"),
    Bad("metadata that is no text", metadata({"epochs": 3}), InvalidHeader, "__metadata__: expected"),
    Bad("metadata of two megabytes", metadata({"a": "b" * 2_000_000}), InvalidHeader, "__metadata__ of 2000001"),
    Bad("a name of a thousand letters", with_header(lambda h: rename(h, "a" * 1000)), InvalidHeader, "1000 characters"),
    Bad("a field that nobody knows", with_tensor(NORM, alias="a"), InvalidHeader, "expected exactly dtype"),
    Bad("offsets that are three", with_tensor(NORM, data_offsets=[0, 1, 2]), InvalidHeader, "expected exactly dtype"),
    Bad("a dtype that nobody knows", with_tensor(NORM, dtype="Q4_K"), InvalidHeader, "dtype 'Q4_K'"),
    Bad("a pointer of Git LFS", with_weights(POINTER), InvalidHeader, "Git LFS"),
    Bad("a web page", with_weights(b"<!DOCTYPE html><title>404</title>"), InvalidHeader, "header of"),
    Bad("JSON without its length", with_weights(encoded({"a": 1})), InvalidHeader, "header of"),
]
