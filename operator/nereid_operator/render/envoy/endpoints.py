"""A backend's replicas → the endpoints of its three clusters. Pure; called by snapshot.py."""

from nereid_operator.plan.gateway_ir import Backend, Endpoint, Health
from nereid_operator.render.envoy.clusters import PORTS, Kind, cluster_name
from nereid_operator.render.envoy.resources import Message

_HEALTH = {Health.HEALTHY: "HEALTHY", Health.DRAINING: "DRAINING", Health.UNHEALTHY: "UNHEALTHY"}


def endpoints(namespace: str, backend: Backend) -> dict[str, Message]:
    """Return the backend's endpoints by the name of their cluster."""
    return {
        name: _assignment(name, backend, kind)
        for kind in Kind
        for name in [cluster_name(namespace, backend.name, kind)]
    }


def _assignment(name: str, backend: Backend, kind: Kind) -> Message:
    replicas = [_endpoint(endpoint, PORTS[kind]) for endpoint in backend.endpoints]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": replicas}] if replicas else []}


def _endpoint(endpoint: Endpoint, port: int) -> Message:
    address = {"socket_address": {"address": endpoint.address, "port_value": port}}
    return {
        "endpoint": {"address": address},
        "health_status": _HEALTH[endpoint.health],
        "load_balancing_weight": endpoint.weight,
    }
