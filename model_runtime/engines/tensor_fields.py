"""Picks typed fields out of the parts of a tensor model's config.json; every error says which part and which field.

Pure, without torch. Used by `tensor_config` and `tensor_layers`.
"""

import re
from collections.abc import Mapping
from math import prod
from typing import Any

from model_runtime.engines.errors import InvalidConfigError

Shape = tuple[int, ...]
# A tensor's name for Triton, and a layer's, which may become one.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
# Of one row. A model of such a size would take a GiB for each value it computes.
_MOST_ELEMENTS = 1 << 28
_MOST_DIMENSIONS = 6


class Part:
    """One object of config.json and where it stands, such as `layers[2] "conv"`; each field is taken once."""

    def __init__(self, where: str, document: object) -> None:
        """Begin to read; InvalidConfigError if it is no object."""
        if not isinstance(document, Mapping):
            raise InvalidConfigError(f"config.json: {where} is {document!r:.80}; expected an object")
        self._where = where
        self._fields: dict[str, Any] = dict(document)

    def wrong(self, field: str, value: object, wanted: str) -> InvalidConfigError:
        """Return the error that names the part, the field and what would be right."""
        return InvalidConfigError(f"config.json: {self._where}: {field} is {value!r:.80}; expected {wanted}")

    def rename(self, where: str) -> None:
        """Say better where the part stands, once its name is known."""
        self._where = where

    def name(self, field: str, default: str | None = None) -> str:
        """Take a name."""
        value = self._fields.pop(field, default)
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise self.wrong(field, value, "a name of at most 128 letters, digits, '_', '.' and '-'")
        return value

    def tensor(self, field: str) -> str | None:
        """Take the name of a tensor of the weights, or None where it is left out."""
        value = self._fields.pop(field, None)
        if value is not None and (not isinstance(value, str) or not value):
            raise self.wrong(field, value, "the name of a tensor in the weights")
        return value

    def names(self, field: str) -> tuple[str, ...]:
        """Take a list of two or more names."""
        value = self._fields.pop(field, None)
        if not isinstance(value, list) or len(value) < 2 or not all(isinstance(one, str) for one in value):
            raise self.wrong(field, value, "a list of two or more names")
        return tuple(value)

    def choice(self, field: str, choices: Mapping[str, Any], default: str | None = None) -> str:
        """Take one of several words."""
        value = self._fields.pop(field, default)
        if not isinstance(value, str) or value not in choices:
            raise self.wrong(field, value, f"one of {', '.join(choices)}")
        return value

    def count(self, field: str, default: int, *, least: int = 1) -> int:
        """Take a whole number."""
        value = self._fields.pop(field, default)
        if type(value) is not int or not least <= value < 1 << 31:
            raise self.wrong(field, value, f"a whole number, {least} or more")
        return value

    def count_from_end(self, field: str) -> int:
        """Take an axis, -1 (the last) or less, where it is left out the last; return 1 for -1."""
        value = self._fields.pop(field, -1)
        if type(value) is not int or not -_MOST_DIMENSIONS <= value < 0:
            raise self.wrong(field, value, f"a whole number, -{_MOST_DIMENSIONS} to -1")
        return -value

    def sizes(self, field: str, rank: int, default: int | list[int] | None, *, least: int = 1) -> Shape:
        """Take a number for each of `rank` directions; one number counts for all."""
        value = self._fields.pop(field, default)
        listed = value if isinstance(value, list) else [value] * rank
        if len(listed) != rank or not all(type(one) is int and least <= one < 1 << 31 for one in listed):
            raise self.wrong(field, value, f"a whole number, {least} or more, or a list of {rank}")
        return tuple(listed)

    def fraction(self, field: str, default: float) -> float:
        """Take a small number above zero."""
        value = self._fields.pop(field, default)
        if type(value) not in {int, float} or not 0 < value <= 1:
            raise self.wrong(field, value, "a number above 0, at most 1")
        return float(value)

    def rows(self, field: str) -> Shape:
        """Take the shape of an input or output; return it without its first size, -1, the batch."""
        value = self._fields.pop(field, None)
        wanted = f"-1 for the batch and 1 to {_MOST_DIMENSIONS} sizes of 1 or more"
        if not isinstance(value, list) or not 1 < len(value) <= _MOST_DIMENSIONS + 1 or value[0] != -1:
            raise self.wrong(field, value, wanted)
        if not all(type(one) is int and 1 <= one < 1 << 31 for one in value[1:]):
            raise self.wrong(field, value, wanted)
        return self.bounded(field, tuple(value[1:]))

    def bounded(self, field: str, shape: Shape) -> Shape:
        """Return the shape of a value if a row of it is of bearable size."""
        if prod(shape) > _MOST_ELEMENTS:
            raise self.wrong(field, list(shape), f"at most {_MOST_ELEMENTS} elements in a row")
        return shape

    def end(self) -> None:
        """Refuse what nobody has taken: a setting that would be ignored is a mistake."""
        if self._fields:
            field = min(self._fields, key=str)
            raise InvalidConfigError(f"config.json: {self._where}: {field!r:.80} is not a field of it")
