"""Writes the objects of one ModelDeployment: only what differs, and only what is ours.

Called by reconciler.py and resolver.py. What the API server answers goes into the cache at once, so that a pass that
follows before the watch has told does not write again.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from nereid_operator.api.conditions import Reason
from nereid_operator.api.resources import DEPLOYMENT, MANAGER_OBJECTS, MANAGER_SCALE, Body, Key, Resource
from nereid_operator.cache import Cache
from nereid_operator.clients.kube import KubeClient
from nereid_operator.errors import ConflictError, RefusalError, RejectedError
from nereid_operator.observe import is_left_by_earlier, is_managed, is_overlooked, is_owned
from nereid_operator.refusals import refusal_reason
from nereid_operator.render.children import Child
from nereid_operator.render.drift import differs
from nereid_operator.render.metadata import Manifest, labels_of
from nereid_operator.render.workload import with_replicas

_log = logging.getLogger(__name__)


Send = Callable[[Resource, Manifest], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes on behalf of one owner; raises RefusalError for what the cluster will not take."""

    cache: Cache
    kube: KubeClient
    key: Key
    uid: str

    async def apply(self, children: Iterable[Child]) -> None:
        """Write each object that shall be there, delete each that shall not."""
        for child in children:
            if child.manifest is None:
                await self.delete(child.resource, child.name)
            elif child.replicas is not None:
                await self.ensure_deployment(child.manifest, replicas=child.replicas)
            else:
                await self.ensure(child.resource, child.manifest)

    async def ensure(self, resource: Resource, manifest: Manifest) -> None:
        """Make the object say what the manifest says."""
        live = self._seen(resource, manifest) or await self._create(resource, manifest, self._apply_new)
        if live is not None and _is_to_be_applied(manifest, live):
            await self._apply_again(resource, manifest)

    async def ensure_created(self, resource: Resource, manifest: Manifest) -> None:
        """Create the object unless it is there; for kinds of which nothing can be changed but the labels.

        One that is there unseen has lost them, and no watch tells of it before it has them again.
        """
        if self._seen(resource, manifest) is not None:
            return
        live = await self._create(resource, manifest, self._post)
        if live is not None:
            _log.info("%s: labelling %s %s", self.key, resource.kind, manifest["metadata"]["name"])
            await self._apply(resource, labels_of(manifest, live))

    async def ensure_deployment(self, manifest: Manifest, *, replicas: int) -> None:
        """Create the Deployment with its replicas, which are `nereid-scale`'s ever after; hold everything else.

        The first apply names them, so that one write creates it and no pod comes and goes. A later one does not: the
        API server would take a number away that nobody else holds, so `nereid-scale` takes it over before.
        """
        first = with_replicas(manifest, replicas)
        live = self._seen(DEPLOYMENT, manifest) or await self._create(DEPLOYMENT, first, self._apply_new)
        if live is None or not _is_to_be_applied(manifest, live):
            return
        if not is_managed(live, MANAGER_SCALE):
            await self.kube.scale(self.key.namespace, live["metadata"]["name"], live["spec"]["replicas"])
        await self._apply_again(DEPLOYMENT, manifest)

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
        await self._delete(resource, live)

    async def sweep(self, owner: Body, *, now: datetime) -> None:
        """Delete what an earlier owner of the name left, and the garbage collector has overlooked."""
        for resource, live in self.cache.children(self.key):
            if "deletionTimestamp" not in live["metadata"] and is_overlooked(live, owner, now=now):
                await self._delete(resource, live)

    async def _delete(self, resource: Resource, live: Body) -> None:
        name = live["metadata"]["name"]
        _log.info("%s: deleting %s %s", self.key, resource.kind, name)
        await self.kube.delete(resource, self.key.namespace, name, uid=live["metadata"]["uid"])

    def _seen(self, resource: Resource, manifest: Manifest) -> Body | None:
        """Return the object as the cache has it; everything of ours is there, but not what lost our label."""
        live = self.cache.child(resource, self.key, manifest["metadata"]["name"])
        return None if live is None else self._ours(resource, live)

    def _ours(self, resource: Resource, live: Body) -> Body:
        if not is_owned(live, self.uid):
            raise RefusalError(Reason.NAME_CONFLICT, f"{resource.kind} {live['metadata']['name']} {self._whose(live)}")
        return live

    def _whose(self, live: Body) -> str:
        if is_left_by_earlier(live, self.key.name):
            return f"is still being deleted with an earlier ModelDeployment {self.key.name}."
        return "exists and is not of this ModelDeployment; delete or rename one of them."

    async def _create(self, resource: Resource, manifest: Manifest, send: Send) -> Body | None:
        """Create an object that was not seen; return the one that stands there after all, when it is ours."""
        name = manifest["metadata"]["name"]
        _log.info("%s: creating %s %s", self.key, resource.kind, name)
        try:
            await send(resource, manifest)
        except ConflictError:
            live = await self.kube.get(resource, self.key.namespace, name)
            if live is None:
                raise
            return self._ours(resource, live)
        return None

    async def _post(self, resource: Resource, manifest: Manifest) -> None:
        await self._send(resource, manifest, self.kube.create(resource, manifest, manager=MANAGER_OBJECTS))

    async def _apply_new(self, resource: Resource, manifest: Manifest) -> None:
        await self._send(resource, manifest, self.kube.apply_new(resource, manifest, manager=MANAGER_OBJECTS))

    async def _apply_again(self, resource: Resource, manifest: Manifest) -> None:
        _log.info("%s: applying %s %s", self.key, resource.kind, manifest["metadata"]["name"])
        await self._apply(resource, manifest)

    async def _apply(self, resource: Resource, manifest: Manifest) -> None:
        await self._send(resource, manifest, self.kube.apply(resource, manifest, manager=MANAGER_OBJECTS))

    async def _send(self, resource: Resource, manifest: Manifest, written: Awaitable[Body]) -> None:
        try:
            self.cache.put(resource, await written)
        except RejectedError as error:
            raise _refused(resource, manifest, error) from error


def _is_to_be_applied(manifest: Manifest, live: Body) -> bool:
    return "deletionTimestamp" not in live["metadata"] and differs(manifest, live)


def _refused(resource: Resource, manifest: Manifest, error: RejectedError) -> RefusalError:
    name = f"{resource.kind} {manifest['metadata']['name']}"
    reason = refusal_reason(error.message, otherwise=Reason.APPLY_REFUSED)
    return RefusalError(reason, f"{name} was refused: {error.message}")
