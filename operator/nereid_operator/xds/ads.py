"""ADS: the snapshot that was published last → every gateway that is connected; refusals and acknowledgements back.

`publish` is called by the leader (or by a follower while there is no leader) with rendered resources. Before the first
call streams wait: a gateway never gets an empty configuration from an operator that has seen nothing yet. Each stream
is a session (session.py) with a reader and a writer; none waits for another. One object serves one term: an operator
that stops serving and starts again makes a new one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from envoy.config.core.v3.base_pb2 import Node
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from grpc.aio import ServicerContext

from nereid_operator.render.envoy.resources import ROUTES, Resources
from nereid_operator.xds.encoding import NOTHING, Snapshot, encode
from nereid_operator.xds.quarantine import Quarantine
from nereid_operator.xds.session import Refusal, Request, Response, Session

_log = logging.getLogger(__name__)

# Called with what was refused; it must not block.
OnRefusal = Callable[[Refusal], None]
# Returns the id of the client's node, or ends the stream of one that is not the gateway.
Admit = Callable[[ServicerContext, Node], Awaitable[str]]

_REMEMBERED = 8  # gateways that are not connected, of which refusals are remembered


class Acknowledgement(StrEnum):
    """Whether every connected gateway has a resource's published version; without a gateway nobody can tell."""

    ACKNOWLEDGED = "Acknowledged"
    PENDING = "Pending"
    NO_GATEWAY = "NoGateway"


@dataclass(eq=False, slots=True)
class _Link:
    """One stream: the gateway's node id, its session, what wakes its writer, and whether the gateway has ended it."""

    gateway: str
    session: Session
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False


class AdsServer:
    """What all gateways shall have, and what they have."""

    def __init__(self, on_refusal: OnRefusal) -> None:
        self._on_refusal = on_refusal
        self._snapshot = NOTHING
        self._published = False
        self._publishing = asyncio.Lock()
        self._links: dict[str, _Link] = {}
        self._quarantines: dict[str, Quarantine] = {}
        self._news = asyncio.Event()

    async def publish(self, resources: Resources) -> None:
        """Make this what every gateway gets; what cannot be encoded is reported and stays as it was."""
        async with self._publishing:
            self._snapshot = await asyncio.to_thread(encode, resources, self._snapshot)
        for (type_url, name), message in self._snapshot.failures.items():
            self._on_refusal(Refusal(type_url, (name,), message))
        self._forget()
        self._published = True
        for link in self._links.values():
            link.wake.set()
        self._tell()

    def acknowledged(self, type_url: str, name: str) -> Acknowledgement:
        """Tell whether every connected gateway has acknowledged the published version of a resource."""
        if not self._links:
            return Acknowledgement.NO_GATEWAY
        wanted = self._snapshot.content(type_url).get(name)
        if wanted is None or (type_url, name) in self._snapshot.failures:
            return Acknowledgement.PENDING
        has_all = all(link.session.accepted(type_url).get(name) == wanted.version for link in self._links.values())
        return Acknowledgement.ACKNOWLEDGED if has_all else Acknowledgement.PENDING

    def behind(self, resources: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """Return the connected gateways that have not acknowledged each (type URL, name) as it was published last."""
        wanted = [(type_url, name, self._snapshot.content(type_url).get(name)) for type_url, name in resources]

        def has_all(session: Session) -> bool:
            return all(
                one is not None and session.accepted(type_url).get(name) == one.version
                for type_url, name, one in wanted
            )

        return tuple(sorted(gateway for gateway, link in self._links.items() if not has_all(link.session)))

    async def until_acknowledged(self, type_url: str, name: str) -> None:
        """Return when every connected gateway, at least one, has acknowledged the published version of a resource."""
        while self.acknowledged(type_url, name) is not Acknowledgement.ACKNOWLEDGED:
            await self.news()

    async def news(self) -> None:
        """Return after the next acknowledgement, refusal, publication, or gateway that comes or goes."""
        await self._news.wait()

    @property
    def gateways(self) -> tuple[str, ...]:
        """The node ids of the gateways that are connected."""
        return tuple(sorted(self._links))

    @property
    def snapshot(self) -> Snapshot:
        """What was published last."""
        return self._snapshot

    async def stream(
        self,
        requests: AsyncIterator[DiscoveryRequest],
        context: ServicerContext,
        admit: Admit,
        *,
        before_routes: Callable[[str], None],
    ) -> None:
        """Serve one stream until the gateway ends it; `before_routes` is told of a gateway that gets other routes."""
        first = await anext(requests, None)
        if first is None:
            return
        gateway = await admit(context, first.node)
        link = _Link(gateway, Session(self._quarantines.setdefault(gateway, Quarantine())))
        self._links[gateway] = link  # an older stream of it hangs, and ends when its connection does
        self._forget()
        self._tell()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write(link, context, before_routes))
                self._receive(link, first)
                async for request in requests:
                    self._receive(link, request)
                link.ended = True  # gRPC cannot end a call whose write was cancelled
                link.wake.set()
        finally:
            if self._links.get(gateway) is link:
                del self._links[gateway]
            self._tell()

    def _receive(self, link: _Link, message: DiscoveryRequest) -> None:
        for refusal in link.session.receive(_request(message)):
            _log.warning(
                "Gateway %s refuses %s %s: %s",
                link.gateway,
                refusal.type_url.rpartition(".")[2],
                ", ".join(refusal.names) or "as a whole",
                refusal.message,
            )
            self._on_refusal(refusal)
        link.wake.set()
        self._tell()

    async def _write(self, link: _Link, context: ServicerContext, before_routes: Callable[[str], None]) -> None:
        while not link.ended:
            link.wake.clear()
            while self._published and (response := link.session.next_response(self._snapshot)) is not None:
                if response.type_url == ROUTES:
                    before_routes(link.gateway)
                    await asyncio.sleep(0)  # whoever it wakes writes first
                await context.write(_message(response))
            await link.wake.wait()

    def _forget(self) -> None:
        """Drop what nobody will ask for: gateways that are gone, resources that are not published any more."""
        gone = [gateway for gateway in self._quarantines if gateway not in self._links]
        for gateway in gone[:-_REMEMBERED]:
            del self._quarantines[gateway]
        for quarantine in self._quarantines.values():
            for type_url, content in self._snapshot.contents.items():
                quarantine.forget_others(type_url, content)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _request(message: DiscoveryRequest) -> Request:
    """Return what a DiscoveryRequest says."""
    return Request(
        type_url=message.type_url,
        names=frozenset(message.resource_names),
        version=message.version_info,
        nonce=message.response_nonce,
        error=message.error_detail.message if message.HasField("error_detail") else None,
    )


def _message(response: Response) -> DiscoveryResponse:
    """Return a response as a DiscoveryResponse."""
    return DiscoveryResponse(
        type_url=response.type_url,
        version_info=response.version,
        nonce=response.nonce,
        resources=[resource.packed for resource in response.resources],
    )
