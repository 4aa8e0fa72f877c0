"""What an earlier ModelDeployment of the name left is told from all else, before anything is deleted."""

from datetime import UTC, datetime, timedelta

import pytest

from nereid_operator.observe import is_overlooked

MADE = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
OWNER = {"metadata": {"name": "m", "uid": "new", "creationTimestamp": MADE.isoformat()}}
CONTROLLER = {"apiVersion": "nereid.dev/v1alpha1", "kind": "ModelDeployment", "controller": True, "name": "m"}
EARLIER = CONTROLLER | {"uid": "old"}

CASES = {
    "one that the collector has had half a minute for is overlooked": ([EARLIER], -5, 30, True),
    "one that the collector may be about to delete is not": ([EARLIER], -5, 29, False),
    "its own is not": ([CONTROLLER | {"uid": "new"}], -5, 30, False),
    "one of a later owner, of which no watch has told yet, is not": ([EARLIER], 1, 30, False),
    "one of the same second, which may be a later owner's, is not": ([EARLIER], 0, 30, False),
    "one of another ModelDeployment is not": ([EARLIER | {"name": "other"}], -5, 30, False),
    "one of another kind is not": ([EARLIER | {"kind": "Deployment"}], -5, 30, False),
    "one of another group is not": ([EARLIER | {"apiVersion": "other.dev/v1alpha1"}], -5, 30, False),
    "one whose controller is another is not": ([EARLIER | {"controller": False}], -5, 30, False),
    "one that was orphaned on purpose is not": ([], -5, 30, False),
}


@pytest.mark.parametrize(("owners", "made_after", "age", "expected"), CASES.values(), ids=CASES)
def test_overlooked(owners: list[dict[str, object]], made_after: int, age: int, expected: bool):
    made = (MADE + timedelta(seconds=made_after)).isoformat()
    left = {"metadata": {"name": "m", "creationTimestamp": made, "ownerReferences": owners}}
    assert is_overlooked(left, OWNER, now=MADE + timedelta(seconds=age)) is expected
