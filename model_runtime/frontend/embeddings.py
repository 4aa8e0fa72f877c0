"""POST /v1/embeddings: each text is a request of its own to Triton, whose dynamic batcher puts them together."""

import asyncio
import base64
from collections.abc import Sequence

import orjson
from aiohttp import web

from model_runtime.frontend.errors import InvalidRequest
from model_runtime.frontend.schema import EmbeddingBody, parse_body
from model_runtime.frontend.service import SERVICE, Service
from model_runtime.frontend.triton_client import Embedding

# Enough to fill Triton's batches, few enough to leave room in its queue for other clients.
MAX_IN_FLIGHT = 16


async def embed(request: web.Request) -> web.StreamResponse:
    """Return one vector per input."""
    service, body = request.app[SERVICE], parse_body(EmbeddingBody, await request.read())
    service.check_model(body.model)
    if service.task != "Embedding":
        raise InvalidRequest(f"model: {body.model} is for the task {service.task}, not Embedding", param="model")
    embeddings = await _embed_all(service, service.prompts.from_input(body.input, "input"))
    _check_dimensions(body.dimensions, embeddings[0].vector.shape[0])
    tokens = sum(embedding.tokens for embedding in embeddings)
    service.metrics.prompt_tokens.inc(tokens)
    content = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _encode(embedding, body.encoding_format)}
            for index, embedding in enumerate(embeddings)
        ],
        "model": service.served_name,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return web.json_response(body=orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY))


async def _embed_all(service: Service, texts: Sequence[str]) -> list[Embedding]:
    """Ask for all texts, a bounded number at a time; the first failure cancels the rest."""
    slots = asyncio.Semaphore(MAX_IN_FLIGHT)

    async def embed_one(text: str) -> Embedding:
        async with slots:
            return await service.triton.embed(text)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(embed_one(text)) for text in texts]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]


def _check_dimensions(asked: int | None, size: int) -> None:
    if asked is not None and asked != size:
        raise InvalidRequest(f"dimensions: {asked}; this model has {size}", param="dimensions", code="invalid_value")


def _encode(embedding: Embedding, encoding: str | None) -> object:
    """Return the vector as numbers, or as base64 over little-endian float32."""
    if encoding == "base64":
        return base64.b64encode(embedding.vector.astype("<f4").tobytes()).decode()
    return embedding.vector
