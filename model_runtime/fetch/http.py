"""Plain HTTP for the sources that speak it: one client, ranges, and answers turned into the runtime's reasons.

Called by `https`, `huggingface` and `oci`; `s3` reads bodies the same way. Redirects are followed, each hop as far as
the egress policy allows its host; a credential is not sent on to another origin. Bodies are read straight from the
socket: a library that parses them copies each byte four times more, which takes longer than hashing it.
"""

import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from ssl import SSLContext
from urllib.parse import unquote, urljoin, urlsplit

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout, make_headers
from urllib3.connection import HTTPConnection, port_by_scheme
from urllib3.exceptions import HTTPError, LocationParseError, LocationValueError, ProtocolError, ReadTimeoutError
from urllib3.util import parse_url

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
from model_runtime.fetch.egress import Egress
from model_runtime.fetch.enforcement import check_url, proxy_of
from model_runtime.fetch.pace import Pace
from model_runtime.fetch.source import Answer, Chunks, Version, beginning, range_header, ranged
from model_runtime.fetch.trust import ssl_context

CONNECT_SECONDS = 10.0
# What one read of a body takes at most: it is written while it is still in the processor's own cache.
_READ_BYTES = 256 << 10
_MAX_REDIRECTS = 20
# To each host: as many as a download and a listing use.
_IDLE_CONNECTIONS = 8
# Of answers before the answer (100, 103).
_MAX_INTERIM = 20
# Content codings would change the bytes that are hashed and make ranges meaningless.
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "nereid"}


class _Response(http.client.HTTPResponse):
    """An answer of a server that may send what it likes: Python reads both of these for as long as they come."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MAX_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status >= HTTPStatus.OK:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException(f"more than {_MAX_INTERIM} interim answers")

    def _read_and_discard_trailer(self) -> None:
        http.client.parse_headers(self.fp)


HTTPConnection.response_class = _Response


@dataclass(frozen=True, slots=True)
class Client:
    """Asks web servers over connections that stay open, through the environment's proxies; threads share it.

    `connections` makes them, to a proxy or (None) to the servers themselves.
    """

    egress: Egress | None
    pace: Pace
    connections: Callable[[str | None], PoolManager]
    _pools: dict[str | None, PoolManager] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def ask(self, method: str, url: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
        """Return the answer with its body unread. A redirect is not followed.

        Raises:
            EgressRefused: the host, or the address it is at.
            HTTPError: there is no answer.

        """
        plain = _plain(url)
        check_url(self.egress, plain)
        return self._pool(proxy_of(plain)).request(
            method,
            plain,
            headers={**HEADERS, **headers},
            redirect=False,
            retries=False,
            # There is none, and the connection can go on.
            preload_content=method == "HEAD",
        )

    @contextmanager
    def follow(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[BaseHTTPResponse]:
        """Give the answer that redirects lead to; their own bodies are left unread.

        Raises:
            HTTPError, ModelRuntimeError: as `ask`; SourceUnreachable when they lead nowhere.

        """
        at = url
        for _ in range(_MAX_REDIRECTS + 1):
            response = self.ask(method, at, headers)
            try:
                location = response.get_redirect_location()
                if not location:
                    yield response
                    return
            finally:
                # A connection with an unread body is not used again.
                response.close()
                response.release_conn()
            came_from, at = at, _target(at, location)
            if _origin(at) != _origin(came_from):
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
        raise SourceUnreachable(f"{url}: more than {_MAX_REDIRECTS} redirects")

    def close(self) -> None:
        """Close the connections."""
        for pool in self._pools.values():
            pool.clear()

    def _pool(self, proxy: str | None) -> PoolManager:
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = self.connections(proxy)
            return self._pools[proxy]


@contextmanager
def make_client(arguments: SourceArguments) -> Iterator[Client]:
    """Give the client; it finds its proxies in the environment.

    Raises:
        InvalidArgument: `--ca-bundle` holds no certificates.

    """
    timeout = Timeout(connect=CONNECT_SECONDS, read=arguments.limits.silence_seconds)
    connections = partial(_connections, ssl_context(arguments.ca_bundle), timeout)
    client = Client(arguments.egress, Pace(arguments.limits), connections)
    try:
        yield client
    finally:
        client.close()


def _connections(context: SSLContext, timeout: Timeout, proxy: str | None) -> PoolManager:
    if proxy is None:
        return PoolManager(maxsize=_IDLE_CONNECTIONS, ssl_context=context, timeout=timeout)
    account = parse_url(proxy).auth
    return ProxyManager(
        proxy,
        maxsize=_IDLE_CONNECTIONS,
        ssl_context=context,
        timeout=timeout,
        proxy_ssl_context=context,
        proxy_headers=make_headers(proxy_basic_auth=unquote(account)) if account else None,
    )


def _target(url: str, location: str) -> str:
    """Return where a redirect leads. Headers come as Latin-1, and a name in them is UTF-8 today.

    Raises:
        SourceUnreachable: nowhere; the query is not told, which may be a signature.

    """
    try:
        target = _plain(urljoin(url, location.encode("latin-1").decode(errors="replace")))
        if parse_url(target).scheme in port_by_scheme:
            return target
    except ValueError:
        pass
    told = location.partition("?")[0][:80]
    raise SourceUnreachable(f"{url}: redirects to {told!r}: expected an http or https URL")


def _plain(url: str) -> str:
    r"""Return the URL as it is asked for, its host in ASCII.

    Raises:
        LocationParseError: no URL, or one of which Python, by which policies and Secrets judge, and urllib3, which
            connects, read another host, as of `https://one.host\@another.host`.

    """
    connected = parse_url(url)
    judged = urlsplit(connected.url).hostname
    if not judged or judged != (connected.host or "").strip("[]") or set("\\%") & set(urlsplit(url).netloc):
        raise LocationParseError(url)
    return connected.url


def _origin(url: str) -> tuple[str | None, str | None, int | None]:
    """Return whom a credential is for: scheme, host and port."""
    parts = parse_url(url)
    return parts.scheme, parts.host, parts.port or port_by_scheme.get(parts.scheme or "")


def bearer(token: str | None) -> dict[str, str]:
    """Return the headers that carry the token, if there is one."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def status_error(url: str, status: int, headers: Mapping[str, str]) -> ModelRuntimeError:
    """Return the reason for an HTTP status of 400 and above; the headers' names are in lower case, or of any."""
    if status in {401, 403}:
        return SourceUnauthorized(f"{url}: answered {status}: credentials are missing or refused")
    if status in {404, 410}:
        return SourceNotFound(f"{url}: answered {status}: there is no such file")
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
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
    """Turn urllib3's exceptions into the runtime's.

    Raises:
        SourceUnreachable: no connection; ConnectionCut in the middle of an answer, SourceTimeout for none.
        InvalidArgument: no URL.

    """
    try:
        yield
    except LocationValueError as error:
        raise InvalidArgument(f"{url}: {error}") from error
    except HTTPError as error:
        raise unreachable(url, error) from error


def unreachable(what: str, error: Exception) -> SourceUnreachable:
    """Return the reason for an exception of urllib3."""
    told = f"{what}: {type(error).__name__}: {error}"
    if isinstance(error, ReadTimeoutError):
        return SourceTimeout(told)
    if isinstance(error, ProtocolError):
        return ConnectionCut(told)
    return SourceUnreachable(told)


def body(response: BaseHTTPResponse) -> Chunks:
    """Give what comes as it comes: a read that waits for a whole chunk would lose what came before a cut."""
    while chunk := response.read1(_READ_BYTES, decode_content=False):
        yield chunk


def fetch_small(client: Client, url: str, headers: dict[str, str], limit_bytes: int) -> bytes:
    """Return the whole body, of at most `limit_bytes`.

    Raises:
        ModelRuntimeError: as `status_error`; SourceNotFound for a body that cannot be what is expected there.

    """
    with open_range(client, url, headers, 0) as answer:
        content = beginning(answer.chunks, limit_bytes + 1)
    if len(content) > limit_bytes:
        raise SourceNotFound(f"{url}: more than {limit_bytes} bytes: expected a small text file")
    return content


def content_length(client: Client, url: str, headers: dict[str, str]) -> int:
    """Return the size of the file in bytes, by HEAD.

    Raises:
        SourceUnreachable: also when the server does not tell the size.

    """
    with reasons(url), client.follow("HEAD", url, headers) as response:
        _check_status(url, response)
    length = response.headers.get("Content-Length", "")
    if not length.isdecimal():
        raise SourceUnreachable(f"{url}: Content-Length {length!r}: expected the size of the file in bytes")
    return int(length)


@contextmanager
def open_range(
    client: Client, url: str, headers: dict[str, str], offset: int, length: int | None = None
) -> Iterator[Answer]:
    """Open the file's bytes as OpenFile says.

    Raises:
        ModelRuntimeError: as `status_error`; SourceUnreachable also while the chunks are read.
        RangesIgnored: as OpenFile says.

    """
    asked = headers | range_header(offset, length)
    with reasons(url), client.follow("GET", url, asked) as response:
        _check_status(url, response)
        is_part = response.status == HTTPStatus.PARTIAL_CONTENT
        content_range = response.headers.get("content-range", "") if is_part else None
        chunks = client.pace.watched(url, body(response))
        yield Answer(ranged(url, chunks, content_range, offset, length), Version.of(response.headers))


def _check_status(url: str, response: BaseHTTPResponse) -> None:
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise status_error(url, response.status, response.headers)
