"""How many Events one object gets."""

import pytest

from nereid_operator.spam_filter import BURST, REFILL_SECONDS, Bucket, take


def _allowed(moments):
    bucket, allowed = None, 0
    for moment in moments:
        after = take(bucket, at=moment)
        if after is not None:
            bucket, allowed = after, allowed + 1
    return allowed


@pytest.mark.parametrize(
    ("moments", "allowed"),
    [
        pytest.param([0.0], 1, id="the first Event is written"),
        pytest.param([0.0] * 100, BURST, id="of a hundred at once the first are written"),
        pytest.param(
            [second * 10.0 for second in range(360)],
            BURST + 11,
            id="a crash loop of an hour is one in five minutes after the first ones",
        ),
        pytest.param([second * REFILL_SECONDS for second in range(100)], 100, id="what comes slowly is always written"),
    ],
)
def test_the_allowance(moments, allowed):
    assert _allowed(moments) == allowed


def test_an_allowance_never_grows_beyond_a_full_one():
    assert take(Bucket(BURST, 0.0), at=1e9) == Bucket(BURST - 1, 1e9)
