"""Plain HTTP for the sources that speak it: one client, ranges, and answers turned into the runtime's reasons.

Called by `https` and `huggingface`. Redirects are followed, each hop as far as the egress policy allows its host; a
credential is not sent on to another origin (httpx drops the Authorization header there).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from model_runtime.arguments import SourceArguments
from model_runtime.errors import (
    InvalidArgument,
    ModelRuntimeError,
    SourceNotFound,
    SourceUnauthorized,
    SourceUnreachable,
)
from model_runtime.fetch.enforcement import check_url
from model_runtime.fetch.source import Answer, Version, range_header, ranged
from model_runtime.fetch.trust import ssl_context

# Seconds. A host that says nothing for this long is taken for gone; the download then goes on from where it was.
_TIMEOUT = httpx.Timeout(30, connect=10)
# Content codings would change the bytes that are hashed and make ranges meaningless.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "nereid"}


def make_client(arguments: SourceArguments) -> httpx.Client:
    """Return the client; it finds its proxies in the environment.

    Raises:
        InvalidArgument: `--ca-bundle` holds no certificates.

    """
    return httpx.Client(
        verify=ssl_context(arguments.ca_bundle),
        timeout=_TIMEOUT,
        headers=_HEADERS,
        follow_redirects=True,
        event_hooks={"request": [lambda request: check_url(arguments.egress, str(request.url))]},
    )


def bearer(token: str | None) -> dict[str, str]:
    """Return the headers that carry the token, if there is one."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def status_error(url: str, status: int) -> ModelRuntimeError:
    """Return the reason for an HTTP status of 400 and above."""
    if status in {401, 403}:
        return SourceUnauthorized(f"{url}: answered {status}: credentials are missing or refused")
    if status in {404, 410}:
        return SourceNotFound(f"{url}: answered {status}: there is no such file")
    return SourceUnreachable(f"{url}: answered {status}")


@contextmanager
def reasons(url: str) -> Iterator[None]:
    """Turn httpx's exceptions into the runtime's.

    Raises:
        SourceUnreachable: no connection, cut off, or timed out.
        InvalidArgument: no URL, as `http://0177.0.0.1` is none.

    """
    try:
        yield
    except httpx.InvalidURL as error:
        raise InvalidArgument(f"{url}: {error}") from error
    except httpx.HTTPError as error:
        raise SourceUnreachable(f"{url}: {type(error).__name__}: {error}") from error


def fetch_small(client: httpx.Client, url: str, headers: dict[str, str], limit_bytes: int) -> bytes:
    """Return the whole body, of at most `limit_bytes`.

    Raises:
        ModelRuntimeError: as `status_error`; SourceNotFound for a body that cannot be what is expected there.

    """
    content = bytearray()
    with open_range(client, url, headers, 0) as answer:
        for chunk in answer.chunks:
            content.extend(chunk)
            if len(content) > limit_bytes:
                raise SourceNotFound(f"{url}: more than {limit_bytes} bytes: expected a small text file")
    return bytes(content)


def content_length(client: httpx.Client, url: str, headers: dict[str, str]) -> int:
    """Return the size of the file in bytes, by HEAD.

    Raises:
        SourceUnreachable: also when the server does not tell the size.

    """
    with reasons(url):
        response = client.head(url, headers=headers)
    if response.is_error:
        raise status_error(url, response.status_code)
    length = response.headers.get("Content-Length", "")
    if not length.isdecimal():
        raise SourceUnreachable(f"{url}: Content-Length {length!r}: expected the size of the file in bytes")
    return int(length)


@contextmanager
def open_range(
    client: httpx.Client, url: str, headers: dict[str, str], offset: int, length: int | None = None
) -> Iterator[Answer]:
    """Open the file's bytes as OpenFile says.

    Raises:
        ModelRuntimeError: as `status_error`; SourceUnreachable also while the chunks are read.
        RangesIgnored: as OpenFile says.

    """
    asked = headers | range_header(offset, length)
    with reasons(url), client.stream("GET", url, headers=asked) as response:
        if response.is_error:
            raise status_error(url, response.status_code)
        partial = response.status_code == httpx.codes.PARTIAL_CONTENT
        content_range = response.headers.get("content-range", "") if partial else None
        # As they come: gathering them into larger chunks would lose what came before a cut.
        chunks = ranged(url, response.iter_raw(), content_range, offset, length)
        yield Answer(chunks, Version.of(response.headers))
