"""When is a status written, and how large may it be? Pure; called by the reporter.

What a verdict depends on is written at once. Figures that tick (bytes fetched, the states of single pods, the words
of a message) are written at most once in ten seconds per model, and only when they changed.
"""

import json
from collections.abc import Mapping
from typing import Any

from nereid_operator.api.resources import Body

FIGURES_SECONDS = 10.0
MOST_BYTES = 16 * 1024
# Messages are cut to these lengths in turn, then the best replicas are left out.
_MESSAGE_LENGTHS = (512, 256, 128, 64)
_TICKING = frozenset({"replicaStates"})
_CONDITION_VERDICT = ("type", "status", "reason", "observedGeneration")


def seconds_until_write(previous: Body, status: Body, *, last_write_seconds_ago: float | None) -> float | None:
    """Return after how many seconds to write `status`: 0 is now, None is not at all, because `previous` says it."""
    if status == previous:
        return None
    if last_write_seconds_ago is None or _verdict(status) != _verdict(previous):
        return 0.0
    return max(FIGURES_SECONDS - last_write_seconds_ago, 0.0)


def bounded(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status in at most 16 KiB of JSON: shorter messages first, then fewer replicas, the worst kept."""
    result = dict(status)
    for length in _MESSAGE_LENGTHS:
        if _size(result) <= MOST_BYTES:
            return result
        result["conditions"] = [_cut(condition, length) for condition in result["conditions"]]
        result["replicaStates"] = [_cut(state, length) for state in result.get("replicaStates", ())]
    while _size(result) > MOST_BYTES and result["replicaStates"]:
        result["replicaStates"] = result["replicaStates"][: len(result["replicaStates"]) // 2]
    return result


def _verdict(status: Body) -> dict[str, Any]:
    """Return the part of a status whose change cannot wait."""
    revisions = status.get("revisions", {})
    rest = {name: value for name, value in status.items() if name not in _TICKING}
    return rest | {
        "conditions": [[entry.get(name) for name in _CONDITION_VERDICT] for entry in status.get("conditions", ())],
        "revisions": (revisions.get("current"), revisions.get("stable")),
    }


def _cut(entry: Mapping[str, Any], length: int) -> dict[str, Any]:
    return {name: _shorter(value, length) if name == "message" else value for name, value in entry.items()}


def _shorter(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _size(status: Mapping[str, Any]) -> int:
    return len(json.dumps(status, ensure_ascii=False).encode())
