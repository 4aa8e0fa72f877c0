"""Who may act: what is decided about a Lease, on one process's own clock alone."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nereid_operator.election import (
    Candidate,
    Record,
    Step,
    View,
    decide,
    held,
    is_anothers,
    observed,
    pause_seconds,
    record_of,
    released,
    written,
)

ME = Candidate("me", lease_seconds=12)
MINE = Record("me", "1", 12)
THEIRS = Record("them", "1", 12)
NOON = datetime(2026, 1, 2, 12, 0, 0, 5, tzinfo=UTC)

DECISIONS = {
    "there is no Lease": (View(), 0, Step.ACQUIRE),
    "nobody holds it": (View(Record("", "1", 12), since=100), 100, Step.ACQUIRE),
    "another holds it, seen just now": (View(THEIRS, since=100), 100, Step.WAIT),
    "another holds it, and was heard of almost too long ago": (View(THEIRS, since=100), 111.9, Step.WAIT),
    "another holds it, and did not renew in time": (View(THEIRS, since=100), 112, Step.ACQUIRE),
    "another holds it for longer than I would": (View(replace(THEIRS, lease_seconds=30), since=100), 129, Step.WAIT),
    "another holds it for a shorter time than I would": (
        View(replace(THEIRS, lease_seconds=1), since=100),
        111,
        Step.WAIT,
    ),
    "I lead and have time": (View(MINE, since=100, deadline=110), 109.9, Step.RENEW),
    "I lead and my time is up": (View(MINE, since=100, deadline=110), 110, Step.LOST),
    "I slept through my time, and nobody took over": (View(MINE, since=100, deadline=110), 500, Step.LOST),
    "I thought I led, and another holds it": (View(THEIRS, since=105, deadline=110), 105, Step.LOST),
    "I thought I led, and it was given up in my name": (
        View(Record("", "2", 12), since=105, deadline=110),
        105,
        Step.LOST,
    ),
    "the answer to my own write got lost": (View(MINE, since=100), 100, Step.ACQUIRE),
    "my Lease was deleted while I lead": (View(Record("me", "", 12), since=105, deadline=110), 105, Step.RENEW),
    "another's Lease was deleted, it may still act": (View(Record("them", "", 12), since=105), 116, Step.WAIT),
    "another's Lease was deleted long ago": (View(Record("them", "", 12), since=105), 117, Step.ACQUIRE),
}


@pytest.mark.parametrize(("view", "now", "step"), DECISIONS.values(), ids=DECISIONS.keys())
def test_decision(view: View, now: float, step: Step):
    assert decide(view, ME, now=now) is step


@pytest.mark.parametrize(
    ("record", "now", "others"),
    [
        (THEIRS, 100.0, True),
        (THEIRS, 111.9, True),
        (THEIRS, 112.0, False),
        (MINE, 100.0, False),
        (Record("", "1", 12), 100.0, False),
        (Record(), 100.0, False),
    ],
    ids=["another's", "one that may still act", "one that ran out", "mine", "given up", "none"],
)
def test_who_else_may_act(record: Record, now: float, others: bool):
    assert is_anothers(View(record, since=100), ME, now=now) is others


def test_a_renewal_of_anothers_lease_begins_the_wait_anew():
    view = observed(View(), THEIRS, now=100)
    view = observed(view, THEIRS, now=111)
    assert view.since == 100
    view = observed(view, replace(THEIRS, version="2"), now=111)
    assert decide(view, ME, now=122) is Step.WAIT
    assert decide(view, ME, now=123) is Step.ACQUIRE


def test_a_lease_that_vanishes_counts_as_held_from_then_on():
    view = observed(View(THEIRS, since=100), None, now=111)
    assert (view.record.holder, view.since) == ("them", 111)
    assert observed(view, None, now=115) == view


def test_authority_counts_from_before_the_write_was_sent():
    view = held(View(), MINE, ME, sent_at=100)
    assert view.may_act(109.9)
    assert not view.may_act(110)


PAUSES = {
    "a leader renews at a quarter": (View(MINE, deadline=110), 100, False, 3),
    "a leader whose renewal failed tries again soon": (View(MINE, deadline=110), 100, True, 1),
    "a leader wakes when its time is up": (View(MINE, deadline=110), 109.5, True, 0.5),
    "a follower polls": (View(THEIRS, since=100), 103, False, 1),
    "a follower wakes when the Lease runs out": (View(THEIRS, since=100), 111.75, False, 0.25),
    "a follower that failed to take over polls": (View(THEIRS, since=100), 113, True, 1),
}


@pytest.mark.parametrize(("view", "now", "failed", "seconds"), PAUSES.values(), ids=PAUSES.keys())
def test_pause(view: View, now: float, failed: bool, seconds: float):
    assert pause_seconds(view, ME, now=now, failed=failed) == pytest.approx(seconds)


def test_the_first_holder_writes_all_fields():
    lease = written(None, ME, namespace="ns", name="nereid", now=NOON)
    assert lease["metadata"] == {"namespace": "ns", "name": "nereid"}
    assert lease["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 12,
        "acquireTime": "2026-01-02T12:00:00.000005Z",
        "renewTime": "2026-01-02T12:00:00.000005Z",
        "leaseTransitions": 0,
    }


def test_a_renewal_keeps_what_the_lease_is_and_the_version_that_was_read():
    read = _lease("me", transitions=4) | {"kind": "Lease"}
    lease = written(read, ME, namespace="ns", name="nereid", now=NOON)
    assert lease["metadata"] == read["metadata"]
    assert lease["spec"]["acquireTime"] == "earlier"
    assert lease["spec"]["leaseTransitions"] == 4


def test_a_new_holder_counts_the_transition():
    assert written(_lease("them", transitions=4), ME, namespace="", name="", now=NOON)["spec"]["leaseTransitions"] == 5


def test_a_released_lease_is_held_by_nobody():
    lease = released(_lease("me", transitions=4), now=NOON)
    assert record_of(lease) == Record("", "7", 12)


def test_a_lease_without_a_spec_is_held_by_nobody():
    assert record_of({"metadata": {"resourceVersion": "7"}}) == Record("", "7", 0)


SECONDS = st.floats(min_value=0, max_value=60)


@given(skew=st.floats(min_value=-1e9, max_value=1e9), sent=SECONDS, committed=SECONDS, seen=SECONDS, later=SECONDS)
def test_who_takes_over_never_does_so_while_the_other_may_act(
    skew: float, sent: float, committed: float, seen: float, later: float
):
    """Two clocks that differ by any amount: a renewal is sent, taken, seen, and looked at again, in true time."""
    saw = sent + committed + seen
    leader = held(View(), MINE, ME, sent_at=sent)
    follower = observed(View(), MINE, now=saw + skew)
    if decide(follower, Candidate("other", 12), now=saw + later + skew) is Step.ACQUIRE:
        assert not leader.may_act(saw + later)


def _lease(holder: str, *, transitions: int) -> dict:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 12, "acquireTime": "earlier", "renewTime": "earlier"}
    metadata = {"namespace": "ns", "name": "nereid", "resourceVersion": "7", "labels": {"kept": "yes"}}
    return {"metadata": metadata, "spec": {**spec, "leaseTransitions": transitions}}
