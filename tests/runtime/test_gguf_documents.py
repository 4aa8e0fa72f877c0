"""The documents that a GGUF file stands for: the real one's are those of the published model, others are refused."""

import json
import math
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from model_runtime.errors import (
    InvalidConfig,
    InvalidModel,
    ModelRuntimeError,
    UnsafeTokenizer,
    UnsupportedArchitecture,
)
from model_runtime.fetch.source import read_exactly
from model_runtime.gguf_documents import derived_documents
from model_runtime.gguf_header import GgufHeader, read_header
from model_runtime.gguf_tensors import llama_tensors
from tests.runtime.models import smollm2_gguf
from tests.runtime.reference import CHAT_PROMPTS
from tests.runtime.tiny_gguf import METADATA, TOKENS, WIDTH, tensor, tensors, tiny_gguf


def header(content: bytes) -> GgufHeader:
    return read_header("m.gguf", len(content), read_exactly(iter([content]), "m.gguf"))


def documents(*present: str, **metadata: Any) -> dict[str, Any]:
    """The documents of the tiny model; `__` in a name stands for a dot."""
    changed = {key.replace("__", "."): value for key, value in metadata.items()}
    return derived_documents("m.gguf", header(tiny_gguf(changed)), present)


def encode(document: dict[str, Any], text: str) -> list[str]:
    return list(Tokenizer.from_str(json.dumps(document)).encode(text).tokens)


@pytest.fixture(scope="module")
def real() -> dict[str, Any]:
    path = smollm2_gguf()
    with path.open("rb") as file:
        return derived_documents(path.name, read_header(path.name, path.stat().st_size, file.read), ())


def test_the_real_tokenizer_is_that_of_the_published_model(real: dict[str, Any], smollm2: Path) -> None:
    derived, published = (
        Tokenizer.from_str(json.dumps(real["tokenizer.json"])),
        Tokenizer.from_file(str(smollm2 / "tokenizer.json")),
    )
    for text in (*CHAT_PROMPTS, "<|im_start|>user\nyear 2024  <|im_end|>\n\n\tx<file_sep>", "it's  1/2 ½ x²\r\n "):
        ids = published.encode(text).ids
        assert derived.encode(text).ids == ids
        assert derived.decode(ids, skip_special_tokens=False) == published.decode(ids, skip_special_tokens=False)


def test_the_real_config_is_that_of_the_published_model(real: dict[str, Any], smollm2: Path) -> None:
    published = json.loads((smollm2 / "config.json").read_text())
    assert real["config.json"] == {
        name: published.get(name) for name in real["config.json"] if name not in {"eos_token_id", "rope_theta"}
    } | {"eos_token_id": [published["eos_token_id"]], "rope_theta": published["rope_parameters"]["rope_theta"]}


def test_the_real_special_tokens_and_template_are_those_of_the_published_model(
    real: dict[str, Any], smollm2: Path
) -> None:
    published = json.loads((smollm2 / "tokenizer_config.json").read_text())
    names = {"bos_token", "eos_token", "chat_template"}
    assert real["tokenizer_config.json"] == {name: published[name] for name in names}


def test_documents_beside_the_file_are_taken_but_config_json() -> None:
    assert set(documents("config.json", "tokenizer.json")) == {"config.json", "tokenizer_config.json"}
    assert set(documents("tokenizer.json", "tokenizer_config.json")) == {"config.json"}


def test_a_tokenizer_of_another_kind_is_left_alone_when_its_documents_are_there() -> None:
    assert documents("tokenizer.json", "tokenizer_config.json", tokenizer__ggml__model="llama")


def test_merges_and_added_tokens_are_those_of_the_file() -> None:
    document = documents()["tokenizer.json"]
    assert encode(document, "he he</s><extra>x") == ["he", "Ġhe", "</s>", "<extra>", "x"]
    special = {token["content"]: token["special"] for token in document["added_tokens"]}
    assert special == {"<s>": True, "</s>": True, "<extra>": False}


@pytest.mark.parametrize(
    ("pre", "pieces"),
    [
        ("gpt-2", ["it", "'s", "Ġ12345", "Ġa"]),
        ("smollm", ["it", "'s", "Ġ", "1", "2", "3", "4", "5", "Ġa"]),
        ("llama-bpe", ["it", "'s", "Ġ", "123", "45", "Ġa"]),
    ],
)
def test_text_is_cut_as_the_file_names_it(pre: str, pieces: list[str]) -> None:
    document = documents(tokenizer__ggml__pre=pre)["tokenizer.json"]
    found = Tokenizer.from_str(json.dumps(document)).pre_tokenizer.pre_tokenize_str("it's 12345 a")
    assert [piece for piece, _ in found] == pieces


BEGINNINGS = [
    ("neither by default", {}, ["x"]),
    ("the first where the file asks for it", {"add_bos_token": True}, ["<s>", "x"]),
    ("both where the file asks for them", {"add_bos_token": True, "add_eos_token": True}, ["<s>", "x", "</s>"]),
    ("the first by the habit of Llama 3", {"pre": "llama-bpe"}, ["<s>", "x"]),
    ("neither where the file says so", {"pre": "llama-bpe", "add_bos_token": False}, ["x"]),
]


@pytest.mark.parametrize(("sentence", "keys", "tokens"), BEGINNINGS, ids=[case[0] for case in BEGINNINGS])
def test_special_tokens_around_a_text(sentence: str, keys: dict[str, Any], tokens: list[str]) -> None:
    changed = {f"tokenizer__ggml__{key}": value for key, value in keys.items()}
    assert encode(documents(**changed)["tokenizer.json"], "x") == tokens


@pytest.mark.parametrize(("pre", "tokens"), [("gpt-2", ["x", "y", "z"]), ("llama-bpe", ["<s>", "xyz"])])
def test_a_word_that_is_a_token_is_taken_whole_as_llama_3_does_it(pre: str, tokens: list[str]) -> None:
    """No merges lead to it."""
    vocabulary = {"tokenizer__ggml__tokens": [*TOKENS[:-1], "xyz"], "tokenizer__ggml__token_type": [1] * len(TOKENS)}
    assert encode(documents(tokenizer__ggml__pre=pre, **vocabulary)["tokenizer.json"], "xyz") == tokens


def test_what_ends_a_turn_ends_a_text() -> None:
    config = documents(tokenizer__ggml__eot_token_id=260)["config.json"]
    assert (config["eos_token_id"], config["vocab_size"], config["tie_word_embeddings"]) == ([259, 260], 261, True)


REFUSED: list[tuple[str, dict[str, Any], type[ModelRuntimeError], str]] = [
    (
        "another architecture",
        {"general.architecture": "mamba"},
        UnsupportedArchitecture,
        "is 'mamba': supported is llama",
    ),
    ("an adapter", {"general.type": "adapter"}, UnsupportedArchitecture, "general.type is 'adapter'"),
    ("one of several parts", {"split.count": 3}, UnsupportedArchitecture, "split.count is 3"),
    ("experts", {"llama.expert_count": 8}, UnsupportedArchitecture, "llama.expert_count is 8: supported is 0"),
    ("scaled positions", {"llama.rope.scaling.type": "yarn"}, UnsupportedArchitecture, "'yarn': supported is 'none'"),
    ("a linear scale", {"llama.rope.scaling.factor": 4.0}, UnsupportedArchitecture, "scaling.factor is 4.0"),
    ("a setting to come", {"llama.attention.sinks": 4}, UnsupportedArchitecture, "llama.attention.sinks is 4"),
    (
        "heads that are rotated in part",
        {"llama.attention.key_length": 128},
        UnsupportedArchitecture,
        "dimension_count is 64",
    ),
    ("values of another size", {"llama.attention.value_length": 32}, UnsupportedArchitecture, "supported is 32"),
    (
        "heads for each layer",
        {"llama.attention.head_count": [4] * 99},
        InvalidConfig,
        "is an array of 99: expected one",
    ),
    ("a size that is true", {"llama.block_count": True}, InvalidConfig, "llama.block_count is True"),
    (
        "a tokenizer of another kind",
        {"tokenizer.ggml.model": "llama"},
        UnsupportedArchitecture,
        "put the model's tokenizer.json",
    ),
    ("no tokenizer", {"tokenizer.ggml.model": None}, UnsupportedArchitecture, "tokenizer.ggml.model is None"),
    (
        "an unknown way to cut words",
        {"tokenizer.ggml.pre": "tekken"},
        UnsupportedArchitecture,
        "pre is 'tekken': supported are",
    ),
    ("no way to cut words", {"tokenizer.ggml.pre": None}, UnsupportedArchitecture, "pre is None"),
    ("a space before texts", {"tokenizer.ggml.add_space_prefix": True}, UnsupportedArchitecture, "add_space_prefix"),
    ("no tokens", {"tokenizer.ggml.tokens": None}, InvalidModel, "tokens is None: expected an array of texts"),
    (
        "tokens that are numbers",
        {"tokenizer.ggml.tokens": [1, 2]},
        InvalidModel,
        "tokens is an array of 2: expected an array of t",
    ),
    ("types that are texts", {"tokenizer.ggml.token_type": ["a"]}, InvalidModel, "expected an array of numbers"),
    ("fewer types than tokens", {"tokenizer.ggml.token_type": [1]}, InvalidModel, "has 1 elements: expected 261"),
    ("a token that is there twice", {"tokenizer.ggml.tokens": ["a", *TOKENS[1:]]}, InvalidModel, "'a' is there twice"),
    ("a merge of one token", {"tokenizer.ggml.merges": ["he"]}, InvalidModel, "merges: 'he': expected two"),
    ("a merge into no token", {"tokenizer.ggml.merges": ["x y"]}, InvalidModel, "merges: 'x y'"),
    ("an end beyond the vocabulary", {"tokenizer.ggml.eos_token_id": 261}, InvalidConfig, "eos_token_id is 261"),
    ("an end that is text", {"tokenizer.ggml.eos_token_id": "</s>"}, InvalidConfig, "eos_token_id is '</s>'"),
    (
        "a beginning that is nowhere",
        {"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.bos_token_id": None},
        InvalidConfig,
        "bos_token_id is missing",
    ),
    ("a template that is a number", {"tokenizer.chat_template": 1}, InvalidModel, "chat_template is 1"),
]


@pytest.mark.parametrize(("sentence", "changed", "reason", "says"), REFUSED, ids=[case[0] for case in REFUSED])
def test_metadata_of_no_model_that_is_served_is_refused(
    sentence: str, changed: dict[str, Any], reason: type[ModelRuntimeError], says: str
) -> None:
    with pytest.raises(reason) as caught:
        derived_documents("m.gguf", header(tiny_gguf(changed)), ())
    assert type(caught.value) is reason
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("count", "kind", "says"),
    [(1_000_001, 1, "1000001 tokens: expected at most"), (100_001, 3, "100001 added tokens: expected at most")],
)
def test_a_vocabulary_of_absurd_size_is_refused(count: int, kind: int, says: str) -> None:
    tokens = {
        "tokenizer.ggml.tokens": list(map(str, range(count))),
        "tokenizer.ggml.token_type": array("i", [kind]) * count,
    }
    absurd = GgufHeader({**METADATA, "general.architecture": "llama", **tokens}, (), 0)
    with pytest.raises(UnsafeTokenizer, match=says):
        derived_documents("m.gguf", absurd, ())


def test_tensors_have_the_names_of_the_other_layout() -> None:
    found = {one.name: (one.dtype, one.shape) for one in llama_tensors("m.gguf", header(tiny_gguf()))}
    assert found["model.embed_tokens.weight"] == ("BF16", (len(TOKENS), WIDTH))
    assert found["model.norm.weight"] == ("F32", (WIDTH,))
    assert found["model.layers.0.self_attn.k_proj.weight"] == ("BF16", (128, WIDTH))
    assert len(found) == len(tensors())


@pytest.mark.parametrize("name", ["rope_freqs.weight", "blk.0.attn_q.bias", "blk.00.attn_q.weight", "blk.0.exp.weight"])
def test_a_tensor_of_another_architecture_is_refused(name: str) -> None:
    content = tiny_gguf(changed={name: tensors()["output_norm.weight"]})
    with pytest.raises(UnsupportedArchitecture, match=f"tensor '{name}'"):
        llama_tensors("m.gguf", header(content))


def test_a_format_without_numbers_is_refused() -> None:
    integers = tensor(np.random.default_rng(1), (WIDTH,), GGMLQuantizationType.I8)
    with pytest.raises(UnsupportedArchitecture, match="is stored as I8: supported are F32, F16, BF16, "):
        llama_tensors("m.gguf", header(tiny_gguf(changed={"output_norm.weight": integers})))


scalars = st.none() | st.booleans() | st.integers(-1, 300) | st.floats(allow_nan=False) | st.text(max_size=4)
values = scalars | st.lists(scalars, max_size=3) | st.lists(st.integers(0, 9), max_size=3).map(lambda n: array("i", n))
TYPES = array("i", METADATA["tokenizer.ggml.token_type"])
KEYS = sorted({*METADATA, *(f"tokenizer.ggml.{name}" for name in ("add_bos_token", "add_eos_token", "eot_token_id"))})


@example({"tokenizer.ggml.bos_token_id": math.inf}, set())
@given(
    st.dictionaries(st.sampled_from([*KEYS, "general.type", "split.count", "llama.vocab_size"]), values, max_size=3),
    st.sets(st.sampled_from(["tokenizer.json", "tokenizer_config.json"])),
)
def test_any_metadata_gives_documents_or_a_reason(changed: dict[str, Any], present: set[str]) -> None:
    metadata = {**METADATA, "general.architecture": "llama", "tokenizer.ggml.token_type": TYPES, **changed}
    given_header = GgufHeader({key: value for key, value in metadata.items() if value is not None}, (), 0)
    try:
        documents = derived_documents("m.gguf", given_header, present)
    except ModelRuntimeError:
        return
    assert json.loads(json.dumps(documents)) == documents
