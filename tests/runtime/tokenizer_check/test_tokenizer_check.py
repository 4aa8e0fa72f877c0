"""Tokenizers that must be refused, each with the words for what it does; and the unusual that must pass."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_runtime.errors import InvalidModel, ModelRuntimeError, UnsafeTokenizer
from model_runtime.tokenizer_check.check import check_tokenizer
from model_runtime.tokenizer_check.structure import UnsafeError, check_structure
from tests.runtime.fetch.tiny import TOKENIZER
from tests.runtime.models import minilm_folder, smollm2_folder

Json = dict[str, Any]


def encoded(**parts: object) -> bytes:
    return json.dumps(TOKENIZER | parts).encode()


def read(folder: Path) -> bytes:
    return (folder / "tokenizer.json").read_bytes()


def replace(pattern: Json, content: str) -> Json:
    return {"type": "Replace", "pattern": pattern, "content": content}


def split(pattern: str) -> Json:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def sequence(*normalizers: Json) -> Json:
    return {"type": "Sequence", "normalizers": list(normalizers)}


def pieces(count: int) -> Json:
    return {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}] * count,
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {},
    }


def special(count: int) -> Json:
    """A template whose one special token stands for so many."""
    template = pieces(1)
    template["single"].insert(0, {"SpecialToken": {"id": "x", "type_id": 0}})
    template["special_tokens"] = {"x": {"id": "x", "ids": [1] * count, "tokens": ["<s>"] * count}}
    return template


def charsmap(replacement: bytes) -> Json:
    table = (4096).to_bytes(4, "little") + bytes(4096) + replacement + b"\0"
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()}


def added(content: str, number: int = 5) -> Json:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    return {"id": number, "content": content} | flags


def model(**fields: object) -> Json:
    return TOKENIZER["model"] | fields  # type: ignore[operator]


def word_piece(longest: int) -> Json:
    return {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": longest,
        "vocab": {"[UNK]": 0, "a": 1, "##a": 2},
    }


def unigram(score: str) -> bytes:
    document = TOKENIZER | {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", "SCORE"]]}}
    return json.dumps(document).replace('"SCORE"', score).encode()


def merged(vocabulary: Json, *merges: list[str]) -> Json:
    return {"type": "BPE", "vocab": vocabulary, "merges": list(merges)}


DOUBLING = replace({"String": "a"}, "aa")
BAD: list[tuple[str, Callable[[], bytes], type[ModelRuntimeError], str]] = [
    ("no JSON", lambda: b"{", InvalidModel, "not valid JSON"),
    ("nested without end", lambda: b"[" * 100_000, InvalidModel, "not valid JSON"),
    ("a list", lambda: b"[]", InvalidModel, "expected an object with a model"),
    ("a part that is there twice", lambda: encoded()[:-1] + b',"normalizer":null}', InvalidModel, "twice"),
    ("a kind of model that there is not", lambda: encoded(model={"type": "x", "vocab": {}}), InvalidModel, "loaded"),
    ("a merge of what is no token", lambda: encoded(model=merged({"a": 0}, ["a", "b"])), InvalidModel, "loaded"),
    ("a score that is no number", lambda: unigram("NaN"), InvalidModel, "NaN"),
    ("a score without end", lambda: unigram("1e999"), InvalidModel, "1e999"),
    ("no token for what is unknown", lambda: encoded(model=model(unk_token="gone")), InvalidModel, "cannot encode"),
    ("a pattern that is none", lambda: encoded(pre_tokenizer=split("(a")), UnsafeTokenizer, "not understood"),
    ("a loop in a loop", lambda: encoded(pre_tokenizer=split("(a+)+$")), UnsafeTokenizer, "exponentially many"),
    (
        "the same alternative twice, in a sequence",
        lambda: encoded(normalizer=sequence(replace({"Regex": "(a|a)*b"}, ""))),
        UnsafeTokenizer,
        "normalizer: Replace: the pattern '(a|a)*b'",
    ),
    (
        "anything twice, for decoding",
        lambda: encoded(decoder=replace({"Regex": "(.*)*x"}, "")),
        UnsafeTokenizer,
        "decoder: Replace",
    ),
    (
        "a pattern of cubic time",
        lambda: encoded(pre_tokenizer=split(r"a*a*a*[bc]")),
        UnsafeTokenizer,
        "takes too long: more than 6 s of processor time while letters are encoded",
    ),
    ("thirty doublings", lambda: encoded(normalizer=sequence(*[DOUBLING] * 30)), UnsafeTokenizer, "grow 1073741824"),
    ("a letter becomes a page", lambda: encoded(normalizer=replace({"String": "a"}, "b" * 99)), UnsafeTokenizer, "99"),
    ("what is put everywhere", lambda: encoded(normalizer=replace({"Regex": ""}, "b" * 99)), UnsafeTokenizer, "100"),
    ("a thousand steps", lambda: encoded(normalizer=sequence(*[{"type": "NFC"}] * 999)), UnsafeTokenizer, "1000 steps"),
    ("a character becomes a page", lambda: encoded(normalizer=charsmap(b"x" * 9999)), UnsafeTokenizer, "9999 bytes"),
    (
        "a table of absurd size",
        lambda: encoded(normalizer={"type": "Precompiled", "precompiled_charsmap": "A" * (9 << 20)}),
        UnsafeTokenizer,
        "9437184 characters",
    ),
    (
        "a table that lies about its size",
        lambda: encoded(normalizer={"type": "Precompiled", "precompiled_charsmap": "/////w=="}),
        InvalidModel,
        "trie of 4294967295",
    ),
    ("a text over and over", lambda: encoded(post_processor=pieces(1000)), UnsafeTokenizer, "single of 1000 entries"),
    ("a text sixty times", lambda: encoded(post_processor=pieces(60)), UnsafeTokenizer, "tokens: at most"),
    ("a token that stands for many", lambda: encoded(post_processor=special(9999)), UnsafeTokenizer, "become 9999"),
    ("an added token of absurd length", lambda: encoded(added_tokens=[added("a" * 9999)]), UnsafeTokenizer, "9999"),
    ("a token of absurd length", lambda: encoded(model=model(vocab={"a" * 9999: 0})), UnsafeTokenizer, "9999"),
    ("words of absurd length", lambda: encoded(model=word_piece(10**9)), UnsafeTokenizer, "1000000000: at most 1000"),
]
GOOD: list[tuple[str, Callable[[], bytes]]] = [
    ("all-MiniLM-L6-v2", lambda: read(minilm_folder())),
    ("SmolLM2-135M-Instruct", lambda: read(smollm2_folder())),
    ("a small one", encoded),
    (
        "cutting and filling up, which the engine switches off",
        lambda: encoded(
            truncation={"direction": "Right", "max_length": 10**9, "strategy": "LongestFirst", "stride": 0},
            padding={
                "strategy": {"Fixed": 10**9},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "[UNK]",
            },
        ),
    ),
    ("a space for every mark", lambda: encoded(normalizer=sequence(replace({"Regex": " {2,}"}, " "), DOUBLING))),
    ("a table of replacements", lambda: encoded(normalizer=charsmap("ﷺ".encode()))),
    ("a text that begins and ends", lambda: encoded(post_processor=special(2))),
    ("a token for the longest line", lambda: encoded(added_tokens=[added("=" * 128), added("<x>", 6)])),
    ("words of 200 letters", lambda: encoded(model=word_piece(200))),
    ("scores", lambda: unigram("-7.5")),
]


@pytest.mark.parametrize(("sentence", "make", "error", "says"), BAD, ids=[row[0] for row in BAD])
def test_what_is_refused(sentence: str, make: Callable[[], bytes], error: type[ModelRuntimeError], says: str) -> None:
    with pytest.raises(error) as refused:
        check_tokenizer(make())
    assert type(refused.value) is error
    assert str(refused.value).startswith("tokenizer.json")
    assert says in str(refused.value)


@pytest.mark.parametrize(("sentence", "make"), GOOD, ids=[row[0] for row in GOOD])
def test_what_passes(sentence: str, make: Callable[[], bytes]) -> None:
    check_tokenizer(make())


MANY: list[tuple[str, Json, str]] = [
    ("tokens", {"model": {"vocab": dict.fromkeys(range(1_000_001), 0)}}, "1000001 tokens: at most 1000000"),
    ("merges", {"model": {"vocab": {}, "merges": [""] * 4_000_001}}, "4000001 merges: at most 4000000"),
    ("added tokens", {"model": {"vocab": {}}, "added_tokens": [{}] * 100_001}, "100001 tokens: at most 100000"),
]


@pytest.mark.parametrize(("what", "document", "says"), MANY, ids=[row[0] for row in MANY])
def test_too_many_are_refused(what: str, document: Json, says: str) -> None:
    with pytest.raises(UnsafeError, match=says):
        check_structure(document)
