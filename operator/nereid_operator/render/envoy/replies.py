"""The words of every answer that is the gateway's own. Pure; called by listener.py.

One table: when, which status, and what it says. Three forms: OpenAI's error for /v1, the Open Inference Protocol's for
/v2, grpc-status and grpc-message for gRPC, which has neither HTTP status nor body.
"""

from dataclasses import dataclass

from nereid_operator.render.envoy import answers
from nereid_operator.render.envoy.filters import NO_PATH, PACKED_GRPC, PACKED_HTTP
from nereid_operator.render.envoy.resources import MODEL_STATE, Message, extension, message, text

_INVALID = "invalid_request_error"
_MODEL = f"%FILTER_STATE({MODEL_STATE}:PLAIN):300%"
_REQUEST = "%REQ(:METHOD)% %REQ(:PATH):300%"


@dataclass(frozen=True, slots=True)
class _Reply:
    """`when` is a condition in CEL or a status; `grpc` is the grpc-status; `status` changes the one of HTTP.

    `grpc_says` is there where gRPC has other words.
    """

    when: str | int
    says: str
    code: str
    kind: str = _INVALID
    param: str | None = None
    grpc: int = 2
    grpc_says: str | None = None
    status: int | None = None
    retry: bool = False


def _route(name: str) -> str:
    # Until the router answers, a request that is refused for another reason has such a route too.
    return f"response.code_details in ['direct_response', 'cluster_not_found'] && xds.route_name == '{name}'"


def _policy(name: str) -> str:
    return f"response.code_details.contains('{name}')"


_REPLIES = (
    _Reply(
        when=f"{_route(answers.MODEL_NOT_FOUND)} && !('{MODEL_STATE}' in filter_state)",
        says="model: send a JSON object that names the model in its field `model`, with Content-Type application/json",
        code="missing_required_parameter",
        param="model",
        grpc=3,
        grpc_says="the first message has to name the model",
        status=400,
    ),
    _Reply(
        when=_route(answers.MODEL_NOT_FOUND),
        says=f"The model `{_MODEL}` does not exist; GET /v1/models lists those that do",
        code="model_not_found",
        param="model",
        grpc=5,
    ),
    _Reply(
        when=_route(answers.NO_SERVER),
        says="The gateway is not one server: ask ModelReady and ModelMetadata of a model",
        code="not_found",
        grpc=12,
    ),
    _Reply(when=_route(answers.NOT_FOUND), says=f"There is no {_REQUEST}", code="not_found", grpc=12),
    _Reply(when=_route(answers.ONLY_GET), says=f"{_REQUEST}: only GET is served", code="method_not_allowed", grpc=12),
    _Reply(when=_route(answers.ONLY_POST), says=f"{_REQUEST}: only POST is served", code="method_not_allowed", grpc=12),
    _Reply(
        when=_policy(PACKED_GRPC),
        says="grpc-encoding %REQ(grpc-encoding):40% is not served: send messages without compression",
        code="unsupported_media_type",
        grpc=12,
        status=415,
    ),
    _Reply(
        when=_policy(PACKED_HTTP),
        says="Content-Encoding %REQ(content-encoding):40% is not served: send bodies without compression",
        code="unsupported_media_type",
        grpc=12,
        status=415,
    ),
    _Reply(
        when=_policy(NO_PATH),
        says="%REQ(:METHOD)% without a path is not served",
        code="method_not_allowed",
        grpc=12,
        status=405,
    ),
    _Reply(when=408, says="The request did not come in time", code="body_too_slow", grpc=4),
    _Reply(when=413, says="The body is larger than it may be", code="request_entity_too_large", grpc=8),
    _Reply(
        when="response.code_details.contains('REQUEST_BUFFER_CONVERSION_FAIL')",
        says="The first message is larger than it may be, or compressed",
        code="request_entity_too_large",
        grpc=8,
    ),
    _Reply(when=431, says="The headers are larger than they may be", code="headers_too_large", grpc=8),
    _Reply(
        when=503,
        says="No replica of the model answers now; try again",
        code="unavailable",
        kind="service_unavailable_error",
        grpc=14,
        retry=True,
    ),
    _Reply(when=504, says="The answer took longer than it may", code="timeout", kind="timeout_error", grpc=4),
)
_REST = _Reply(
    when="response.code >= 400", says="The request was refused: %RESPONSE_CODE_DETAILS%", code="bad_request", grpc=13
)


def local_replies() -> Message:
    """Return the configuration of local replies."""
    return {
        "mappers": [mapper for reply in (*_REPLIES, _REST) for mapper in (_grpc(reply), _oip(reply), _openai(reply))]
    }


def _grpc(reply: _Reply) -> Message:
    status = {"header": {"key": "grpc-status", "value": str(reply.grpc)}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {
        "filter": _both(reply, {"name": "content-type", "string_match": {"prefix": "application/grpc"}}),
        "body_format_override": text(reply.grpc_says or reply.says),
        "headers_to_add": [status],
    }


def _oip(reply: _Reply) -> Message:
    in_protocol = {"name": ":path", "string_match": {"prefix": "/v2"}}
    return {
        "filter": _both(reply, in_protocol),
        "body_format_override": {"json_format": {"error": reply.says}},
        **_changes(reply),
    }


def _openai(reply: _Reply) -> Message:
    error = {"message": reply.says, "type": reply.kind, "param": reply.param, "code": reply.code}
    return {
        "filter": _when(reply),
        "body_format_override": {"json_format": {"error": error}},
        **_changes(reply),
    }


def _changes(reply: _Reply) -> Message:
    again = {"header": {"key": "retry-after", "value": "1"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {
        **({} if reply.status is None else {"status_code": reply.status}),
        **({"headers_to_add": [again]} if reply.retry else {}),
    }


def _both(reply: _Reply, header: Message) -> Message:
    return {"and_filter": {"filters": [{"header_filter": {"header": header}}, _when(reply)]}}


def _when(reply: _Reply) -> Message:
    if isinstance(reply.when, int):
        value = {"default_value": reply.when, "runtime_key": "nereid.none"}
        return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}
    cel = message("envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter", expression=reply.when)
    return {"extension_filter": extension("cel", cel)}
