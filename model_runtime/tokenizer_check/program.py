"""What the worker does with a tokenizer.json: read it, look at it, load it, and encode texts that are meant to hurt.

Each step has the limits of the worker for itself, and is said before it begins. Called by `sandbox.worker`, once.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import tokenizers

from model_runtime.sandbox.worker import step
from model_runtime.strict_json import JsonError, parse_json
from model_runtime.tokenizer_check.structure import (
    InvalidError,
    UnsafeError,
    check_structure,
    literals,
    patterns_of,
)

PROBE_BYTES = 64 << 10
# A byte that is no token of its own becomes three at most, and a text gets a few more at its ends.
_MAX_TOKENS_PER_BYTE = 4
_MAX_OWN_TOKENS = 256
# The largest vocabularies have some two million commas and colons, and those of their merges.
_MAX_VALUES = 16_000_000
_MAX_LITERALS = 24


def answer(content: bytes) -> bytes:
    """Return `Safe`, or `Unsafe` or `Invalid` and why, as JSON."""
    try:
        examine(content)
    except UnsafeError as error:
        return json.dumps(["Unsafe", str(error)]).encode()
    except InvalidError as error:
        return json.dumps(["Invalid", str(error)]).encode()
    return json.dumps(["Safe", ""]).encode()


def examine(content: bytes) -> None:
    """Go through all steps.

    Raises:
        UnsafeError: something is absurd, or a text becomes more tokens than it may.
        InvalidError: it is no tokenizer, or cannot encode a text.

    """
    step("it is read")
    try:
        document = parse_json(content, max_values=_MAX_VALUES)
    except JsonError as error:
        raise InvalidError(f"not valid JSON: {error}") from error
    step("its parts are looked at")
    check_structure(document)
    patterns = [pattern for _, pattern in patterns_of(document)]
    del document
    step("it is loaded")
    model = _load(content)
    step("an empty text is encoded")
    _encode(model, "")
    for name, text in probes(literals(patterns)):
        step(f"{name} are encoded")
        _encode(model, text)


def probes(characters: str) -> Iterator[tuple[str, str]]:
    """Give texts of 64 KiB, each of a kind that some tokenizer is slow with; `characters` are those of its patterns.

    They stand at the end of each text, where they help nothing: without them the library would see at once that a
    pattern which asks for one of them cannot match.
    """
    end = "\x00" + characters
    for name, text in {
        "letters": "a",
        "spaces": " ",
        "line ends": "\n",
        "spaces of many kinds": " \t\r\n\u00a0\u3000",
        "digits": "7",
        "exclamation marks": "!",
        "words of 1000 letters": "a" * 999 + " ",
        "words of mixed letters": "".join(chr(97 + index * index % 26) for index in range(97)) + " ",
        "accents": "\u0301",
        "ideographs": "漢字",
        "symbols of four bytes": "🙂",
        "words of many scripts": "Grüße, мир! 你好 שלום 123 it's\n",
        **{f"characters {character!r}": character for character in characters[:_MAX_LITERALS]},
    }.items():
        yield name, text * (PROBE_BYTES // len(text.encode())) + end


@contextmanager
def _native(what: str) -> Iterator[None]:
    """Turn what the library raises into words: plain exceptions, or a panic, which is none of Exception's kind."""
    try:
        yield
    except MemoryError:
        raise
    except BaseException as error:
        raise InvalidError(f"{what}: {error}") from error


def _load(content: bytes) -> tokenizers.Tokenizer:
    with _native("it cannot be loaded"):
        model = tokenizers.Tokenizer.from_buffer(content)
    # As the engine does: a text is never cut or filled up.
    model.no_truncation()
    model.no_padding()
    return model


def _encode(model: tokenizers.Tokenizer, text: str) -> None:
    with _native("it cannot encode a text"):
        tokens = model.encode(text).ids
    allowed = _MAX_TOKENS_PER_BYTE * len(text.encode()) + _MAX_OWN_TOKENS
    if len(tokens) > allowed:
        raise UnsafeError(f"{len(text)} characters become {len(tokens)} tokens: at most {allowed}")
    with _native("it cannot decode its tokens"):
        model.decode(tokens)
