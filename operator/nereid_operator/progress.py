"""How far a pod's fetch is, as `prepare` tells it (docs/architecture.md) → a value and its sentence. Pure.

Read by clients/progress.py, kept by fetches.py, spoken by waiting.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nereid_operator.api.quantities import GIBIBYTE, MEBIBYTE

_MOST_BYTES = 1 << 60


class FetchPhase(StrEnum):
    """What `prepare` is doing."""

    FETCHING = "Fetching"
    VERIFYING = "Verifying"


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """One reading; `seconds_left` is None while nothing comes."""

    phase: FetchPhase
    bytes_done: int
    bytes_total: int
    bytes_per_second: int
    seconds_left: int | None

    def as_body(self) -> dict[str, Any]:
        """Return the reading with the names of the contract."""
        return {
            "phase": str(self.phase),
            "bytesDone": self.bytes_done,
            "bytesTotal": self.bytes_total,
            "bytesPerSecond": self.bytes_per_second,
            "secondsLeft": self.seconds_left,
        }


def fetch_progress(body: object) -> FetchProgress:
    """Return the reading that an answer holds; ValueError names the field that is none of the contract."""
    if not isinstance(body, Mapping):
        raise ValueError(f"{body!r} is no object")  # noqa: TRY004 (what a server sent, not what a caller passed)
    left = body.get("secondsLeft")
    return FetchProgress(
        phase=FetchPhase(str(body.get("phase"))),
        bytes_done=_count(body, "bytesDone"),
        bytes_total=_count(body, "bytesTotal"),
        bytes_per_second=_count(body, "bytesPerSecond"),
        seconds_left=None if left is None else _count(body, "secondsLeft"),
    )


def _count(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_BYTES:
        raise ValueError(f"{name} is {value!r}; it must be a whole number that is not negative")
    return value


def sentence(progress: FetchProgress) -> str:
    """Return the reading in words, such as "310 of 512 MiB fetched at 42 MiB/s, about 5 s left."."""
    unit, name = (GIBIBYTE, "GiB") if progress.bytes_total >= 10 * GIBIBYTE else (MEBIBYTE, "MiB")
    done, total = _figure(progress.bytes_done / unit), _figure(progress.bytes_total / unit)
    if progress.phase == FetchPhase.VERIFYING:
        return f"{total} {name} fetched and being verified."
    rate = _figure(progress.bytes_per_second / MEBIBYTE)
    if progress.seconds_left is None:
        return f"{done} of {total} {name} fetched; nothing comes from the source at the moment."
    return f"{done} of {total} {name} fetched at {rate} MiB/s, about {_span(progress.seconds_left)} left."


def _figure(amount: float) -> str:
    return f"{amount:.0f}" if amount >= 9.95 else f"{amount:.1f}"


def _span(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
