"""What a request says besides its route: its body, within bounds of time and size, and its deadline.

Called by every handler. The size of a body is bounded by the server itself (`app.MAX_BODY_BYTES`).
"""

import asyncio

from aiohttp import hdrs, web

from model_runtime.frontend.errors import BodyTooSlow, InvalidRequest, WrongMediaType
from model_runtime.frontend.schema.body import AnyBody, parse_body
from model_runtime.frontend.service import SERVICE

TIMEOUT_HEADER = "x-request-timeout-ms"
MAX_TIMEOUT_MS = 3_600_000

# A larger body is parsed beside the loop, so that streams go on meanwhile.
_LARGE_BYTES = 64 * 1024


async def read_body(request: web.Request, kind: type[AnyBody]) -> AnyBody:
    """Read and check the body.

    Raises:
        InvalidRequest: names the first field that is wrong.
        BodyTooSlow: the body was not there in time.
        WrongMediaType: it says that it is something else than JSON, or that it is packed.

    """
    _check_media_type(request)
    seconds = request.app[SERVICE].body_seconds
    try:
        async with asyncio.timeout(seconds):
            content = await request.read()
    except TimeoutError as error:
        raise BodyTooSlow(f"The body was not there after {seconds:g} s", code="body_too_slow") from error
    if len(content) > _LARGE_BYTES:
        return await asyncio.to_thread(parse_body, kind, content)
    return parse_body(kind, content)


def _check_media_type(request: web.Request) -> None:
    given = request.headers.get(hdrs.CONTENT_TYPE)
    if given is not None and request.content_type != "application/json":
        raise WrongMediaType(f"Content-Type: {given:.80}; expected application/json", code="unsupported_media_type")
    packed = request.headers.get(hdrs.CONTENT_ENCODING, "identity")
    if packed != "identity":
        raise WrongMediaType(f"Content-Encoding: {packed:.80}; expected a plain body", code="unsupported_media_type")


def read_timeout(request: web.Request) -> float | None:
    """Return the request's deadline in seconds from now, None if it has none; InvalidRequest names the header."""
    text = request.headers.get(TIMEOUT_HEADER)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or not 1 <= int(text) <= MAX_TIMEOUT_MS:
        message = f"{TIMEOUT_HEADER}: {text[:80]!r}; expected whole milliseconds from 1 to {MAX_TIMEOUT_MS}"
        raise InvalidRequest(message, param=TIMEOUT_HEADER)
    return int(text) / 1000
