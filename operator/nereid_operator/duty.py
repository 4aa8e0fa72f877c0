"""What only the leader does: passes over ModelDeployments and policies. Run by __main__'s Election while it leads.

A follower keeps its cache current and nothing else, so each term begins with a new queue and a pass over everything
that the cache holds; a pass over what is as it should be writes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nereid_operator.api.resources import Key
from nereid_operator.cache import Cache
from nereid_operator.queue import KeyState, Place, Workers, WorkQueue


@dataclass(slots=True)
class Duty:
    """The queue and the workers of this term; none while this process follows."""

    cache: Cache
    make_workers: Callable[[WorkQueue[Key]], Workers[Key]]
    _queue: WorkQueue[Key] | None = None
    _workers: Workers[Key] | None = None

    @property
    def depth(self) -> int:
        """Return how many ModelDeployments wait for a pass."""
        return 0 if self._queue is None else self._queue.depth

    def oldest_seconds(self, *, now: float) -> float:
        """Return how long the ModelDeployment waits that has waited longest; 0 when none does."""
        return 0.0 if self._queue is None else self._queue.oldest_seconds(now=now)

    def key_state(self, key: Key, *, now: float) -> KeyState:
        """Return where a ModelDeployment is in the queue."""
        return KeyState(Place.IDLE, 0.0, 0) if self._queue is None else self._queue.state(key, now=now)

    @property
    def heartbeat(self) -> float | None:
        """Return when the workers made their last round; None while this process follows."""
        return None if self._workers is None else self._workers.heartbeat

    def add(self, key: Key) -> None:
        """Ask for a pass; a follower needs no memory of it."""
        if self._workers is not None:
            self._workers.add(key)

    async def run(self) -> None:
        """Work until cancelled."""
        self._queue = WorkQueue[Key]()
        self._workers = self.make_workers(self._queue)
        for key in (*self.cache.policy_keys(), *self.cache.model_keys()):
            self.add(key)
        try:
            await self._workers.run()
        finally:
            self._queue = self._workers = None
