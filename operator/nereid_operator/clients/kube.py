"""The client of the API server: sends the requests of clients/requests.py, raises the tree of errors.py.

aiohttp and orjson, no generated types: an apply costs 0.4 ms of CPU. Tests hand in a function as transport.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import orjson
from aiohttp.abc import AbstractStreamWriter

from nereid_operator.api.resources import EVENT, SECRET, Body, Listing, Resource
from nereid_operator.clients import requests
from nereid_operator.clients.connection import Connection, ssl_context
from nereid_operator.clients.requests import Request, Response
from nereid_operator.errors import ApiError, NotFoundError, NotLeadingError, UnreachableError, api_error

Transport = Callable[[Request], Awaitable[Response]]
Guard = Callable[[], None]
Observe = Callable[[Request, int, float], None]

CONNECT_SECONDS = 5
REQUEST_SECONDS = 30


class KubeClient:
    """What the operator says to the API server. Every method raises ApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """Return an object; None when it is not there."""
        try:
            return await self._send(requests.get(resource, namespace, name))
        except NotFoundError:
            return None

    async def secret_type(self, namespace: str, name: str) -> str | None:
        """Return the type of a Secret, of which nothing else is sent; None when it is not there."""
        try:
            table = await self._send(requests.get_row(SECRET, namespace, name))
        except NotFoundError:
            return None
        found = requests.cell(table, "Type")
        if found is None:
            raise ApiError(200, f"Secret {namespace}/{name} was asked for as a Table, and came without the column Type")
        return found

    async def pages(
        self, resource: Resource, *, namespace: str | None = None, selector: str = "", fields: str = ""
    ) -> AsyncIterator[Listing]:
        """Yield everything of a kind in chunks, all of one version; no namespace means all of them."""
        token = ""
        while True:
            page = await self._send(
                requests.list_page(
                    resource, namespace=namespace, selector=selector, fields=fields, continue_token=token
                )
            )
            # The items of a list come without their type.
            kind = {"apiVersion": resource.api_version, "kind": resource.kind}
            yield Listing(
                tuple({**kind, **item} for item in page["items"]), page["metadata"].get("resourceVersion", "")
            )
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def list(
        self, resource: Resource, *, namespace: str | None = None, selector: str = "", fields: str = ""
    ) -> Listing:
        """Return everything of a kind at once."""
        pages = [page async for page in self.pages(resource, namespace=namespace, selector=selector, fields=fields)]
        return Listing(tuple(item for page in pages for item in page.items), pages[-1].resource_version)

    async def create(self, resource: Resource, manifest: Body, *, manager: str) -> Body:
        """Create an object; ConflictError when it exists."""
        return await self._send(requests.create(resource, manifest, manager))

    async def update(self, resource: Resource, manifest: Body, *, manager: str) -> Body:
        """Replace an object that was read; ConflictError when it has changed since."""
        return await self._send(requests.update(resource, manifest, manager))

    async def apply(self, resource: Resource, manifest: Body, *, manager: str) -> Body:
        """Apply an object and return it as it is now."""
        return await self._send(requests.apply(resource, manifest, manager))

    async def apply_new(self, resource: Resource, manifest: Body, *, manager: str) -> Body:
        """Apply an object that must not be there; ConflictError when it is."""
        return await self._send(requests.apply_new(resource, manifest, manager))

    async def apply_status(self, resource: Resource, read: Body, status: Body) -> Body:
        """Write the status of the object that was read and return it; ConflictError when it changed since."""
        return await self._send(requests.apply_status(resource, read, status))

    async def scale(self, namespace: str, name: str, replicas: int) -> None:
        """Set the number of pods of a Deployment."""
        await self._send(requests.scale(namespace, name, replicas))

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> None:
        """Delete this very object; one that is gone already counts as deleted."""
        try:
            await self._send(requests.delete(resource, namespace, name, uid=uid))
        except NotFoundError:
            return

    async def create_event(self, manifest: Body) -> None:
        """Record an Event."""
        await self._send(requests.create(EVENT, manifest, "nereid"))

    async def _send(self, request: Request) -> dict[str, Any]:
        response = await self._transport(request)
        if response.status >= 400:
            raise api_error(
                response.status,
                f"{request.method} {request.path}: {response.body.get('message', 'no message')}",
                response.retry_after_seconds,
            )
        return response.body


class GuardedPayload(aiohttp.BytesPayload):
    """A body that asks `guard` at the last moment: aiohttp hands headers and body to the socket right after.

    What `guard` raises ends the request with nothing sent. Waiting for a connection or a TLS handshake takes seconds
    at worst, so that asking before the request is made would not be enough.
    """

    def __init__(self, content: bytes, guard: Guard) -> None:
        super().__init__(content)
        self._guard = guard

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write the body, unless the guard objects."""
        self._guard()
        await super().write_with_length(writer, content_length)


def _unobserved(_request: Request, _status: int, _seconds: float) -> None:
    return


class AiohttpTransport:
    """Sends requests over one connection pool; to be closed.

    `observe` is told of each request, its status (0 when no answer came) and the seconds that it took.
    """

    def __init__(self, connection: Connection, observe: Observe = _unobserved) -> None:
        self._connection = connection
        self._observe = observe
        secure = connection.server.startswith("https")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=ssl_context(connection) if secure else False, limit=64),
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS),
        )

    async def __call__(self, request: Request) -> Response:
        """Send one request; UnreachableError when there is no answer."""
        return await self.send(request, None if request.body is None else orjson.dumps(request.body))

    async def send(self, request: Request, content: bytes | GuardedPayload | None) -> Response:
        """Send one request with this body."""
        began, status = time.monotonic(), 0
        try:
            async with self._session.request(
                request.method,
                self._connection.server + request.path,
                params=request.query,
                data=content,
                headers=self._headers(request),
            ) as answer:
                content, status = await answer.read(), answer.status
                return _response(status, content, answer.headers.get("Retry-After", ""))
        except (TimeoutError, aiohttp.ClientError) as error:
            if isinstance(error.__cause__, NotLeadingError):
                raise error.__cause__ from None
            raise UnreachableError(0, f"{request.method} {request.path}: {error or type(error).__name__}") from error
        finally:
            self._observe(request, status, time.monotonic() - began)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def _headers(self, request: Request) -> dict[str, str]:
        token = self._connection.token()
        return {
            "Accept": request.accept,
            **({"Content-Type": request.content_type} if request.body is not None else {}),
            **({"Authorization": f"Bearer {token}"} if token else {}),
        }


class GuardedTransport:
    """Sends a write only when `guard` raises nothing right before its bytes leave; reads go out in any case.

    A write whose caller is cancelled goes on to its end, so that `settled` can tell when the last one was answered.
    """

    def __init__(self, transport: AiohttpTransport, guard: Guard) -> None:
        self._transport = transport
        self._guard = guard
        self._under_way: set[asyncio.Task[Response]] = set()

    async def __call__(self, request: Request) -> Response:
        """Send one request."""
        if request.method == "GET":
            return await self._transport(request)
        self._guard()
        payload = GuardedPayload(orjson.dumps(request.body or {}), self._guard)
        task = asyncio.create_task(self._transport.send(request, payload))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def settled(self, *, within_seconds: float) -> None:
        """Wait until every write was answered or held back, but not for ever."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within_seconds)

    def _ended(self, task: asyncio.Task[Response]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # Its caller may be gone; asyncio would complain at length of a failure that nobody has looked at.
            task.exception()


def _response(status: int, content: bytes, retry_after: str) -> Response:
    """Parse an answer; one that is no JSON (a proxy's page) becomes the message of the error."""
    wait_seconds = float(retry_after) if retry_after.isdecimal() else 0.0
    try:
        return Response(status, orjson.loads(content) if content else {}, wait_seconds)
    except orjson.JSONDecodeError:
        return Response(status if status >= 400 else 502, {"message": content[:200].decode(errors="replace")})
