"""POST /v1/chat/completions and /v1/completions, as one JSON object or as server-sent events."""

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson
from aiohttp import web

from model_runtime.frontend.choices import Choice, Usage, count_usage, plan_choices, run, run_stream
from model_runtime.frontend.errors import ApiError, InvalidRequest, body_of
from model_runtime.frontend.formats import CHAT, TEXT, Format, Json
from model_runtime.frontend.schema import ChatBody, CompletionBody, GenerationBody, parse_body
from model_runtime.frontend.service import SERVICE, Service

_TASKS = ("Chat", "Completion")


async def chat(request: web.Request) -> web.StreamResponse:
    """Answer a conversation; unless limited, it goes on until the context is full."""
    service, body = request.app[SERVICE], parse_body(ChatBody, await request.read())
    _check(service, body)
    prompts = [await service.prompts.from_messages(body.messages)]
    choices = plan_choices(prompts, body, {"max_tokens": body.max_completion_tokens or body.max_tokens})
    return await _answer(request, body, choices, CHAT)


async def complete(request: web.Request) -> web.StreamResponse:
    """Continue a text, or several; the engine's default length is OpenAI's, 16 tokens."""
    service, body = request.app[SERVICE], parse_body(CompletionBody, await request.read())
    _check(service, body)
    prompts = service.prompts.from_input(body.prompt, "prompt")
    length = {"max_tokens": body.max_tokens} if body.max_tokens is not None else {}
    return await _answer(request, body, plan_choices(prompts, body, length), TEXT)


def _check(service: Service, body: GenerationBody) -> None:
    service.check_model(body.model)
    if service.task not in _TASKS:
        raise InvalidRequest(f"model: {body.model} is for the task {service.task}, not for text", param="model")
    if body.stream_options is not None and not body.stream:
        raise InvalidRequest("stream_options: only with stream: true", param="stream_options", code="invalid_value")


async def _answer(
    request: web.Request, body: GenerationBody, choices: list[Choice], form: Format
) -> web.StreamResponse:
    service, head = request.app[SERVICE], _head(request.app[SERVICE], form)
    if body.stream:
        return await _stream(request, body, choices, form)
    deltas = await run(service.triton, choices)
    usage = count_usage(deltas, body.n or 1)
    _record(service, usage)
    answers = [form.whole(choice.index, delta) for choice, delta in zip(choices, deltas, strict=True)]
    content = head | {"object": form.whole_object, "choices": answers, "usage": usage.as_json()}
    return web.json_response(body=orjson.dumps(content))


def _head(service: Service, form: Format) -> Json:
    return {"id": f"{form.id_prefix}{uuid.uuid4().hex}", "created": int(service.now()), "model": service.served_name}


async def _stream(
    request: web.Request, body: GenerationBody, choices: list[Choice], form: Format
) -> web.StreamResponse:
    """Write the events; nothing is sent before the first one is there, so that an early failure has its own status."""
    service, began = request.app[SERVICE], request.app[SERVICE].now()
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    async with aclosing(_chunks(service, body, choices, form)) as chunks:
        first = await anext(chunks)
        service.metrics.first_token_seconds.observe(service.now() - began)
        await response.prepare(request)
        await response.write(_event(first))
        try:
            async for chunk in chunks:
                await response.write(_event(chunk))
        except ApiError as error:
            # The status is sent: the error goes into the stream, which then ends without [DONE].
            await response.write(_event(body_of(error)))
            return response
    await response.write(b"data: [DONE]\n\n")
    return response


async def _chunks(service: Service, body: GenerationBody, choices: list[Choice], form: Format) -> AsyncGenerator[Json]:
    with_usage = body.stream_options is not None and body.stream_options.include_usage
    head = _head(service, form) | {"object": form.chunk_object} | ({"usage": None} if with_usage else {})
    usage, opened, per_prompt = Usage(), set[int](), body.n or 1
    async with aclosing(run_stream(service.triton, choices)) as pieces:
        async for index, delta in pieces:
            if index not in opened:
                opened.add(index)
                usage.prompt_tokens += delta.prompt_tokens if index % per_prompt == 0 else 0
                if form.opening is not None:
                    yield head | {"choices": [form.opening(index)]}
            usage.completion_tokens += delta.completion_tokens
            yield head | {"choices": [form.chunk(index, delta)]}
    _record(service, usage)
    if with_usage:
        yield head | {"choices": [], "usage": usage.as_json()}


def _record(service: Service, usage: Usage) -> None:
    service.metrics.prompt_tokens.inc(usage.prompt_tokens)
    service.metrics.completion_tokens.inc(usage.completion_tokens)


def _event(content: Json) -> bytes:
    return b"data: " + orjson.dumps(content) + b"\n\n"
