"""JSON that nobody vouches for, read strictly: one meaning, no numbers that are none, and not too much of it.

Pure. `documents.parse_document` reads the documents with it, `safetensors_header` the headers. Memory is bounded before
anything is parsed: one value costs Python some 100 bytes, and each has a comma, colon or bracket of its own.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

_MARKS = (b",", b":", b"[", b"{")
_MAX_DEPTH = 64
# tokenizer_config.json of published models has model_max_length of 31 digits.
_MAX_DIGITS = 64
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class JsonError(ValueError):
    """The text is not JSON, or too much of it."""


class AbsurdJsonError(JsonError):
    """JSON to a lenient parser, but nothing a model can mean: NaN, Infinity, an endless number, a name twice."""


def parse_json(content: bytes, *, max_values: int) -> Any:  # noqa: ANN401 - JSON
    """Parse UTF-8 without a byte order mark.

    Raises:
        JsonError: the content is no JSON, is nested deeper than 64, or has more than about `max_values` values.
        AbsurdJsonError: see there.

    """
    marks = sum(map(content.count, _MARKS))
    if marks > max_values:
        raise JsonError(f"{marks} commas, colons and brackets: expected at most {max_values}")
    try:
        text = content.decode("utf-8")
        document = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_short,
        )
    except RecursionError as error:
        raise JsonError(f"nested deeper than {_MAX_DEPTH}") from error
    except UnicodeDecodeError as error:
        raise JsonError(f"not valid JSON: byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise JsonError(f"not valid JSON: {error}") from error
    for _ in walk(document):
        pass
    if _SURROGATE.search(text):
        _check_surrogates(document)
    return document


def walk(document: object) -> Iterator[tuple[str, Any]]:
    """Give every name of every object in the document with its value, outer ones first.

    Raises:
        JsonError: nested deeper than 64.

    """
    level: list[object] = [document]
    for _ in range(_MAX_DEPTH + 1):
        inner: list[object] = []
        for value in level:
            if isinstance(value, dict):
                yield from value.items()
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
        if not inner:
            return
        level = inner
    raise JsonError(f"nested deeper than {_MAX_DEPTH}")


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise AbsurdJsonError(f"the name {twice[:80]!r} is there twice")
    return names


def _refuse_constant(text: str) -> NoReturn:
    raise AbsurdJsonError(f"{text} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise AbsurdJsonError(f"{text[:80]} is more than a number can be")
    return number


def _short(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise AbsurdJsonError(f"a number of {len(text)} digits: expected at most {_MAX_DIGITS}")
    return int(text)


def _check_surrogates(document: object) -> None:
    """Refuse half of a character, which is no text that could be written anywhere."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise AbsurdJsonError("half of a character (a lone surrogate)") from error
