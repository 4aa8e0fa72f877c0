"""Every kopf decorator; each body is one call. kopf is the event source, nothing more: it writes nothing, anywhere.

Comes in: events of watches. Goes out: calls of Feed.take. Called by __main__.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import kopf

from nereid_operator.api.resources import CHILDREN, OWNED_SELECTOR, WATCHED, Resource
from nereid_operator.clients.connection import Connection
from nereid_operator.clients.kube import CONNECT_SECONDS, REQUEST_SECONDS
from nereid_operator.clients.requests import LIST_CHUNK
from nereid_operator.feed import Feed
from nereid_operator.forgetful import NoDiffBase, NoProgress


def make_registry(feed: Feed, connection: Connection) -> kopf.OperatorRegistry:
    """Return the handlers, bound to a feed."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: object) -> kopf.ConnectionInfo:
        return connection_info(connection)

    for resource in WATCHED:
        kopf.on.event(**_names(resource), registry=registry)(_taking(feed, resource))

    return registry


def _taking(feed: Feed, resource: Resource) -> Callable[..., Coroutine[Any, Any, None]]:
    async def on_event(event: kopf.RawEvent, **_: object) -> None:
        feed.take(resource, event)

    return on_event


def make_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: no Events and no memory of its own, children filtered by the server."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    # It would list and watch all namespaces and definitions. A definition that goes ends the process, and the next one
    # waits at its first list until it is there again.
    settings.scanning.disabled = True
    settings.queueing.idle_timeout = 0.1
    settings.networking.connect_timeout = CONNECT_SECONDS
    settings.networking.request_timeout = REQUEST_SECONDS
    settings.watching.connect_timeout = CONNECT_SECONDS
    settings.watching.chunk_size = LIST_CHUNK
    for resource in CHILDREN:
        settings.watching.label_selectors[_selects(resource)] = OWNED_SELECTOR
    return settings


def connection_info(connection: Connection) -> kopf.ConnectionInfo:
    """Return the connection in kopf's form; kopf logs in again when the token has expired."""
    return kopf.ConnectionInfo(
        server=connection.server,
        ca_data=connection.ca,
        certificate_data=connection.client_certificate,
        private_key_data=connection.client_key,
        token=connection.token(),
    )


def _names(resource: Resource) -> dict[str, Any]:
    return {"group": resource.group, "version": resource.version, "plural": resource.plural}


def _selects(resource: Resource) -> Callable[[Any], bool]:
    """Return a predicate over kopf's resources; a name alone would also match another group's."""
    return lambda found: (
        (found.group, found.version, found.plural) == (resource.group, resource.version, resource.plural)
    )
