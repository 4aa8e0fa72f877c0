"""The routes of the API. Made by __main__; `middleware` has what surrounds every request."""

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from model_runtime.frontend.admission import State
from model_runtime.frontend.classification import classify
from model_runtime.frontend.completions import chat, complete
from model_runtime.frontend.embeddings import embed
from model_runtime.frontend.errors import ApiError
from model_runtime.frontend.middleware import MAX_BODY_BYTES, admitted, answered, measured, tell
from model_runtime.frontend.openapi import document
from model_runtime.frontend.readiness import IN_FLIGHT_HEADER, why_not_ready
from model_runtime.frontend.service import SERVICE, Service

READY_TIMEOUT_SECONDS = 1.0


def make_app(service: Service) -> web.Application:
    """Return the application; it closes the service's channel and processes when it ends."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[measured, answered, admitted])
    app[SERVICE] = service
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", metrics),
            web.get("/openapi.json", openapi),
            web.get("/v1/models", models),
            web.get("/v1/models/{model:.+}", model),
            web.post("/v1/chat/completions", chat),
            web.post("/v1/completions", complete),
            web.post("/v1/embeddings", embed),
            web.post("/v1/classify", classify),
        ]
    )
    app.on_response_prepare.append(tell)
    app.on_cleanup.append(_close)
    return app


async def _close(app: web.Application) -> None:
    service = app[SERVICE]
    await service.triton.close()
    if service.load is not None:
        await service.load.close()
    if service.prompts is not None:
        service.prompts.close()


async def healthz(_: web.Request) -> web.Response:
    """Live: the process answers."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Ready: Triton answers, has loaded the model that this pod should serve, and the pod is not about to end."""
    service = request.app[SERVICE]
    reason = await _why_not_ready(service)
    headers = {IN_FLIGHT_HEADER: str(service.admission.in_flight)}
    if reason is None:
        return web.Response(text="ok\n", headers=headers)
    return web.Response(status=503, text=f"{reason}\n", headers=headers)


async def _why_not_ready(service: Service) -> str | None:
    if service.admission.state is not State.SERVING:
        return "draining"
    try:
        loaded = await service.triton.loaded_model(READY_TIMEOUT_SECONDS)
    except ApiError as error:
        return f"triton: {error.message}"
    return why_not_ready(loaded, service.digest)


async def metrics(request: web.Request) -> web.Response:
    """The process's figures for Prometheus."""
    content = generate_latest(request.app[SERVICE].metrics.registry)
    return web.Response(body=content, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def openapi(request: web.Request) -> web.Response:
    """GET /openapi.json: what this server serves, in OpenAPI's form."""
    service = request.app[SERVICE]
    return web.json_response(body=orjson.dumps(document(*service.names)))


async def models(request: web.Request) -> web.Response:
    """GET /v1/models."""
    return web.json_response({"object": "list", "data": [_describe(request.app[SERVICE])]})


async def model(request: web.Request) -> web.Response:
    """GET /v1/models/NAME."""
    request.app[SERVICE].check_model(request.match_info["model"])
    return web.json_response(_describe(request.app[SERVICE]))


def _describe(service: Service) -> dict[str, object]:
    return {"id": service.served_name, "object": "model", "created": service.created, "owned_by": "nereid"}
