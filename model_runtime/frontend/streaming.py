"""An answer as server-sent events, and the times between them. Called by `completions`.

Nothing is sent before the first event is there, so that an early failure has its own status; a later one goes into the
stream, which then ends without [DONE]. A client that hangs up ends its generations.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson
from aiohttp import web

from model_runtime.frontend.answer import Answer
from model_runtime.frontend.choices import Usage, run_stream
from model_runtime.frontend.errors import ApiError, body_of
from model_runtime.frontend.formats import Json
from model_runtime.frontend.logprobs import length_of
from model_runtime.frontend.metrics import TokenTimes
from model_runtime.frontend.service import SERVICE, Service
from model_runtime.frontend.triton_client import Delta


async def stream(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Write the events of an answer while its generations run."""
    service = request.app[SERVICE]
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    async with aclosing(_chunks(service, answer)) as chunks:
        first = await anext(chunks)
        await response.prepare(request)
        await response.write(_event(first))
        try:
            async for chunk in chunks:
                await response.write(_event(chunk))
        except ApiError as error:
            service.metrics.refused.labels(reason=error.code or error.kind).inc()
            await response.write(_event(body_of(error)))
            return response
    await response.write(b"data: [DONE]\n\n")
    return response


async def _chunks(service: Service, answer: Answer) -> AsyncGenerator[Json]:
    head = answer.head | {"object": answer.form.chunk_object} | ({"usage": None} if answer.with_usage else {})
    usage, offsets = Usage(), dict[int, int]()
    times = TokenTimes(service.metrics, service.monotonic)
    try:
        async with aclosing(run_stream(service.triton, answer.choices)) as pieces:
            async for index, delta in pieces:
                times.saw(index, delta.completion_tokens)
                if index not in offsets:
                    offsets[index] = 0
                    usage.prompt_tokens += delta.prompt_tokens if index % answer.per_prompt == 0 else 0
                    for opening in _openings(answer, index):
                        yield head | {"choices": [opening]}
                usage.completion_tokens += delta.completion_tokens
                yield head | {"choices": [answer.form.chunk(index, delta, answer.logprobs(delta, offsets[index]))]}
                offsets[index] += length_of(delta.logprobs)
    finally:
        service.metrics.count_tokens(usage.prompt_tokens, usage.completion_tokens)
    if answer.with_usage:
        yield head | {"choices": [], "usage": usage.as_json()}


def _openings(answer: Answer, index: int) -> list[Json]:
    """Return what comes before the text of a choice: its speaker's role, or the prompt where that is asked for."""
    openings = [] if answer.form.opening is None else [answer.form.opening(index)]
    if answer.echo:
        prompt = Delta(answer.choices[index].generation.prompt, None, prompt_tokens=0, completion_tokens=0)
        openings.append(answer.form.chunk(index, prompt, None))
    return openings


def _event(content: Json) -> bytes:
    return b"data: " + orjson.dumps(content) + b"\n\n"
