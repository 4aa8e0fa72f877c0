"""What surrounds every request: admission, metrics, the load report, and errors in OpenAI's form.

Put around the routes by `app`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import hdrs, web

from model_runtime.frontend.admission import State
from model_runtime.frontend.errors import ApiError, body_of, error_body
from model_runtime.frontend.load import HEADER
from model_runtime.frontend.sampling import CHAT_NAMES, TEXT_NAMES
from model_runtime.frontend.service import SERVICE

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 4 * 1024 * 1024

# What the engine's fields are called in a request to each route of inference.
FIELD_NAMES = {
    "/v1/chat/completions": CHAT_NAMES,
    "/v1/completions": TEXT_NAMES,
    "/v1/embeddings": {"text_input": "input"},
    "/v1/classify": {"text_input": "input"},
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _is_inference(request: web.Request) -> bool:
    return request.method == hdrs.METH_POST and request.path in FIELD_NAMES


@web.middleware
async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the request, time it, and notice when its client goes away."""
    service, began = request.app[SERVICE], request.app[SERVICE].monotonic()
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unknown"
    try:
        response = await handler(request)
    except (asyncio.CancelledError, ConnectionError):
        service.metrics.cancelled.inc()
        raise
    service.metrics.requests.labels(route=route, status=str(response.status)).inc()
    service.metrics.duration_seconds.labels(route=route).observe(service.monotonic() - began)
    return response


@web.middleware
async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into an answer in OpenAI's form."""
    try:
        return await handler(request)
    except ApiError as error:
        if error.status >= 500:
            log.warning("%s %s: %s", request.method, request.path, error.message)
        error.param = FIELD_NAMES.get(request.path, {}).get(error.param or "", error.param)
        return _refusal(request, error.status, error.code or error.kind, body_of(error), dict(error.headers))
    except web.HTTPException as error:
        content = error_body(_in_words(request, error), "invalid_request_error", code=_code(error))
        allowed = {name: value for name, value in error.headers.items() if name == hdrs.ALLOW}
        return _refusal(request, error.status, _code(error), content, allowed)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        content = error_body("The server had an error while processing the request", "server_error")
        return _refusal(request, 500, "server_error", content, {})


@web.middleware
async def admitted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take a request for inference, or say that this replica takes no more."""
    if not _is_inference(request):
        return await handler(request)
    service = request.app[SERVICE]
    with service.admission.admitted(), service.metrics.active.track_inprogress():
        return await handler(request)


async def tell(request: web.Request, response: web.StreamResponse) -> None:
    """Add what every answer carries: the load of the replica, and whether to come back over the same connection."""
    service = request.app[SERVICE]
    if service.load is not None and _is_inference(request):
        response.headers[HEADER] = service.load.header(service.admission.in_flight)
    if service.admission.state is State.CLOSED:
        response.headers[hdrs.CONNECTION] = "close"
        response.force_close()


def _refusal(
    request: web.Request, status: int, reason: str, content: dict[str, object], headers: dict[str, str]
) -> web.Response:
    request.app[SERVICE].metrics.refused.labels(reason=reason).inc()
    return web.json_response(body=orjson.dumps(content), status=status, headers=headers)


def _code(error: web.HTTPException) -> str:
    """Return the reason of an answer of the server itself as a code: "method_not_allowed"."""
    return error.reason.lower().replace(" ", "_")


def _in_words(request: web.Request, error: web.HTTPException) -> str:
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return f"The body is larger than {MAX_BODY_BYTES} bytes"
    return f"{request.method} {request.path[:200]}: {error.reason}"
