"""How one pass ended, as a value: for the work queue, the metrics and the live API. Made by reconciler.py."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """The ways in which a pass ends that raises nothing."""

    OK = "ok"  # everything was written that differed
    REFUSED = "refused"  # the cluster would not take something; it is tried again later
    GONE = "gone"  # there is no such object, or it is being deleted


@dataclass(frozen=True, slots=True)
class Outcome:
    """`again_seconds` is when to look again, None for when an event says so; reason and message are those of Ready."""

    result: Result
    again_seconds: float | None = None
    reason: str = ""
    message: str = ""
