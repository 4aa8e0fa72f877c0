"""The label by which the gateways' Service finds the operator that leads: on its own pod, and on no other.

Run by control_plane.py, in every operator, for as long as it lives: who leads puts it on and takes it from whom it
finds it on, who does not takes it off. Nothing is written while it is where it belongs. A field manager of its own
holds the label, so that an apply without it takes it away.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from nereid_operator.api.resources import LABEL_LEADER, MANAGER_LEADER, POD, Body
from nereid_operator.clients.kube import KubeClient
from nereid_operator.errors import ApiError, NotFoundError, NotLeadingError, RejectedError

PERIOD_SECONDS = 0.25
AGAIN_SECONDS = 2.0
# A label that somebody else takes away or puts on is put right within this time.
LOOK_SECONDS = 10.0
END_SECONDS = 2.0
_SELECTOR = f"{LABEL_LEADER}=true"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class LeaderLabel:
    """The label of the pod `name`. `writes` is guarded by the election, `kube` is not; `clock` is in seconds."""

    kube: KubeClient
    writes: KubeClient
    namespace: str
    name: str
    is_leading: Callable[[], bool]
    clock: Callable[[], float]
    # Whether the pod has it; None before anybody has looked: an earlier process in this pod may have left it.
    _is_on: bool | None = None
    _looked_at: float | None = None

    async def run(self) -> None:
        """Hold the label until cancelled; then take it off."""
        try:
            while True:
                is_held = await self._hold()
                await asyncio.sleep(PERIOD_SECONDS if is_held else AGAIN_SECONDS)
        finally:
            await self._end()

    async def _hold(self) -> bool:
        """Return whether the label is where it belongs, as far as this process may say."""
        try:
            await self.step()
        except NotLeadingError:
            self._looked_at = None
        except ApiError as error:
            self._looked_at = None
            _log.warning("the label of the leader on pod %s: %s", self.name, error)
            return False
        return True

    async def step(self) -> None:
        """Put the label where it belongs; ApiError when that cannot be done now."""
        if not self.is_leading():
            if self._is_on is not False:
                await self._leave()
            return
        if self._is_on and self._looked_at is not None and self.clock() - self._looked_at < LOOK_SECONDS:
            return
        labelled = await self._labelled()
        for other in sorted(labelled - {self.name}):
            await self._take(self.writes, other)
        if self.name not in labelled:
            await self.writes.apply(POD, self._manifest(self.name, on=True), manager=MANAGER_LEADER)
        self._is_on, self._looked_at = True, self.clock()

    async def _leave(self) -> None:
        """Take the label off this pod, where it is on it."""
        if self.name in await self._labelled():
            await self._take(self.kube, self.name)
        self._is_on, self._looked_at = False, None

    async def _labelled(self) -> set[str]:
        listed = await self.kube.list(POD, namespace=self.namespace, selector=_SELECTOR)
        return {body["metadata"]["name"] for body in listed.items}

    async def _take(self, kube: KubeClient, name: str) -> None:
        """Take the label from a pod; one that is gone has none, and cannot be made by an apply."""
        try:
            await kube.apply(POD, self._manifest(name, on=False), manager=MANAGER_LEADER)
        except (NotFoundError, RejectedError) as error:
            _log.info("the label of the leader was not taken from pod %s, which is gone: %s", name, error)

    async def _end(self) -> None:
        """Take the label off when the process ends; whoever leads next would do it too."""
        if self._is_on is False:
            return
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._leave()
        except (ApiError, TimeoutError) as error:
            _log.warning("the label of the leader stays on pod %s until another leads: %r", self.name, error)

    def _manifest(self, name: str, *, on: bool) -> Body:
        labels = {"labels": {LABEL_LEADER: "true"}} if on else {}
        metadata = {"namespace": self.namespace, "name": name, **labels}
        return {"apiVersion": POD.api_version, "kind": POD.kind, "metadata": metadata}
