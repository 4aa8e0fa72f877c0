"""Kubernetes quantities as nodes and foreign pods write them, and sums of them. Pure.

api/quantities.py knows the forms that the custom resource takes; here are all that the API server gives.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,2})|([A-Za-z]*))")
_SUFFIXES = {
    "": Decimal(1),
    **{suffix: Decimal(1000) ** -power for power, suffix in enumerate("mun", start=1)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}

Amounts = Mapping[str, Decimal]
"""Amounts by resource name: cores, bytes, pieces."""


def amount(text: str | int) -> Decimal:
    """Return a quantity as a number; ValueError names the text when it is none."""
    match = _NUMBER.fullmatch(str(text))
    if match is None or (match[3] or "") not in _SUFFIXES:
        raise ValueError(f"{text!r} is no quantity")
    return Decimal(match[1]) * (Decimal(10) ** int(match[2]) if match[2] else _SUFFIXES[match[3] or ""])


def amounts(texts: Mapping[str, str | int] | None) -> dict[str, Decimal]:
    """Return the quantities of a mapping by resource name."""
    return {name: amount(text) for name, text in (texts or {}).items()}


def total(many: Iterable[Amounts]) -> dict[str, Decimal]:
    """Return the sums by resource name."""
    result: defaultdict[str, Decimal] = defaultdict(Decimal)
    for one in many:
        for name, value in one.items():
            result[name] += value
    return dict(result)


def largest(*many: Amounts) -> dict[str, Decimal]:
    """Return the largest amount by resource name."""
    names = {name for one in many for name in one}
    return {name: max(one.get(name, Decimal(0)) for one in many) for name in sorted(names)}
