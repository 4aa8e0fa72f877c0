"""POST /v1/classify, in the form of vLLM's route of that name."""

import uuid
from functools import partial

import orjson
from aiohttp import web

from model_runtime.frontend.batches import ask_all
from model_runtime.frontend.reading import read_body, read_timeout
from model_runtime.frontend.schema.classify import ClassifyBody
from model_runtime.frontend.service import SERVICE
from model_runtime.frontend.triton_client import Classification


async def classify(request: web.Request) -> web.StreamResponse:
    """Return the probabilities of the labels for each input."""
    service, body = request.app[SERVICE], await read_body(request, ClassifyBody)
    service.check_model(body.model)
    service.check_task(("Classification",))
    timeout_seconds = read_timeout(request)
    ask = partial(service.triton.classify, timeout_seconds=timeout_seconds)
    answers = await ask_all(ask, service.texts.from_input(body.input, "input"), timeout_seconds)
    tokens = sum(answer.tokens for answer in answers)
    service.metrics.count_tokens(tokens, 0)
    content = {
        "id": f"classify-{uuid.uuid4().hex}",
        "object": "list",
        "created": int(service.now()),
        "model": service.served_name,
        "data": [_data(index, answer) for index, answer in enumerate(answers)],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0},
    }
    return web.json_response(body=orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY))


def _data(index: int, answer: Classification) -> dict[str, object]:
    return {
        "index": index,
        "label": answer.label,
        "probs": answer.probabilities,
        "num_classes": answer.probabilities.shape[0],
    }
