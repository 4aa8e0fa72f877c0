"""The limits of a tokenizer.json that can be seen without running it: sizes, counts, patterns and growth. Pure.

Called by `program`, in the worker. The figures are some ten times those of the largest published tokenizers.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

from model_runtime.tokenizer_check.ambiguity import TooManyStatesError, is_exponential
from model_runtime.tokenizer_check.charsmap import longest_replacement
from model_runtime.tokenizer_check.pattern import NotUnderstoodError

MAX_VOCABULARY = 1_000_000
MAX_MERGES = 4_000_000
MAX_ADDED_TOKENS = 100_000
MAX_TOKEN_CHARACTERS = 4096
MAX_STEPS = 64
MAX_STRING_CHARACTERS = 1024
MAX_PATTERN_CHARACTERS = 16_384
MAX_CHARSMAP_CHARACTERS = 8 << 20
MAX_WORD_CHARACTERS = 1000
MAX_GROWTH = 32
# U+FDFA becomes eighteen characters of 33 bytes.
MAX_REPLACEMENT_BYTES = 256
PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")


class UnsafeError(ValueError):
    """What no honest tokenizer has, in words that go into the message."""


class InvalidError(ValueError):
    """What is no tokenizer, in the same words."""


def check_structure(document: object) -> None:
    """Check everything.

    Raises:
        UnsafeError: something is absurd, or a pattern takes for ever.
        InvalidError: the document is no tokenizer.

    """
    if not isinstance(document, dict) or not isinstance(document.get("model"), dict):
        raise InvalidError("expected an object with a model")
    _check_model(document["model"])
    _check_added_tokens(document.get("added_tokens") or [])
    for part in PARTS:
        _check_part(part, document.get(part))


def patterns_of(document: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """Give every regular expression with the name of its part."""
    for part in PARTS:
        for step in _steps(document.get(part)):
            match step:
                case {"pattern": {"Regex": str(pattern)}}:
                    yield part, pattern


def _check_model(model: Mapping[str, Any]) -> None:
    vocabulary, merges = model.get("vocab"), model.get("merges") or []
    if not isinstance(vocabulary, dict | list) or not isinstance(merges, list):
        raise InvalidError("model: expected a vocab")
    _at_most("model.vocab: {} tokens", len(vocabulary), MAX_VOCABULARY)
    _at_most("model.merges: {} merges", len(merges), MAX_MERGES)
    tokens = vocabulary if isinstance(vocabulary, dict) else (entry[0] for entry in vocabulary if _is_scored(entry))
    _at_most("model.vocab: a token of {} characters", max(map(len, tokens), default=0), MAX_TOKEN_CHARACTERS)
    longest = model.get("max_input_chars_per_word")
    if isinstance(longest, int):
        _at_most("model.max_input_chars_per_word: {}", longest, MAX_WORD_CHARACTERS)
    for name, value in model.items():
        if isinstance(value, str):
            _at_most(f"model.{name}: {{}} characters", len(value), MAX_STRING_CHARACTERS)


def _is_scored(entry: object) -> bool:
    match entry:
        case [str(), int() | float()]:
            return True
    raise InvalidError("model.vocab: expected tokens with their scores")


def _check_added_tokens(tokens: object) -> None:
    if not isinstance(tokens, list) or not all(isinstance(token, dict) for token in tokens):
        raise InvalidError("added_tokens: expected a list of objects")
    _at_most("added_tokens: {} tokens", len(tokens), MAX_ADDED_TOKENS)
    longest = max((len(str(token.get("content"))) for token in tokens), default=0)
    _at_most("added_tokens: a token of {} characters", longest, MAX_STRING_CHARACTERS)


def _check_part(name: str, part: object) -> None:
    steps = list(_steps(part))
    _at_most(f"{name}: {{}} steps", len(steps), MAX_STEPS)
    for step in steps:
        _check_step(name, step)
    _at_most(f"{name}: a text may grow {{}} times", prod(map(_growth, steps)), MAX_GROWTH)


def _steps(part: object) -> Iterator[Mapping[str, Any]]:
    """Give every object of the part that says its type, also those within others."""
    inner: list[object] = [part]
    while inner:
        value = inner.pop()
        if isinstance(value, list):
            inner.extend(value)
        elif isinstance(value, dict):
            inner.extend(value.values())
            if "type" in value:
                yield value


def _check_step(part: str, step: Mapping[str, Any]) -> None:
    name = f"{part}: {str(step['type'])[:40]}"
    for key, value in step.items():
        if isinstance(value, str) and key != "precompiled_charsmap":
            _at_most(f"{name}: {key} of {{}} characters", len(value), MAX_STRING_CHARACTERS)
        if isinstance(value, list):
            _at_most(f"{name}: {key} of {{}} entries", len(value), MAX_STEPS)
    match step:
        case {"pattern": {"Regex": str(pattern)}}:
            _check_pattern(name, pattern)
        case {"pattern": {"String": str(text)}}:
            _at_most(f"{name}: pattern of {{}} characters", len(text), MAX_STRING_CHARACTERS)
        case {"type": "Precompiled", "precompiled_charsmap": str(charsmap)}:
            _at_most(f"{name}: {{}} characters", len(charsmap), MAX_CHARSMAP_CHARACTERS)
            _check_charsmap(name, charsmap)


def _check_charsmap(name: str, charsmap: str) -> None:
    try:
        longest = longest_replacement(charsmap)
    except ValueError as error:
        raise InvalidError(f"{name}: {error}") from error
    _at_most(f"{name}: a character becomes {{}} bytes", longest, MAX_REPLACEMENT_BYTES)


def _check_pattern(name: str, pattern: str) -> None:
    _at_most(f"{name}: pattern of {{}} characters", len(pattern), MAX_PATTERN_CHARACTERS)
    shown = repr(pattern if len(pattern) <= 80 else f"{pattern[:80]}…")
    try:
        exponential = is_exponential(pattern)
    except NotUnderstoodError as error:
        raise UnsafeError(f"{name}: the pattern {shown} is not understood: {error}") from error
    except TooManyStatesError as error:
        raise UnsafeError(f"{name}: the pattern {shown} is too large: {error}") from error
    except RecursionError as error:
        raise UnsafeError(f"{name}: the pattern {shown} is nested too deeply") from error
    if exponential:
        raise UnsafeError(f"{name}: the pattern {shown} can match a text in exponentially many ways")


def _growth(step: Mapping[str, Any]) -> int:
    """Return how many characters one can become at most."""
    match step:
        case {"type": "Replace", "pattern": {"String": str(text)}, "content": str(content)} if text:
            return max(1, -(-len(content) // len(text)))
        case {"type": "Replace", "content": str(content)}:
            # A pattern may take one character, or none between any two.
            return len(content) + 1
    return 1


def _at_most(what: str, found: int, limit: int) -> None:
    if found > limit:
        raise UnsafeError(f"{what.format(found)}: at most {limit}")


def literals(patterns: Sequence[str]) -> str:
    """Return the characters that stand in the patterns themselves, each once."""
    return "".join(dict.fromkeys(character for pattern in patterns for character in pattern))
