"""How far the pods are that fetch: asked every two seconds while this process leads, kept by the pod's uid.

Comes in: the pods of the cache whose `prepare` runs. Goes out: the newest reading of each, for the reconciler and the
live API. A pod that tells for the first time asks for a pass; after that the pass comes again by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from nereid_operator.api.resources import Key
from nereid_operator.cache import Cache
from nereid_operator.observe import PodFacts, is_fetching
from nereid_operator.progress import FetchProgress

PERIOD_SECONDS = 2.0
# A pod that has not told for so long may be anywhere by now: what it told last is given out no more.
FORGOTTEN_SECONDS = 10.0
CONCURRENCY = 16

Read = Callable[[str], Awaitable[FetchProgress | None]]


@dataclass(slots=True)
class Fetches:
    """The newest readings."""

    cache: Cache
    read: Read
    clock: Callable[[], float]
    _readings: dict[str, tuple[float, FetchProgress]] = field(default_factory=dict)

    def of(self, pod: PodFacts) -> FetchProgress | None:
        """Return how far a pod is; None when it does not fetch, or has not told lately."""
        at, reading = self._readings.get(pod.uid, (0.0, None))
        fresh = is_fetching(pod) and self.clock() - at < FORGOTTEN_SECONDS
        return reading if fresh else None

    async def run(self, add: Callable[[Key], None]) -> None:
        """Ask round after round until cancelled; `add` asks for a pass over a model whose pod tells for the first time.

        A round in which many do not answer takes longer.
        """
        try:
            while True:
                for key in await self.ask():
                    add(key)
                await asyncio.sleep(PERIOD_SECONDS)
        finally:
            self._readings = {}

    async def ask(self) -> list[Key]:
        """Ask every pod that fetches once, and return whose pods told for the first time; forget all other pods."""
        pods = {pod.uid: (key, pod) for key, pod in self.cache.every_pod() if is_fetching(pod) and pod.ip}
        self._readings = {uid: known for uid, known in self._readings.items() if uid in pods}
        turns = asyncio.Semaphore(CONCURRENCY)
        answers = await asyncio.gather(*(self._in_turn(turns, pod) for _, pod in pods.values()))
        told = {uid: reading for uid, reading in zip(pods, answers, strict=True) if reading is not None}
        first = [pods[uid][0] for uid in told if uid not in self._readings]
        self._readings |= {uid: (self.clock(), reading) for uid, reading in told.items()}
        return first

    async def _in_turn(self, turns: asyncio.Semaphore, pod: PodFacts) -> FetchProgress | None:
        async with turns:
            return await self.read(pod.ip)
