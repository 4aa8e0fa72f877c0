"""From the moments at which tokens came to figures. Pure; moments in seconds of one clock."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.errors import BenchError


def decode_rate(stamps: Sequence[Sequence[float]]) -> float:
    """Return tokens a second while every generation decodes: from when the last has begun until the first has ended.

    `stamps` are the moments of each generation's tokens.

    Raises:
        BenchError: the generations did not run together.

    """
    begin, end = max(one[0] for one in stamps), min(one[-1] for one in stamps)
    if end <= begin:
        raise BenchError("no moment at which every generation decodes: expected more tokens of each, --tokens")
    return sum(begin < stamp <= end for one in stamps for stamp in one) / (end - begin)


def whole_rate(run: Mapping[str, Any]) -> float:
    """Return tokens a second from the first arrival to the last token of a run, prompts and waiting included."""
    seconds: float = max(one[-1] for one in run["stamps"]) - run["begin"]
    return sum(map(len, run["stamps"])) / seconds


def step_milliseconds(stamps: Sequence[Sequence[float]]) -> float:
    """Return the time from token to token of the generation in the middle."""
    return 1e3 * median((one[-1] - one[0]) / (len(one) - 1) for one in stamps)
