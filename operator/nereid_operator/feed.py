"""What watches and lists say → cache and work queue.

Comes in: events from handlers.py, and our own lists. Goes out: keys that need a pass. The lists repair what a watch
lost: deletions during a gap never arrive as events.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nereid_operator.api.resources import (
    CHILDREN,
    CLUSTER_SCOPED,
    NAMESPACE,
    OWNED_SELECTOR,
    SERVING_POLICY,
    WATCHED,
    Body,
    Key,
    Resource,
)
from nereid_operator.cache import Cache
from nereid_operator.clients.kube import KubeClient
from nereid_operator.errors import ApiError
from nereid_operator.plan.policy import governing

FIRST_LIST_AGAIN_SECONDS = 2.0
# A watch that starts anew sends everything within moments; one list after them is enough.
SETTLE_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Feed:
    """Keeps the cache current. `namespaces` empty means all of them; `synced` is set once everything was listed."""

    cache: Cache
    kube: KubeClient
    add: Callable[[Key], None]
    namespaces: tuple[str, ...]
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    watch_restarts: int = 0
    lists: int = 0
    failed_lists: int = 0
    _lists_wanted: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, resource: Resource, event: Mapping[str, Any]) -> None:
        """Take one event of a watch; type None marks what a new watch found, so something may have been missed."""
        if event["type"] is None and not self._lists_wanted.is_set():
            self.watch_restarts += 1
            self._lists_wanted.set()
        if resource == SERVING_POLICY:
            self._take_policy(event)
        elif resource == NAMESPACE:
            self._take_namespace(event)
        elif (key := self._keep(resource, event)) is not None:
            self.add(key)

    def _keep(self, resource: Resource, event: Mapping[str, Any]) -> Key | None:
        body: Body = event["object"]
        return self.cache.drop(resource, body) if event["type"] == "DELETED" else self.cache.put(resource, body)

    def _take_policy(self, event: Mapping[str, Any]) -> None:
        """Take a policy: when it says something else, a pass is due for the models it is or was for."""
        key = Key("", event["object"]["metadata"]["name"])
        before = self.cache.policy_read(key)
        self._keep(SERVING_POLICY, event)
        after = self.cache.policy_read(key)
        self.add(key)
        if after == before:
            return
        readings = [policy for policy in (before, after) if policy is not None]
        for model in self.cache.model_keys():
            labels = self.cache.namespace_labels(model.namespace) or {}
            if any(policy.selects(labels) for policy in readings):
                self.add(model)

    def _take_namespace(self, event: Mapping[str, Any]) -> None:
        """Take a namespace: when its labels bring it under other policies, a pass is due for the models in it."""
        name: str = event["object"]["metadata"]["name"]
        before = self.cache.namespace_labels(name)
        self._keep(NAMESPACE, event)
        after = self.cache.namespace_labels(name)
        if after == before:
            return
        policies = self.cache.policies()
        if governing(policies, before or {}) == governing(policies, after or {}):
            return
        for model in self.cache.model_keys():
            if model.namespace == name:
                self.add(model)

    async def first_list(self) -> None:
        """List everything before the first pass, however long the API server takes to answer."""
        while not self.synced.is_set():
            try:
                await self.list_all()
            except ApiError as error:
                _log.warning("the first list failed, next try in %.0f s: %s", FIRST_LIST_AGAIN_SECONDS, error)
                await asyncio.sleep(FIRST_LIST_AGAIN_SECONDS)

    async def list_all(self) -> None:
        """List everything and ask for a pass over each key, those that went too, so that they are forgotten everywhere.

        A pass over an unchanged one writes nothing.
        """
        known = self._keys()
        for resource in WATCHED:
            await self._list(resource)
        self.synced.set()
        self.lists += 1
        for key in known | self._keys():
            self.add(key)

    def _keys(self) -> set[Key]:
        return self.cache.policy_keys() | self.cache.model_keys()

    async def resync(self, *, every_seconds: float) -> None:
        """List everything again and again: on a schedule, and soon after a watch had to start anew or a list failed."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every_seconds):
                    await self._lists_wanted.wait()
                await asyncio.sleep(SETTLE_SECONDS)
            self._lists_wanted.clear()
            try:
                await self.list_all()
            except ApiError as error:
                self.failed_lists += 1
                _log.warning("the resync failed, next try in %.0f s: %s", SETTLE_SECONDS, error)
                self._lists_wanted.set()

    async def _list(self, resource: Resource) -> None:
        """Bring a whole kind up to a list, page by page: all of it at once would be most of the memory we ever need."""
        selector = OWNED_SELECTOR if resource in CHILDREN else ""
        scopes: tuple[str | None, ...] = (None,) if resource in CLUSTER_SCOPED else self.namespaces or (None,)
        listed: set[tuple[Key | None, str]] = set()
        versions: list[str] = []
        for scope in scopes:
            async for page in self.kube.pages(resource, namespace=scope, selector=selector):
                listed.update((self.cache.put(resource, body), body["metadata"]["name"]) for body in page.items)
            versions.append(page.resource_version)
        # The oldest of the versions: what is newer than that may be missing in the list of its namespace.
        self.cache.prune(resource, listed, min(versions, key=lambda text: int(text) if text.isdigit() else 0))
