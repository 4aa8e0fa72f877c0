"""When a status is written and what is put off, and that it never grows beyond what it may hold."""

import json
from typing import Any

import pytest

from nereid_operator.status_writes import MOST_BYTES, bounded, seconds_until_write


def _status(*, reason: str = "Downloading", message: str = "1 of 9 MiB", **fields: Any) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "False", "reason": reason, "message": message, "observedGeneration": 1}
    revisions = {"current": "a", "stable": "a", "fetching": 1}
    return {"observedGeneration": 1, "conditions": [ready], "replicas": 1, "revisions": revisions, **fields}


BEFORE = _status(replicaStates=[{"name": "p", "message": "1 of 9 MiB"}])
CASES = {
    "nothing changed": (BEFORE, 0.0, None),
    "nothing changed for long": (BEFORE, 1000.0, None),
    "nothing changed, and this process has written nothing": (BEFORE, None, None),
    "another reason": (_status(reason="Loading"), 0.0, 0.0),
    "another generation": (BEFORE | {"observedGeneration": 2}, 1.0, 0.0),
    "another number of replicas": (BEFORE | {"replicas": 2}, 1.0, 0.0),
    "the model is known": (BEFORE | {"model": {"digest": "x"}}, 1.0, 0.0),
    "the first URL": (BEFORE | {"url": "http://m"}, 1.0, 0.0),
    "another revision serves": (BEFORE | {"revisions": {"current": "b", "stable": "a", "fetching": 1}}, 1.0, 0.0),
    "more bytes right after a write": (_status(message="2 of 9 MiB"), 0.0, 10.0),
    "more bytes a while after a write": (_status(message="2 of 9 MiB"), 7.5, 2.5),
    "more bytes ten seconds after a write": (_status(message="2 of 9 MiB"), 10.0, 0.0),
    "more bytes, and this process has written nothing": (_status(message="2 of 9 MiB"), None, 0.0),
    "another pod fetches": (BEFORE | {"revisions": {"current": "a", "stable": "a", "fetching": 2}}, 4.0, 6.0),
    "a pod was restarted": (BEFORE | {"replicaStates": [{"name": "p", "restarts": 1}]}, 4.0, 6.0),
}


@pytest.mark.parametrize("sentence", CASES)
def test_a_verdict_is_written_at_once_and_figures_every_ten_seconds(sentence: str):
    status, seconds_ago, expected = CASES[sentence]
    assert seconds_until_write(BEFORE, status, last_write_seconds_ago=seconds_ago) == expected


def _crowd(count: int, message: str) -> dict[str, Any]:
    states = [{"name": f"pod-{number:02}", "phase": "Failed", "message": message} for number in range(count)]
    conditions = [{"type": str(number), "reason": "Stuck", "message": message * 5} for number in range(6)]
    return {"conditions": conditions, "replicaStates": states, "url": "http://m"}


@pytest.mark.parametrize(
    ("count", "message"),
    [(0, "é" * 1000), (50, "x" * 200), (50, "漢" * 200), (50, "🦭" * 200), (1000, "x" * 200), (1000, "")],
)
def test_a_status_is_at_most_16_kib_and_keeps_the_worst(count: int, message: str):
    small = bounded(_crowd(count, message))
    assert len(json.dumps(small, ensure_ascii=False).encode()) <= MOST_BYTES
    assert [(entry["type"], entry["reason"]) for entry in small["conditions"]] == [(str(n), "Stuck") for n in range(6)]
    kept = [state["name"] for state in small["replicaStates"]]
    assert kept == [f"pod-{number:02}" for number in range(len(kept))]
    assert len(kept) >= min(count, 25)


def test_what_fits_is_left_alone():
    assert bounded(BEFORE) == BEFORE
