"""What counts as the report of a command of the image: a pod may leave anything as its last words."""

import pytest

from nereid_operator.observe import report


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ('{"reason": "SourceNotFound", "message": "no such model"}', True),
        ('{"digest": "sha256:00"}', True),
        ("", False),
        ("Killed", False),
        ("[1]", False),
        ('{"reason": "two words"}', False),
        ('{"reason": ""}', False),
        ('{"reason": 7}', False),
        ('{"reason": "' + "X" * 300 + '"}', False),
    ],
    ids=[
        "a failure with its reason",
        "an answer without one",
        "nothing",
        "words",
        "JSON that is no object",
        "a reason that is a sentence",
        "an empty reason",
        "a reason that is no text",
        "a reason longer than a condition may have",
    ],
)
def test_a_report_has_a_reason_that_a_condition_can_have_or_none(message, found):
    assert (report(message) is not None) == found
