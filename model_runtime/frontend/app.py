"""The routes of the API, and what surrounds every request: metrics, and errors in OpenAI's form."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from model_runtime.frontend.completions import chat, complete
from model_runtime.frontend.embeddings import embed
from model_runtime.frontend.errors import ApiError, body_of, error_body
from model_runtime.frontend.service import SERVICE, Service

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 4 * 1024 * 1024
READY_TIMEOUT_SECONDS = 1.0

# What Triton's `text_input` is called in a request to each route.
TEXT_FIELDS = {"/v1/chat/completions": "messages", "/v1/completions": "prompt", "/v1/embeddings": "input"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(service: Service) -> web.Application:
    """Return the application; it closes the service's channel and processes when it ends."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[measured, answered])
    app[SERVICE] = service
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", metrics),
            web.get("/v1/models", models),
            web.get("/v1/models/{model:.+}", model),
            web.post("/v1/chat/completions", chat),
            web.post("/v1/completions", complete),
            web.post("/v1/embeddings", embed),
        ]
    )
    app.on_cleanup.append(_close)
    return app


async def _close(app: web.Application) -> None:
    await app[SERVICE].triton.close()
    app[SERVICE].prompts.close()


@web.middleware
async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the request, time it, and notice when its client goes away."""
    service, began = request.app[SERVICE], request.app[SERVICE].now()
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unknown"
    with service.metrics.active.track_inprogress():
        try:
            response = await handler(request)
        except (asyncio.CancelledError, ConnectionError):
            service.metrics.cancelled.inc()
            raise
    service.metrics.requests.labels(route=route, status=str(response.status)).inc()
    service.metrics.duration_seconds.labels(route=route).observe(service.now() - began)
    return response


@web.middleware
async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into an answer in OpenAI's form."""
    try:
        return await handler(request)
    except ApiError as error:
        if error.status >= 500:
            log.warning("%s %s: %s", request.method, request.path, error.message)
        if error.param == "text_input":
            error.param = TEXT_FIELDS.get(request.path)
        headers = {"Retry-After": "1"} if error.status == 503 else {}
        return web.json_response(body=orjson.dumps(body_of(error)), status=error.status, headers=headers)
    except web.HTTPException as error:
        content = error_body(f"{request.method} {request.path}: {error.reason}", "invalid_request_error")
        return web.json_response(body=orjson.dumps(content), status=error.status)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        content = error_body("The server had an error while processing the request", "server_error")
        return web.json_response(body=orjson.dumps(content), status=500)


async def healthz(_: web.Request) -> web.Response:
    """Live: the process answers."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Ready: Triton answers and has loaded the model."""
    if await request.app[SERVICE].triton.is_ready(READY_TIMEOUT_SECONDS):
        return web.Response(text="ok\n")
    return web.Response(status=503, text="triton has not loaded the model\n")


async def metrics(request: web.Request) -> web.Response:
    """The process's figures for Prometheus."""
    content = generate_latest(request.app[SERVICE].metrics.registry)
    return web.Response(body=content, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def models(request: web.Request) -> web.Response:
    """GET /v1/models."""
    return web.json_response({"object": "list", "data": [_describe(request.app[SERVICE])]})


async def model(request: web.Request) -> web.Response:
    """GET /v1/models/NAME."""
    request.app[SERVICE].check_model(request.match_info["model"])
    return web.json_response(_describe(request.app[SERVICE]))


def _describe(service: Service) -> dict[str, object]:
    return {"id": service.served_name, "object": "model", "created": service.created, "owned_by": "nereid"}
