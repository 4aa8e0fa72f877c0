"""Cache → the whole gateway, kept current one model at a time. Kept by publisher.py.

A model that may have changed is looked at again, the others are not: that a thousand are there costs two milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nereid_operator.api.model_status import recorded_stable
from nereid_operator.api.resources import LABEL_NAMESPACE, Key
from nereid_operator.api.traffic_rules import usable_traffic
from nereid_operator.cache import Cache
from nereid_operator.observe import deployment_facts, is_owned, selected_revision
from nereid_operator.plan.gateway import ModelRoutes, Seen, gateway, model_routes, name_holders
from nereid_operator.plan.gateway_ir import Certificate, Gateway
from nereid_operator.plan.policy import allows_global_names, governing
from nereid_operator.routing import Taken


@dataclass(slots=True)
class RoutingTable:
    """How each model is routed to. `port` is where the gateway listens."""

    cache: Cache
    port: int
    _routes: dict[Key, ModelRoutes] = field(default_factory=dict)

    def keys(self) -> set[Key]:
        """Return every model that is there, or has routes."""
        return self.cache.model_keys() | self._routes.keys()

    def look(self, key: Key) -> None:
        """Look at a model again; it takes 0.2 ms."""
        seen = _seen(self.cache, key)
        routes = None if seen is None else model_routes(seen)
        if routes is None:
            self._routes.pop(key, None)
        else:
            self._routes[key] = routes

    def gateway(self, certificate: Certificate | None) -> Gateway:
        """Return the gateway, of models as they were looked at last."""
        return gateway(self._routes.values(), port=self.port, certificate=certificate)

    def taken(self) -> Mapping[Key, Taken]:
        """Return the models that would have a name which an older one has."""
        holders = name_holders(self._routes.values())
        wishes = ((key, one.served_name) for key, one in self._routes.items() if one.age is not None)
        return {key: Taken(name, holders[name]) for key, name in wishes if holders[name] != key}


def _seen(cache: Cache, key: Key) -> Seen | None:
    """Return what the cache has of a model; None for one that is not there, or going."""
    body = cache.model_deployment(key)
    if body is None or "deletionTimestamp" in body["metadata"]:
        return None
    metadata, status = body["metadata"], body.get("status", {})
    labels = cache.namespace_labels(key.namespace) or {LABEL_NAMESPACE: key.namespace}
    return Seen(
        key=key,
        uid=metadata["uid"],
        created=metadata.get("creationTimestamp", ""),
        traffic=usable_traffic(body),
        wants_global_name=allows_global_names(governing(cache.policies(), labels)),
        current=status.get("revisions", {}).get("current", ""),
        selected=selected_revision(cache.service(key)),
        recorded=recorded_stable(status),
        deployments=tuple(deployment_facts(one) for one in cache.deployments(key) if is_owned(one, metadata["uid"])),
        pods=cache.pods(key),
    )
