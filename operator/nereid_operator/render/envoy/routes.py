"""The gateway → its routes: which kind of request, whose model, which revision. Pure; called by snapshot.py.

    POST /v1/…            ─┐                        ┌─ content route ─► its revision
    GET, POST /v2/models/… ├─► map of models' names ┤
    gRPC                  ─┘    not there: 404      └─ shares ────────► one revision, or several by weight
    what the gateway answers itself; another method: 405; the rest: 404

A route holds for one kind, so a model called by another one's path cannot be reached.
"""

from nereid_operator.plan.gateway_ir import Balancing, ContentRoute, Gateway, GatewayModel, Limits
from nereid_operator.render.envoy import answers
from nereid_operator.render.envoy.clusters import Kind, cluster_name
from nereid_operator.render.envoy.matching import both, by_model, either, every, first_of, header_is, header_matches, to
from nereid_operator.render.envoy.paths import (
    DESCRIBE,
    GET,
    GRPC,
    GRPC_SERVICE,
    HEALTH,
    INFER,
    MODELS,
    OPENAI,
    POST,
    SERVER,
)
from nereid_operator.render.envoy.resources import FRONT, Message, extension, message

# What the frontend takes; Envoy reads the JSON of as much to find the model.
_OPENAI_BODY_BYTES = 4 * 2**20
# A message of gRPC has five bytes before it.
_FRAME_BYTES = 5
_PREVIOUS_HOSTS = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
_STRIPPED = ["endpoint-load-metrics", "endpoint-load-metrics-bin", "endpoint-load-metrics-json", "x-nereid-draining"]


def routes(gateway: Gateway) -> Message:
    """Return the route configuration."""
    models = answers.models(gateway.models)
    size = len(models["direct_response"]["body"]["inline_string"])
    return {
        "name": FRONT,
        "validate_clusters": False,
        "max_direct_response_body_size_bytes": max(size, 4096),
        "virtual_hosts": [
            {
                "name": FRONT,
                "domains": ["*"],
                "retry_policy": _retry_policy(),
                # A longer body is not kept, and so not sent a second time.
                "request_body_buffer_limit": _OPENAI_BODY_BYTES,
                "request_headers_to_remove": ["x-envoy-external-address"],
                "response_headers_to_remove": _STRIPPED,
                "matcher": _tree(gateway, models)["matcher"],
            }
        ],
    }


def _tree(gateway: Gateway, models: Message) -> Message:
    limits = gateway.limits
    openai_bytes = min(limits.body_bytes, _OPENAI_BODY_BYTES)
    rows = [
        (_request(POST, OPENAI), _models(gateway, Kind.OPENAI, answers.openai_unknown(openai_bytes))),
        (
            either(_request(POST, INFER), _request(GET, DESCRIBE)),
            _models(gateway, Kind.HTTP, answers.http_unknown()),
        ),
        (_request(POST, GRPC), _models(gateway, Kind.GRPC, answers.grpc_unknown(limits.body_bytes + _FRAME_BYTES))),
        (both(header_is(":method", GET), header_is(":path", MODELS)), to(models)),
        (both(header_is(":method", GET), header_is(":path", SERVER)), to(answers.server())),
        (_request(GET, HEALTH), to(answers.health())),
        (header_matches(":path", rf"/{GRPC_SERVICE}/Server(Live|Ready|Metadata)"), _refused(answers.NO_SERVER, 404)),
        (header_matches(":path", f"{OPENAI}|{INFER}|{GRPC}"), _refused(answers.ONLY_POST, 405)),
        (header_matches(":path", f"{DESCRIBE}|{MODELS}|{SERVER}|{HEALTH}"), _refused(answers.ONLY_GET, 405)),
    ]
    return first_of(rows, _refused(answers.NOT_FOUND, 404))


def _request(method: str, path: str) -> Message:
    return both(header_is(":method", method), header_matches(":path", path))


def _refused(name: str, status: int) -> Message:
    return to(answers.refusal(name, status))


def _models(gateway: Gateway, kind: Kind, unknown: Message) -> Message:
    rows: dict[str, Message] = {}
    for model in gateway.models:
        rows |= dict.fromkeys(model.names, _model(model, kind, gateway.limits))
    return by_model(rows, to(unknown))


def _model(model: GatewayModel, kind: Kind, limits: Limits) -> Message:
    if not model.shares:
        return _refused(answers.NO_REPLICAS, 503)
    shared = to(_route(model, kind, limits, _shares(model, kind)))
    rows = [
        (every(_conditions(content)), to(_route(model, kind, limits, _cluster(model, content.backend, kind))))
        for content in model.content_routes
    ]
    return first_of(rows, shared) if rows else shared


def _conditions(content: ContentRoute) -> list[Message]:
    path = [] if content.path is None else [header_is(":path", content.path)]
    return [header_is(name, value) for name, value in content.headers] + path


def _cluster(model: GatewayModel, backend: str, kind: Kind) -> Message:
    return {"cluster": cluster_name(model.namespace, backend, kind)}


def _shares(model: GatewayModel, kind: Kind) -> Message:
    shares = [share for share in model.shares if share.weight]
    if len(shares) == 1:
        return _cluster(model, shares[0].backend, kind)
    weighted = [
        {"name": cluster_name(model.namespace, share.backend, kind), "weight": share.weight} for share in shares
    ]
    # What sticks to a replica sticks to its revision first.
    sticky = {"use_hash_policy": True} if model.balancing is Balancing.STICKY_HEADER else {}
    return {"weighted_clusters": {"clusters": weighted, **sticky}}


def _route(model: GatewayModel, kind: Kind, limits: Limits, target: Message) -> Message:
    action = {**target, "timeout": f"{model.timeout_seconds}s"}
    # An answer that is not streamed is silent until it is there.
    if model.timeout_seconds > limits.idle_seconds:
        action["idle_timeout"] = f"{model.timeout_seconds}s"
    if model.balancing_header is not None:
        action["hash_policy"] = [{"header": {"header_name": model.balancing_header}}]
    return {"name": f"{model.namespace}/{model.name}/{kind}", "match": {"prefix": "/"}, "route": action}


def _retry_policy() -> Message:
    """Return what is tried again, on another replica: what was never begun, what failed, what was refused.

    An inference changes nothing, so it can be repeated. `internal` and `unavailable` are gRPC's 500 and 503.
    """
    return {
        "retry_on": "connect-failure,refused-stream,reset,retriable-status-codes,internal,unavailable",
        # Not 504: the time that the client gave is over.
        "retriable_status_codes": [500, 502, 503],
        "num_retries": 2,
        "retry_host_predicate": [extension("envoy.retry_host_predicates.previous_hosts", message(_PREVIOUS_HOSTS))],
        "host_selection_retry_max_attempts": 5,
        "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
    }
