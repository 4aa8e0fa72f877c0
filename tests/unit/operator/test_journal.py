"""The journal of passes: the last one always, a decision only when it found something new, and few of them."""

from datetime import UTC, datetime

import pytest

from nereid_operator.api.resources import Key
from nereid_operator.journal import DECISIONS_KEPT, Journal
from nereid_operator.outcome import Outcome, Result

KEY = Key("n", "m")


class _Passes:
    """A journal over passes that end as told, each of which takes two seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.outcomes: list[Outcome | Exception] = []
        self.journal = Journal(clock=self._clock, now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
        self.reconcile = self.journal.kept(self._reconcile)

    def _clock(self) -> float:
        self.seconds += 1
        return self.seconds * 2

    async def _reconcile(self, key: Key) -> Outcome:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def end(self, *outcomes: Outcome) -> None:
        self.outcomes += outcomes
        for _ in outcomes:
            await self.reconcile(KEY)


def _found(reason: str, message: str = "") -> Outcome:
    return Outcome(Result.OK, None, reason, message)


async def test_a_decision_is_a_pass_that_found_something_new():
    passes = _Passes()
    assert passes.journal.latest(KEY) is None
    await passes.end(_found("Resolving"), _found("Resolving"), _found("Ready"), _found("Ready"))
    assert [one.reason for one in passes.journal.decisions(KEY)] == ["Ready", "Resolving"]
    latest = passes.journal.latest(KEY)
    assert latest is not None
    assert (latest.result, latest.seconds) == ("ok", 2.0)


async def test_few_decisions_are_kept_and_their_messages_are_short():
    passes = _Passes()
    await passes.end(*(_found("Downloading", f"{number} of 99 MiB" + "x" * 999) for number in range(20)))
    decisions = passes.journal.decisions(KEY)
    assert len(decisions) == DECISIONS_KEPT
    assert decisions[0].message.startswith("19 of 99")
    assert len(decisions[0].message) == 200


async def test_an_error_is_written_down_and_raised():
    passes = _Passes()
    passes.outcomes.append(LookupError("what"))
    with pytest.raises(LookupError, match="what"):
        await passes.reconcile(KEY)
    latest = passes.journal.latest(KEY)
    assert latest is not None
    assert (latest.result, latest.reason, latest.message) == ("error", "LookupError", "what")


async def test_a_model_that_is_gone_is_forgotten():
    passes = _Passes()
    await passes.end(_found("Ready"), Outcome(Result.GONE))
    assert passes.journal.latest(KEY) is None
    assert passes.journal.decisions(KEY) == ()
