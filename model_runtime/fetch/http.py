"""Plain HTTP for the sources that speak it: one client, ranges, and answers turned into the runtime's reasons.

Called by `https` and `huggingface`. Redirects are followed, each hop as far as the egress policy allows its host; a
credential is not sent on to another origin (httpx drops the Authorization header there).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

import httpcore
import httpx

from model_runtime.arguments import SourceArguments
from model_runtime.errors import (
    ConnectionCut,
    InvalidArgument,
    ModelRuntimeError,
    SourceNotFound,
    SourceTimeout,
    SourceTruncated,
    SourceUnauthorized,
    SourceUnreachable,
)
from model_runtime.fetch.enforcement import check_url
from model_runtime.fetch.pace import Pace
from model_runtime.fetch.source import Answer, Version, beginning, range_header, ranged
from model_runtime.fetch.trust import ssl_context

CONNECT_SECONDS = 10.0
# The library reads 64 KiB at a time; a quarter as many rounds through its layers save a third of what they cost.
httpcore.HTTP11Connection.READ_NUM_BYTES = 256 << 10
# Content codings would change the bytes that are hashed and make ranges meaningless.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "nereid"}


def make_client(arguments: SourceArguments) -> httpx.Client:
    """Return the client; it finds its proxies in the environment.

    Raises:
        InvalidArgument: `--ca-bundle` holds no certificates.

    """
    pace = Pace(arguments.limits)
    return httpx.Client(
        verify=ssl_context(arguments.ca_bundle),
        timeout=httpx.Timeout(arguments.limits.silence_seconds, connect=CONNECT_SECONDS),
        headers=_HEADERS,
        follow_redirects=True,
        event_hooks={
            "request": [lambda request: check_url(arguments.egress, str(request.url))],
            "response": [lambda response: _watch(response, pace)],
        },
    )


def _watch(response: httpx.Response, pace: Pace) -> None:
    """Have the body's bytes counted as they come, whoever reads them; that of a redirect nobody needs."""
    if isinstance(response.stream, httpx.SyncByteStream) and response.has_redirect_location:
        response.stream = _Unread(response.stream)
    elif isinstance(response.stream, httpx.SyncByteStream):
        # A storage's address that was redirected to carries a signature in its query.
        what = str(response.request.url.copy_with(query=None))
        response.stream = _Watched(response.stream, pace, what)


class _Unread(httpx.SyncByteStream):
    """The body of a redirect: the library would read it whole, and unpack it, however long it is."""

    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        self._stream.close()


class _Watched(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, pace: Pace, what: str) -> None:
        self._stream, self._pace, self._what = stream, pace, what

    def __iter__(self) -> Iterator[bytes]:
        return self._pace.watched(self._what, iter(self._stream))

    def close(self) -> None:
        self._stream.close()


def bearer(token: str | None) -> dict[str, str]:
    """Return the headers that carry the token, if there is one."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def status_error(url: str, status: int, headers: Mapping[str, str]) -> ModelRuntimeError:
    """Return the reason for an HTTP status of 400 and above; the headers' names are in lower case, or of any."""
    if status in {401, 403}:
        return SourceUnauthorized(f"{url}: answered {status}: credentials are missing or refused")
    if status in {404, 410}:
        return SourceNotFound(f"{url}: answered {status}: there is no such file")
    if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        return SourceTruncated(f"{url}: answered {status}: the file ends before the bytes that are still missing")
    return SourceUnreachable(f"{url}: answered {status}", retry_after_seconds(headers))


def retry_after_seconds(headers: Mapping[str, str]) -> float:
    """Return what the header Retry-After asks for (RFC 9110, 10.2.3), a date by the server's own clock; else 0."""
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        when, now = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (when - now).total_seconds())
    except (ValueError, TypeError):
        return 0.0


@contextmanager
def reasons(url: str) -> Iterator[None]:
    """Turn httpx's exceptions into the runtime's.

    Raises:
        SourceUnreachable: no connection; ConnectionCut in the middle of an answer, SourceTimeout for none.
        InvalidArgument: no URL, as `http://0177.0.0.1` is none.

    """
    try:
        yield
    except httpx.InvalidURL as error:
        raise InvalidArgument(f"{url}: {error}") from error
    except httpx.HTTPError as error:
        raise unreachable(url, error) from error


def unreachable(what: str, error: Exception) -> SourceUnreachable:
    """Return the reason for an exception of httpx, or of a socket."""
    told = f"{what}: {type(error).__name__}: {error}"
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
        return SourceTimeout(told)
    if isinstance(error, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError):
        return ConnectionCut(told)
    return SourceUnreachable(told)


def fetch_small(client: httpx.Client, url: str, headers: dict[str, str], limit_bytes: int) -> bytes:
    """Return the whole body, of at most `limit_bytes`.

    Raises:
        ModelRuntimeError: as `status_error`; SourceNotFound for a body that cannot be what is expected there.

    """
    with open_range(client, url, headers, 0) as answer:
        content = beginning(answer.chunks, limit_bytes + 1)
    if len(content) > limit_bytes:
        raise SourceNotFound(f"{url}: more than {limit_bytes} bytes: expected a small text file")
    return content


def content_length(client: httpx.Client, url: str, headers: dict[str, str]) -> int:
    """Return the size of the file in bytes, by HEAD.

    Raises:
        SourceUnreachable: also when the server does not tell the size.

    """
    with reasons(url):
        response = client.head(url, headers=headers)
    if response.is_error:
        raise status_error(url, response.status_code, response.headers)
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
            raise status_error(url, response.status_code, response.headers)
        partial = response.status_code == httpx.codes.PARTIAL_CONTENT
        content_range = response.headers.get("content-range", "") if partial else None
        # As they come: gathering them into larger chunks would lose what came before a cut.
        chunks = ranged(url, response.iter_raw(), content_range, offset, length)
        yield Answer(chunks, Version.of(response.headers))
