"""Durations and Kubernetes quantities: text of the custom resource to numbers and back.

Pure; used by validation, the planner and the comparison of rendered with live objects.
"""

import math
import re
from decimal import Decimal

DURATION_PATTERN = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
SIZE_PATTERN = r"^[1-9][0-9]*(\.[0-9]+)?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"
QUANTITY_PATTERN = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"
PERCENTAGE_PATTERN = r"^([1-9][0-9]?|100)%$"

MEBIBYTE = 1024**2
GIBIBYTE = 1024**3

_DURATION_MICROSECONDS = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000}
_DURATION_PART = re.compile(r"([0-9]{1,5})(ms|h|m|s)")
_SUFFIXES = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTP", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTP", start=1)},
}


def duration_microseconds(text: str) -> int:
    """Return a duration such as `1m30s` or `5ms` in microseconds; ValueError names the text when it is none."""
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is no duration: write for example 5ms, 30s or 1h30m")
    return sum(int(number) * _DURATION_MICROSECONDS[unit] for number, unit in _DURATION_PART.findall(text))


def quantity(text: str | int) -> Decimal:
    """Return a Kubernetes quantity such as `250m` or `1.5Gi` as a number; ValueError names the text when it is none."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]*)", str(text))
    if match is None or match[2] not in _SUFFIXES:
        raise ValueError(f"{text!r} is no quantity: write for example 250m, 2 or 1.5Gi")
    return Decimal(match[1]) * _SUFFIXES[match[2]]


def ratio(percentage: str) -> float:
    """Return a percentage of PERCENTAGE_PATTERN as a part of 1."""
    return int(percentage.removesuffix("%")) / 100


def mebibytes(size_bytes: float) -> str:
    """Return a size in bytes as a quantity in whole Mi, rounded up."""
    return f"{math.ceil(size_bytes / MEBIBYTE)}Mi"
