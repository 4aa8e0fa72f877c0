"""The tokenizer.json and tokenizer_config.json that the metadata of a GGUF file stands for.

Pure; called by `gguf_documents`. GGUF names how text is cut into words (`tokenizer.ggml.pre`) without saying how; the
expressions here are those that llama.cpp takes for the name, in the words of the tokenizers library.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from model_runtime.errors import InvalidConfig, InvalidModel, UnsafeTokenizer, UnsupportedArchitecture
from model_runtime.gguf_header import Value, shown
from model_runtime.tokenizer_check.structure import MAX_ADDED_TOKENS, MAX_VOCABULARY

Json = dict[str, Any]

_CONTROL, _USER_DEFINED = 3, 4
_ADDED = (_CONTROL, _USER_DEFINED)
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_BYTES: Json = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_DIGITS: Json = {"type": "Digits", "individual_digits": True}


@dataclass(frozen=True, slots=True)
class _Words:
    """How text is cut into words before merging, and what comes with it."""

    steps: tuple[Json, ...]
    whole_words: bool = False  # a word that is a token is not merged from its bytes
    begins: bool = False  # a text begins with the first token unless the file says otherwise


_SINGLE_DIGITS = _Words((_DIGITS, _BYTES))
_LLAMA3_WORDS = _Words(
    (
        {"type": "Split", "pattern": {"Regex": _LLAMA3}, "behavior": "Isolated", "invert": False},
        _BYTES | {"use_regex": False},
    ),
    whole_words=True,
    begins=True,
)
_WORDS: Mapping[str, _Words] = {
    "gpt-2": _Words((_BYTES,)),
    "smollm": _SINGLE_DIGITS,
    "starcoder": _SINGLE_DIGITS,
    "refact": _SINGLE_DIGITS,
    "llama3": _LLAMA3_WORDS,
    "llama-v3": _LLAMA3_WORDS,
    "llama-bpe": _LLAMA3_WORDS,
}


def tokenizer_of(path: str, metadata: Mapping[str, Value]) -> Json:
    """Return tokenizer.json as an object.

    Raises:
        UnsupportedArchitecture: a kind of tokenizer that is not built here: a tokenizer.json beside the file is taken.
        UnsafeTokenizer: a vocabulary of absurd size.
        InvalidModel: the parts of the vocabulary do not fit together.

    """
    words = _words(path, metadata)
    tokens, types, merges = (_list(path, metadata, key) for key in ("tokens", "token_type", "merges"))
    vocabulary = _vocabulary(path, tokens, types)
    added = [
        _added(index, token, special=types[index] == _CONTROL)
        for index, token in enumerate(tokens)
        if types[index] in _ADDED
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": list(words.steps)},
        "post_processor": _post_processor(path, metadata, tokens, begins=words.begins),
        "decoder": _BYTES,
        "model": {
            "type": "BPE",
            "ignore_merges": words.whole_words,
            "vocab": vocabulary,
            "merges": [_merge(path, merge, vocabulary) for merge in merges],
        },
    }


def tokenizer_config_of(path: str, metadata: Mapping[str, Value]) -> Json:
    """Return tokenizer_config.json as an object: the special tokens and the chat template.

    Raises:
        InvalidModel: a special token that the vocabulary does not have, or a template that is no text.

    """
    tokens = _list(path, metadata, "tokens")
    config = {name: _special(path, metadata, tokens, f"{name}_id") for name in ("bos_token", "eos_token")}
    template = metadata.get("tokenizer.chat_template")
    if not isinstance(template, str | None):
        raise InvalidModel(f"{path}: tokenizer.chat_template is {shown(template)}: expected a text")
    return {name: text for name, text in (config | {"chat_template": template}).items() if text is not None}


def _words(path: str, metadata: Mapping[str, Value]) -> _Words:
    kind, pre = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre")
    beside = "put the model's tokenizer.json beside the file"
    if kind != "gpt2":
        raise UnsupportedArchitecture(f"{path}: tokenizer.ggml.model is {shown(kind)}: supported is 'gpt2': {beside}")
    if not isinstance(pre, str) or pre not in _WORDS:
        raise UnsupportedArchitecture(
            f"{path}: tokenizer.ggml.pre is {shown(pre)}: supported are {', '.join(sorted(_WORDS))}: {beside}"
        )
    if metadata.get("tokenizer.ggml.add_space_prefix"):
        raise UnsupportedArchitecture(f"{path}: tokenizer.ggml.add_space_prefix is true: supported is false: {beside}")
    return _WORDS[pre]


def _list(path: str, metadata: Mapping[str, Value], name: str) -> Sequence[Any]:
    """Return an array of the vocabulary; all but the types are arrays of texts, which the header gives as lists."""
    value = metadata.get(f"tokenizer.ggml.{name}")
    wanted = "numbers" if name == "token_type" else "texts"
    if isinstance(value, str | int | float | None) or isinstance(value, list) is (wanted == "numbers"):
        raise InvalidModel(f"{path}: tokenizer.ggml.{name} is {shown(value)}: expected an array of {wanted}")
    if wanted == "texts" and not all(isinstance(one, str) for one in value):
        raise InvalidModel(f"{path}: tokenizer.ggml.{name}: expected an array of texts")
    return cast("Sequence[Any]", value)


def _vocabulary(path: str, tokens: Sequence[str], types: Sequence[int]) -> dict[str, int]:
    if len(types) != len(tokens):
        raise InvalidModel(
            f"{path}: tokenizer.ggml.token_type has {len(types)} elements: expected {len(tokens)}, a token each"
        )
    _check_size(path, tokens, types)
    vocabulary = {token: index for index, token in enumerate(tokens)}
    if len(vocabulary) != len(tokens):
        twice = next(token for index, token in enumerate(tokens) if vocabulary[token] != index)
        raise InvalidModel(f"{path}: tokenizer.ggml.tokens: {twice[:80]!r} is there twice")
    return vocabulary


def _check_size(path: str, tokens: Sequence[str], types: Sequence[int]) -> None:
    """Refuse what the check of every tokenizer refuses too, before each token becomes objects of Python."""
    added = sum(1 for kind in types if kind in _ADDED)
    for what, count, most in (("tokens", len(tokens), MAX_VOCABULARY), ("added tokens", added, MAX_ADDED_TOKENS)):
        if count > most:
            raise UnsafeTokenizer(f"{path}: tokenizer.ggml.tokens: {count} {what}: expected at most {most}")


def _merge(path: str, merge: str, vocabulary: Mapping[str, int]) -> list[str]:
    # A token may begin with a space of its own; no other has one, as bytes are written as letters.
    left, _, right = merge[1:].partition(" ")
    parts = [merge[:1] + left, right]
    if not all(parts) or any(part not in vocabulary for part in (*parts, "".join(parts))):
        raise InvalidModel(f"{path}: tokenizer.ggml.merges: {merge[:80]!r}: expected two tokens that make a third")
    return parts


def _added(index: int, token: str, *, special: bool) -> Json:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": index, "content": token, "special": special} | flags


def _special(path: str, metadata: Mapping[str, Value], tokens: Sequence[str], name: str) -> str | None:
    index = metadata.get(f"tokenizer.ggml.{name}")
    if index is None:
        return None
    if type(index) is not int or not 0 <= index < len(tokens):
        raise InvalidConfig(f"{path}: tokenizer.ggml.{name} is {shown(index)}: expected one of {len(tokens)} tokens")
    return tokens[index]


def _post_processor(path: str, metadata: Mapping[str, Value], tokens: Sequence[str], *, begins: bool) -> Json | None:
    """Return what puts special tokens around a text, or None where none belong there."""
    before = ["bos_token_id"] if metadata.get("tokenizer.ggml.add_bos_token", begins) else []
    after = ["eos_token_id"] if metadata.get("tokenizer.ggml.add_eos_token") else []
    if not before and not after:
        return None
    special: dict[str, Json] = {}
    for name in (*before, *after):
        token = _special(path, metadata, tokens, name)
        if token is None:
            raise InvalidConfig(f"{path}: tokenizer.ggml.{name} is missing: expected the token that is added to a text")
        special[token] = {"id": token, "ids": [metadata[f"tokenizer.ggml.{name}"]], "tokens": [token]}
    placed = [
        {"SpecialToken": {"id": _special(path, metadata, tokens, name), "type_id": 0}} for name in (*before, *after)
    ]
    placed.insert(len(before), {"Sequence": {"id": "A", "type_id": 0}})
    return {
        "type": "TemplateProcessing",
        "single": placed,
        "pair": [*placed, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": special,
    }
