"""The routes that lead to no replica: what the gateway answers by itself. Pure; called by routes.py.

Their names are known to replies.py, which gives the refusals their words. Each says which finder of the model's name is
at work while it holds: a request has such a route until its model is known.
"""

import json
from collections.abc import Iterable

from nereid_operator.plan.gateway_ir import GatewayModel
from nereid_operator.render.envoy.filters import JSON_FINDER, PATH_FINDER, SIZE_LIMIT
from nereid_operator.render.envoy.resources import Message, message

MODEL_NOT_FOUND = "model-not-found"
NOT_FOUND = "not-found"
ONLY_GET = "only-get"
ONLY_POST = "only-post"
NO_REPLICAS = "no-replicas"
NO_SERVER = "no-server"

_OFF = message("envoy.config.route.v3.FilterConfig", disabled=True)


def openai_unknown(body_bytes: int) -> Message:
    """Answer where no model is named in JSON, or one that is not there; until then the whole body is awaited."""
    return _awaiting(body_bytes, off=(PATH_FINDER,))


def http_unknown() -> Message:
    """Answer where the path names a model that is not there."""
    return _refusal(MODEL_NOT_FOUND, 404, off=(JSON_FINDER,))


def grpc_unknown(body_bytes: int) -> Message:
    """Answer where a gRPC call names a model that is not there; until then its first message is awaited.

    A stream may be longer in all than one message.
    """
    return _awaiting(body_bytes, off=(PATH_FINDER, JSON_FINDER, SIZE_LIMIT))


def refusal(name: str, status: int) -> Message:
    """Answer what no model is asked for."""
    return _refusal(name, status, off=(PATH_FINDER, JSON_FINDER))


def models(served: Iterable[GatewayModel]) -> Message:
    """Answer GET /v1/models: every name, and whose model it is."""
    data = [
        {"id": name, "object": "model", "created": 0, "owned_by": model.namespace}
        for model in served
        for name in model.names
    ]
    return _answer("models", json.dumps({"object": "list", "data": data}, separators=(",", ":")))


def server() -> Message:
    """Answer GET /v2."""
    return _answer("server", json.dumps({"name": "nereid", "version": "2", "extensions": []}))


def health() -> Message:
    """Answer that the gateway lives and is ready, with nothing, as Triton does."""
    return _without_model({"name": "health", "match": {"prefix": "/"}, "direct_response": {"status": 200}})


def _answer(name: str, body: str) -> Message:
    header = {"key": "content-type", "value": "application/json"}
    return _without_model(
        {
            "name": name,
            "match": {"prefix": "/"},
            "direct_response": {"status": 200, "body": {"inline_string": body}},
            "response_headers_to_add": [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
        }
    )


def _without_model(route: Message) -> Message:
    return route | {"typed_per_filter_config": {PATH_FINDER: _OFF, JSON_FINDER: _OFF}}


def _awaiting(body_bytes: int, *, off: tuple[str, ...]) -> Message:
    """Return a route to a cluster that does not exist: a route to one is what bounds the part that is awaited."""
    return {
        "name": MODEL_NOT_FOUND,
        "match": {"prefix": "/"},
        "route": {"cluster": "none", "cluster_not_found_response_code": "NOT_FOUND"},
        "request_body_buffer_limit": body_bytes,
        "typed_per_filter_config": dict.fromkeys(off, _OFF),
    }


def _refusal(name: str, status: int, *, off: tuple[str, ...]) -> Message:
    return {
        "name": name,
        "match": {"prefix": "/"},
        "direct_response": {"status": status},
        "typed_per_filter_config": dict.fromkeys(off, _OFF),
    }
