"""What the gateways are told of a model → the JSON of the live API (docs/api.md). Pure; called by live_api.py."""

from typing import Any

from nereid_operator.api.resources import Key
from nereid_operator.plan.gateway_ir import Backend, ContentRoute, Endpoint, GatewayModel
from nereid_operator.routing import Routing


def live_gateway(key: Key, model: GatewayModel | None, routing: Routing) -> dict[str, Any]:
    """Return how clients reach a model; what gateways were never told of has no revisions and no routes."""
    return {
        "namespace": key.namespace,
        "name": key.name,
        "url": routing.url,
        "names": list(routing.names),
        "taken": None if routing.taken is None else {"name": routing.taken.name, "holder": str(routing.taken.holder)},
        "gateways": [{"name": name, "current": name not in routing.behind} for name in routing.gateways],
        "rejection": routing.rejection or None,
        "traffic": None if model is None else _traffic(model),
    }


def _traffic(model: GatewayModel) -> dict[str, Any]:
    shares = {share.backend: share.weight for share in model.shares}
    return {
        "task": model.task,
        "loadBalancing": str(model.balancing),
        "stickyHeader": model.balancing_header,
        "timeoutSeconds": model.timeout_seconds,
        "revisions": [_revision(backend, shares.get(backend.name, 0)) for backend in model.backends],
        "routes": [_route(route) for route in model.content_routes],
    }


def _revision(backend: Backend, weight: int) -> dict[str, Any]:
    return {"name": backend.name, "weight": weight, "endpoints": [_endpoint(one) for one in backend.endpoints]}


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "pod": endpoint.pod,
        "address": endpoint.address,
        "health": str(endpoint.health),
        "weight": endpoint.weight,
    }


def _route(route: ContentRoute) -> dict[str, Any]:
    headers = [{"name": name, "value": value} for name, value in route.headers]
    return {"headers": headers, "path": route.path, "revision": route.backend}
