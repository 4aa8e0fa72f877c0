"""The gateway's IR → everything that Envoy is told. Pure; the operator's publisher hands it to xds/."""

from collections.abc import Mapping

from nereid_operator.plan.gateway_ir import Gateway
from nereid_operator.render.envoy.clusters import Kind, cluster_name, clusters
from nereid_operator.render.envoy.endpoints import endpoints
from nereid_operator.render.envoy.listener import listener, secret
from nereid_operator.render.envoy.resources import (
    CLUSTER,
    ENDPOINTS,
    FRONT,
    LISTENER,
    ROUTES,
    SECRET,
    Message,
    Resources,
)
from nereid_operator.render.envoy.routes import routes


def snapshot(gateway: Gateway) -> Resources:
    """Return all resources: type URL → name → proto JSON. Equal gateways give equal snapshots."""
    made: dict[str, Message] = {}
    placed: dict[str, Message] = {}
    for model in gateway.models:
        for backend in model.backends:
            made |= clusters(model, backend)
            placed |= endpoints(model.namespace, backend)
    return {
        CLUSTER: made,
        ENDPOINTS: placed,
        LISTENER: {FRONT: listener(gateway)},
        ROUTES: {FRONT: routes(gateway)},
        SECRET: {} if gateway.certificate is None else {FRONT: secret(gateway.certificate)},
    }


def owners(gateway: Gateway) -> Mapping[str, tuple[str, str]]:
    """Return whose each resource is: its name → (namespace, name) of the model. What all share is nobody's."""
    return {
        cluster_name(model.namespace, backend.name, kind): (model.namespace, model.name)
        for model in gateway.models
        for backend in model.backends
        for kind in Kind
    }
