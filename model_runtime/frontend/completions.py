"""POST /v1/chat/completions and /v1/completions: from a body to generations, and to their answer.

`answer` writes it as one JSON object, `streaming` as server-sent events.
"""

import uuid
from collections.abc import Mapping, Sequence

import orjson
from aiohttp import web

from model_runtime.frontend.answer import Answer, whole
from model_runtime.frontend.choices import count_usage, plan_choices, run
from model_runtime.frontend.errors import InvalidRequest
from model_runtime.frontend.formats import CHAT, TEXT, Format, Json
from model_runtime.frontend.reading import read_body, read_timeout
from model_runtime.frontend.sampling import sampling_parameters
from model_runtime.frontend.schema.chat import ChatBody
from model_runtime.frontend.schema.completions import CompletionBody
from model_runtime.frontend.schema.generation import GenerationBody
from model_runtime.frontend.service import SERVICE, Service
from model_runtime.frontend.streaming import stream

_TASKS = ("Chat", "Completion")


async def chat(request: web.Request) -> web.StreamResponse:
    """Answer a conversation; unless limited, it goes on until the context is full."""
    service, body = request.app[SERVICE], await read_body(request, ChatBody)
    _check(service, body)
    if body.top_logprobs and not body.logprobs:
        raise InvalidRequest("top_logprobs: only with logprobs: true", param="top_logprobs")
    likely = (body.top_logprobs or 0) if body.logprobs else None
    prompts = [await service.texts.from_messages(body.messages)]
    length = {"max_tokens": body.max_completion_tokens or body.max_tokens}
    return await _answer(request, body, _plan(request, body, prompts, length=length, likely=likely, form=CHAT))


async def complete(request: web.Request) -> web.StreamResponse:
    """Continue a text, or several; the engine's default length is OpenAI's, 16 tokens."""
    service, body = request.app[SERVICE], await read_body(request, CompletionBody)
    _check(service, body)
    if body.echo and body.logprobs is not None:
        # The engine tells how likely the tokens of the answer were, not those of the prompt.
        raise InvalidRequest("echo: not with logprobs", param="echo", code="unsupported_value")
    prompts = service.texts.from_input(body.prompt, "prompt")
    length = {"max_tokens": body.max_tokens} if body.max_tokens is not None else {}
    return await _answer(request, body, _plan(request, body, prompts, length=length, likely=body.logprobs, form=TEXT))


def _check(service: Service, body: GenerationBody) -> None:
    service.check_model(body.model)
    service.check_task(_TASKS)
    if body.stream_options is not None and not body.stream:
        raise InvalidRequest("stream_options: only with stream: true", param="stream_options")


def _plan(
    request: web.Request,
    body: GenerationBody,
    prompts: Sequence[str],
    *,
    length: Mapping[str, int | None],
    likely: int | None,
    form: Format,
) -> Answer:
    choices = plan_choices(
        prompts,
        body.n or 1,
        sampling_parameters(body, length, likely),
        seed=body.seed,
        stream=bool(body.stream),
        timeout_seconds=read_timeout(request),
    )
    return Answer(
        head=_head(request.app[SERVICE], form),
        form=form,
        choices=choices,
        per_prompt=body.n or 1,
        likely=likely,
        echo=isinstance(body, CompletionBody) and bool(body.echo),
        with_usage=body.stream_options is not None and body.stream_options.include_usage,
    )


def _head(service: Service, form: Format) -> Json:
    return {"id": f"{form.id_prefix}{uuid.uuid4().hex}", "created": int(service.now()), "model": service.served_name}


async def _answer(request: web.Request, body: GenerationBody, answer: Answer) -> web.StreamResponse:
    if body.stream:
        return await stream(request, answer)
    service = request.app[SERVICE]
    deltas = await run(service.triton, answer.choices)
    usage = count_usage(deltas, answer.per_prompt)
    service.metrics.count_tokens(usage.prompt_tokens, usage.completion_tokens)
    return web.json_response(body=orjson.dumps(whole(answer, deltas)))
