"""The HTTP filters, in their order: what is no request for here is refused, then the model's name is found.

    path of the Open Inference Protocol ─┐
    `model` of a JSON body ──────────────┼─► dynamic metadata ─► filter state nereid.model ─► the route is chosen again
    first message of a gRPC call ────────┘

No client can write filter state, so the name is never a header. Which finder is at work is said by the routes that hold
before the name is known (routes.py). Pure; called by listener.py.
"""

from nereid_operator.plan.gateway_ir import Limits
from nereid_operator.render.envoy.inference_api import descriptor_set
from nereid_operator.render.envoy.paths import GRPC_SERVICE, MODEL_FIELDS, MODEL_OF_PATH
from nereid_operator.render.envoy.resources import MODEL_STATE, NAMESPACE, Message, extension, message, struct

PATH_FINDER = "nereid.model_of_path"
JSON_FINDER = "nereid.model_of_json"
SIZE_LIMIT = "nereid.body_size"
# Policies of the first filter, which local replies know by the name in the details of the response.
PACKED_GRPC = "packed-grpc"
PACKED_HTTP = "packed-http"
NO_PATH = "no-path"

# Headers that mean something inside, whoever sends them from outside.
_OURS = ("x-nereid-", "x-envoy-", "endpoint-load-metrics", "triton-grpc-protocol-")
# Longer than any name; a longer text is cut, and so names no model.
_NAME_CHARACTERS = 512
_GRPC_MODEL = "metadata.filter_metadata['envoy.filters.http.grpc_field_extraction']['model'][0]"


def http_filters(limits: Limits) -> list[Message]:
    """Return the filters of every request."""
    return [
        extension("nereid.refused", _refused()),
        extension(
            SIZE_LIMIT,
            struct(
                "envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit", max_request_bytes=limits.body_bytes
            ),
        ),
        extension(PATH_FINDER, _model_of_path()),
        extension(JSON_FINDER, _model_of_json()),
        extension("nereid.model_of_grpc", _model_of_grpc()),
        extension("nereid.model", _model_state()),
        extension(
            "envoy.filters.http.router",
            message("envoy.extensions.filters.http.router.v3.Router", suppress_envoy_headers=True),
        ),
    ]


def early_mutations() -> list[Message]:
    """Return what is taken from a request before anything reads it."""
    mutations = [{"remove_on_match": {"key_matcher": {"prefix": prefix, "ignore_case": True}}} for prefix in _OURS]
    kind = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    return [extension("nereid.strip", message(kind, mutations=mutations))]


def _refused() -> Message:
    """Refuse tunnels, which have no path, and bodies that are longer than they look: their limit would be none."""
    rooted = {"header": {"name": ":path", "string_match": {"prefix": "/"}}}
    policies = {
        NO_PATH: _policy({"not_rule": rooted}),
        PACKED_GRPC: _encoded("grpc-encoding"),
        PACKED_HTTP: _encoded("content-encoding"),
    }
    return message("envoy.extensions.filters.http.rbac.v3.RBAC", rules={"action": "DENY", "policies": policies})


def _encoded(header: str) -> Message:
    present = {"header": {"name": header, "present_match": True}}
    plain = {"header": {"name": header, "string_match": {"exact": "identity", "ignore_case": True}}}
    return _policy({"and_rules": {"rules": [present, {"not_rule": plain}]}})


def _policy(permission: Message) -> Message:
    return {"permissions": [permission], "principals": [{"any": True}]}


def _model_of_path() -> Message:
    rewrite = {"pattern": {"regex": MODEL_OF_PATH}, "substitution": r"\1"}
    found = {"metadata_namespace": NAMESPACE, "key": "model", "regex_value_rewrite": rewrite}
    rules = [{"header": ":path", "on_header_present": found}]
    return message("envoy.extensions.filters.http.header_to_metadata.v3.Config", request_rules=rules)


def _model_of_json() -> Message:
    rules = [{"selectors": [{"key": "model"}], "on_present": {"metadata_namespace": NAMESPACE, "key": "model"}}]
    return message(
        "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata",
        request_rules={
            "allow_content_types_regex": {"regex": r"(?i)application/json(\s*;.*)?"},
            "allow_empty_content_type": True,
            "rules": rules,
        },
    )


def _model_of_grpc() -> Message:
    extractions = {
        f"{GRPC_SERVICE}.{method}": {"request_field_extractions": {field: {"metadata_key": "model"}}}
        for method, field in MODEL_FIELDS.items()
    }
    return struct(
        "envoy.extensions.filters.http.grpc_field_extraction.v3.GrpcFieldExtractionConfig",
        descriptor_set={"inline_bytes": descriptor_set()},
        extractions_by_method=extractions,
    )


def _model_state() -> Message:
    return struct(
        "envoy.extensions.filters.http.set_filter_state.v3.Config",
        clear_route_cache=True,
        on_request_headers=[
            _state(f"%DYNAMIC_METADATA({NAMESPACE}:model):{_NAME_CHARACTERS}%"),
            _state(f"%CEL({_GRPC_MODEL}):{_NAME_CHARACTERS}%"),
        ],
    )


def _state(content: str) -> Message:
    return {
        "object_key": MODEL_STATE,
        "factory_key": "envoy.string",
        "skip_if_empty": True,
        "format_string": {
            "omit_empty_values": True,
            "text_format_source": {"inline_string": content},
        },
    }
