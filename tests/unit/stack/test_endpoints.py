"""The fewest ready replicas over a watch of EndpointSlices."""

import pytest

from tests.stack.endpoints import least
from tests.stack.watching import Seen


def _event(kind: str, name: str, *ready: bool) -> Seen:
    endpoints = [{"addresses": ["198.18.0.1"], "conditions": {"ready": one}} for one in ready]
    return Seen(0.0, kind, {"metadata": {"name": name}, "endpoints": endpoints})


CASES = {
    "both all the time": ([_event("ADDED", "a", True, True), _event("MODIFIED", "a", True, True, False)], 2),
    "one for a moment": (
        [_event("ADDED", "a", True, True), _event("MODIFIED", "a", True), _event("MODIFIED", "a", True, True)],
        1,
    ),
    "one of two is not ready": ([_event("ADDED", "a", True, False)], 1),
    "a second slice takes over": ([_event("ADDED", "a", True), _event("ADDED", "b", True), _event("MODIFIED", "a")], 1),
    "the slice is deleted": ([_event("ADDED", "a", True), _event("DELETED", "a", True)], 0),
}


@pytest.mark.parametrize(("events", "count"), CASES.values(), ids=CASES.keys())
def test_least(events: list[Seen], count: int):
    assert least(events) == count


def test_a_slice_without_endpoints_has_none_ready():
    assert least([Seen(0.0, "ADDED", {"metadata": {"name": "a"}, "endpoints": None})]) == 0
