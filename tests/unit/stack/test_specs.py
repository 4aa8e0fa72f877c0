"""Generated specs lose what breaks a rule, and nothing else."""

from typing import Any

import pytest

from tests.stack.specs import _accepted

MODEL = {"uri": "hf://org/m"}


@pytest.mark.parametrize(
    ("traffic", "kept"),
    [
        pytest.param({"loadBalancing": "Random"}, {"traffic": {"loadBalancing": "Random"}}, id="nothing is wrong"),
        pytest.param({"stickyHeader": "x-session"}, {"traffic": {}}, id="a field too many"),
        pytest.param({"loadBalancing": "StickyHeader"}, {}, id="a field that is missing"),
    ],
)
def test_what_breaks_a_rule_is_left_out(traffic: dict[str, Any], kept: dict[str, Any]):
    assert _accepted({"model": MODEL, "traffic": traffic}) == {"model": MODEL, **kept}
