"""POST /v1/embeddings."""

import base64
from functools import partial

import orjson
from aiohttp import web

from model_runtime.frontend.batches import ask_all
from model_runtime.frontend.errors import InvalidRequest
from model_runtime.frontend.reading import read_body, read_timeout
from model_runtime.frontend.schema.embeddings import EmbeddingBody
from model_runtime.frontend.service import SERVICE
from model_runtime.frontend.triton_client import Embedding


async def embed(request: web.Request) -> web.StreamResponse:
    """Return one vector per input."""
    service, body = request.app[SERVICE], await read_body(request, EmbeddingBody)
    service.check_model(body.model)
    service.check_task(("Embedding",))
    timeout_seconds = read_timeout(request)
    ask = partial(service.triton.embed, timeout_seconds=timeout_seconds)
    embeddings = await ask_all(ask, service.texts.from_input(body.input, "input"), timeout_seconds)
    _check_dimensions(body.dimensions, embeddings[0].vector.shape[0])
    tokens = sum(embedding.tokens for embedding in embeddings)
    service.metrics.count_tokens(tokens, 0)
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


def _check_dimensions(asked: int | None, size: int) -> None:
    """Refuse to cut vectors: a model says nowhere in its files whether the first dimensions mean something alone."""
    if asked is not None and asked != size:
        raise InvalidRequest(f"dimensions: {asked}; this model has {size}", param="dimensions")


def _encode(embedding: Embedding, encoding: str | None) -> object:
    """Return the vector as numbers, or as base64 over little-endian float32."""
    if encoding == "base64":
        return base64.b64encode(embedding.vector.astype("<f4").tobytes()).decode()
    return embedding.vector
