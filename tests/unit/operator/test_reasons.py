"""Every reason that can stand in status is explained in docs/status.md, and what is no good news has its advice."""

import re
from pathlib import Path

import pytest

from model_runtime import errors
from nereid_operator.api.conditions import RUNTIME_REASONS, Reason
from nereid_operator.cli.advice import next_step

REPOSITORY = Path(__file__).parents[3]
EXPLAINED = re.findall(r"^\| `(\w+)` \|", (REPOSITORY / "docs" / "status.md").read_text(), re.MULTILINE)
ALL = frozenset(map(str, Reason)) | RUNTIME_REASONS
# These ask nobody to do anything, or stand in another condition than Ready.
NO_ADVICE = {"Accepted", "Resolved", "Refreshing", "RefreshFailed", "Serving", "NoReplicasReady", "RolledOut", "Ready"}
NO_ADVICE |= {"AsSpecified"}


def test_every_reason_is_in_the_table_once_and_no_other():
    assert sorted(EXPLAINED) == sorted(ALL)


def test_the_reasons_of_the_image_are_those_that_it_has():
    ends = (*errors.PermanentError.__subclasses__(), *errors.TransientError.__subclasses__())
    kinds = (*ends, *(finer for kind in ends for finer in kind.__subclasses__()))
    assert {kind.__name__ for kind in kinds if kind.__module__ == errors.__name__} == RUNTIME_REASONS


@pytest.mark.parametrize("reason", sorted(ALL - NO_ADVICE))
def test_a_reason_says_what_to_do_next(reason: str):
    advice = next_step(reason, name="m", namespace="ns", job="m-resolve-1", pod="m-1-x")
    assert "kubectl describe nmd" not in advice
