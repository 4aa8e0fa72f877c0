"""How the latest passes over each model ended: kept by the leader in memory, for the live API.

Comes in: every pass, by wrapping `reconcile` as metrics.py does. Goes out: the last pass, and the last few decisions, a
decision being a pass that found something else than the one before it.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from nereid_operator.api.resources import Key
from nereid_operator.outcome import Outcome, Result

DECISIONS_KEPT = 5
MESSAGE_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass; `result` is one of outcome.Result, or `error` with what was raised as the message."""

    ended: datetime
    seconds: float
    result: str
    reason: str
    message: str

    @property
    def finding(self) -> tuple[str, str, str]:
        """Return what makes a decision another one than that before it."""
        return self.result, self.reason, self.message


@dataclass(slots=True)
class Journal:
    """The passes over each model that there is."""

    clock: Callable[[], float]
    now: Callable[[], datetime]
    _latest: dict[Key, Pass] = field(default_factory=dict)
    _decisions: dict[Key, deque[Pass]] = field(default_factory=dict)

    def latest(self, key: Key) -> Pass | None:
        """Return the last pass; None when there was none."""
        return self._latest.get(key)

    def decisions(self, key: Key) -> tuple[Pass, ...]:
        """Return the last decisions, the newest first."""
        return tuple(reversed(self._decisions.get(key, ())))

    def kept(self, reconcile: Callable[[Key], Awaitable[Outcome]]) -> Callable[[Key], Awaitable[Outcome]]:
        """Return `reconcile`, with each pass written down."""

        async def kept_reconcile(key: Key) -> Outcome:
            began = self.clock()
            try:
                outcome = await reconcile(key)
            except Exception as error:
                self._note(key, self._pass(began, "error", type(error).__name__, str(error)))
                raise
            if outcome.result == Result.GONE:
                self._forget(key)
            else:
                self._note(key, self._pass(began, str(outcome.result), outcome.reason, outcome.message))
            return outcome

        return kept_reconcile

    def _pass(self, began: float, result: str, reason: str, message: str) -> Pass:
        return Pass(self.now(), self.clock() - began, result, str(reason), message[:MESSAGE_LIMIT])

    def _note(self, key: Key, latest: Pass) -> None:
        previous = self._latest.get(key)
        self._latest[key] = latest
        if previous is None or previous.finding != latest.finding:
            self._decisions.setdefault(key, deque(maxlen=DECISIONS_KEPT)).append(latest)

    def _forget(self, key: Key) -> None:
        self._latest.pop(key, None)
        self._decisions.pop(key, None)
