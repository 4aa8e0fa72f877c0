"""The HTTP client that the hub's library asks the hub's API through; files are read by `http`.

The library wants one of httpx. It is held to the same rules: each hop of a redirect as far as the egress policy allows
its host, the body of a redirect unread, silence and drips noticed, the same certificates. Called by `huggingface`.
"""

from collections.abc import Iterator

import httpx

from model_runtime.arguments import SourceArguments
from model_runtime.errors import ConnectionCut, SourceTimeout, SourceUnreachable
from model_runtime.fetch.enforcement import check_url
from model_runtime.fetch.http import CONNECT_SECONDS, HEADERS
from model_runtime.fetch.pace import Pace
from model_runtime.fetch.trust import ssl_context


def make_hub_client(arguments: SourceArguments) -> httpx.Client:
    """Return the client; it finds its proxies in the environment.

    Raises:
        InvalidArgument: `--ca-bundle` holds no certificates.

    """
    pace = Pace(arguments.limits)
    return httpx.Client(
        verify=ssl_context(arguments.ca_bundle),
        timeout=httpx.Timeout(arguments.limits.silence_seconds, connect=CONNECT_SECONDS),
        headers=HEADERS,
        follow_redirects=True,
        event_hooks={
            "request": [lambda request: check_url(arguments.egress, str(request.url))],
            "response": [lambda response: _watch(response, pace)],
        },
    )


def hub_unreachable(what: str, error: Exception) -> SourceUnreachable:
    """Return the reason for an exception of httpx, or of a socket."""
    told = f"{what}: {type(error).__name__}: {error}"
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
        return SourceTimeout(told)
    if isinstance(error, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError):
        return ConnectionCut(told)
    return SourceUnreachable(told)


def _watch(response: httpx.Response, pace: Pace) -> None:
    """Have the body's bytes counted as they come, whoever reads them; that of a redirect nobody needs."""
    if isinstance(response.stream, httpx.SyncByteStream) and response.has_redirect_location:
        response.stream = _Unread(response.stream)
    elif isinstance(response.stream, httpx.SyncByteStream):
        response.stream = _Watched(response.stream, pace, str(response.request.url.copy_with(query=None)))


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
