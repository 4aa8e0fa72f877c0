"""A backend's replicas → the endpoints of its three clusters. Pure; called by snapshot.py."""

from functools import lru_cache

from nereid_operator.plan.gateway_ir import Backend, Endpoint, Health
from nereid_operator.render.envoy.clusters import PORTS, Kind, cluster_name
from nereid_operator.render.envoy.resources import Message

# Endpoints that are the same objects as in the snapshot before need not be compared; 3 for each revision.
_REMEMBERED = 2**16
_HEALTH = {Health.HEALTHY: "HEALTHY", Health.DRAINING: "DRAINING", Health.UNHEALTHY: "UNHEALTHY"}


def endpoints(namespace: str, backend: Backend) -> dict[str, Message]:
    """Return the backend's endpoints by the name of their cluster."""
    placed = {}
    for kind in Kind:
        name = cluster_name(namespace, backend.name, kind)
        placed[name] = _assignment(name, backend.endpoints, PORTS[kind])
    return placed


@lru_cache(maxsize=_REMEMBERED)
def _assignment(name: str, endpoints: tuple[Endpoint, ...], port: int) -> Message:
    replicas = [_endpoint(endpoint, port) for endpoint in endpoints]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": replicas}] if replicas else []}


def _endpoint(endpoint: Endpoint, port: int) -> Message:
    address = {"socket_address": {"address": endpoint.address, "port_value": port}}
    return {
        "endpoint": {"address": address},
        "health_status": _HEALTH[endpoint.health],
        "load_balancing_weight": endpoint.weight,
    }
