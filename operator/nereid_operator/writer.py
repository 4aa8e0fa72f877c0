"""Writes the objects of one ModelDeployment: only what differs, and only what is ours.

Called by reconciler.py and resolver.py. What the API server answers goes into the cache at once, so that a pass that
follows before the watch has told does not write again.
"""

import logging
from dataclasses import dataclass

from nereid_operator.api.conditions import Reason
from nereid_operator.api.resources import DEPLOYMENT, MANAGER_OBJECTS, MANAGER_SCALE, Body, Key, Resource
from nereid_operator.cache import Cache
from nereid_operator.clients.kube import KubeClient
from nereid_operator.errors import RefusalError, RejectedError
from nereid_operator.observe import is_left_by_earlier, is_owned
from nereid_operator.render.drift import differs
from nereid_operator.render.metadata import Manifest
from nereid_operator.render.workload import with_replicas

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes on behalf of one owner; raises RefusalError for what the cluster will not take."""

    cache: Cache
    kube: KubeClient
    key: Key
    uid: str

    async def ensure(self, resource: Resource, manifest: Manifest) -> None:
        """Make the object say what the manifest says."""
        live = await self._live(resource, manifest)
        if live is None or (differs(manifest, live) and "deletionTimestamp" not in live["metadata"]):
            _log.info("%s: applying %s %s", self.key, resource.kind, manifest["metadata"]["name"])
            await self._apply(resource, manifest)

    async def ensure_created(self, resource: Resource, manifest: Manifest) -> None:
        """Create the object unless it is there; for kinds that cannot be changed."""
        if await self._live(resource, manifest) is None:
            _log.info("%s: creating %s %s", self.key, resource.kind, manifest["metadata"]["name"])
            await self._create(resource, manifest, manager=MANAGER_OBJECTS)

    async def recreate(self, resource: Resource, manifest: Manifest) -> None:
        """Delete an object of ours and create it anew under its name; for kinds that cannot be changed."""
        await self.delete(resource, manifest["metadata"]["name"])
        _log.info("%s: creating %s %s", self.key, resource.kind, manifest["metadata"]["name"])
        await self._create(resource, manifest, manager=MANAGER_OBJECTS)

    async def ensure_deployment(self, manifest: Manifest, *, replicas: int) -> None:
        """Create the Deployment with its replicas, which belong to `nereid-scale`; hold everything else as `nereid`."""
        if await self._live(DEPLOYMENT, manifest) is None:
            _log.info("%s: creating Deployment %s", self.key, manifest["metadata"]["name"])
            await self._create(DEPLOYMENT, with_replicas(manifest, replicas), manager=MANAGER_SCALE)
            await self._apply(DEPLOYMENT, manifest)
            return
        await self.ensure(DEPLOYMENT, manifest)

    async def scale(self, name: str, replicas: int) -> None:
        """Set the number of pods of a Deployment, unless it has it."""
        live = self.cache.child(DEPLOYMENT, self.key, name)
        if live is None or live["spec"].get("replicas", 1) == replicas:
            return
        _log.info("%s: scaling Deployment %s to %d", self.key, name, replicas)
        await self.kube.scale(self.key.namespace, name, replicas)

    async def delete(self, resource: Resource, name: str) -> None:
        """Delete an object of ours, unless it is gone or going."""
        live = self.cache.child(resource, self.key, name)
        if live is None or "deletionTimestamp" in live["metadata"] or not is_owned(live, self.uid):
            return
        _log.info("%s: deleting %s %s", self.key, resource.kind, name)
        await self.kube.delete(resource, self.key.namespace, name, uid=live["metadata"]["uid"])

    async def _live(self, resource: Resource, manifest: Manifest) -> Body | None:
        """Return the object as it is; what is not in the cache may still be there, unlabelled or somebody else's."""
        name = manifest["metadata"]["name"]
        live = self.cache.child(resource, self.key, name) or await self.kube.get(resource, self.key.namespace, name)
        if live is not None and not is_owned(live, self.uid):
            raise RefusalError(Reason.NAME_CONFLICT, f"{resource.kind} {name} {self._whose(live)}")
        return live

    def _whose(self, live: Body) -> str:
        if is_left_by_earlier(live, self.key.name):
            return f"is still being deleted with an earlier ModelDeployment {self.key.name}."
        return "exists and is not of this ModelDeployment; delete or rename one of them."

    async def _create(self, resource: Resource, manifest: Manifest, *, manager: str) -> None:
        try:
            self.cache.put(resource, await self.kube.create(resource, manifest, manager=manager))
        except RejectedError as error:
            raise _refused(resource, manifest, error) from error

    async def _apply(self, resource: Resource, manifest: Manifest) -> None:
        try:
            self.cache.put(resource, await self.kube.apply(resource, manifest, manager=MANAGER_OBJECTS))
        except RejectedError as error:
            raise _refused(resource, manifest, error) from error


def _refused(resource: Resource, manifest: Manifest, error: RejectedError) -> RefusalError:
    name = f"{resource.kind} {manifest['metadata']['name']}"
    return RefusalError(Reason.APPLY_REFUSED, f"{name} was refused: {error.message}")
