"""Merging of conditions, and quantities and durations."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from nereid_operator.api.conditions import Condition, ConditionStatus, ConditionType, Reason, merge
from nereid_operator.api.quantities import duration_microseconds, mebibytes, quantity

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
EARLIER = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(("old_status", "expected"), [("True", EARLIER), ("False", "2026-03-04T05:06:07Z")])
def test_the_time_is_kept_while_the_status_is_the_same(old_status: str, expected: str):
    previous = [{"type": "Ready", "status": old_status, "reason": "Other", "lastTransitionTime": EARLIER}]
    new = Condition(ConditionType.READY, ConditionStatus.TRUE, Reason.READY, "Ready.")
    (merged,) = merge([new], previous, generation=4, now=NOW)
    assert merged.last_transition_time == expected
    assert merged.observed_generation == 4


def test_a_message_is_cut_at_what_status_may_hold():
    new = Condition(ConditionType.READY, ConditionStatus.FALSE, Reason.STARTING, "x" * 5000)
    (merged,) = merge([new], [], generation=1, now=NOW)
    assert len(merged.message) == 1024


@pytest.mark.parametrize(
    ("text", "expected"), [("5ms", 5_000), ("1m30s", 90_000_000), ("1h", 3_600_000_000), ("0s", 0)]
)
def test_durations(text: str, expected: int):
    assert duration_microseconds(text) == expected


@pytest.mark.parametrize("text", ["", "5", "5us", "ms", "-1s", "1s 2s"])
def test_what_is_no_duration(text: str):
    with pytest.raises(ValueError, match="no duration"):
        duration_microseconds(text)


@pytest.mark.parametrize(("text", "expected"), [("250m", "0.25"), ("2", "2"), ("1.5Gi", "1610612736"), ("3k", "3000")])
def test_quantities(text: str, expected: str):
    assert quantity(text) == Decimal(expected)


def test_mebibytes_are_rounded_up():
    assert mebibytes(1024 * 1024 + 1) == "2Mi"
