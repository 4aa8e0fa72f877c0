"""What the operator does for the gateways, in one piece: certificates, the leader's label, and terms of serving.

Started by __main__ where there is a gateway. A term begins when this process leads or, as far as it knows, nobody does,
so that gateways that restart meanwhile learn where the models are; it ends when another process leads, with every
connection, so that the gateways go to that one. No term begins before everything was listed.

    term:  feed ──keys──► Publisher ──snapshot──► AdsServer ◄─mTLS─ gateways
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from nereid_operator.api.resources import Key
from nereid_operator.cache import Cache
from nereid_operator.certificate_keeper import CertificateKeeper
from nereid_operator.clients.kube import KubeClient
from nereid_operator.leader_label import LeaderLabel
from nereid_operator.listener_certificate import ListenerCertificate
from nereid_operator.publisher import Publisher
from nereid_operator.routing_table import RoutingTable
from nereid_operator.settings import GatewaySettings
from nereid_operator.xds.access_log import AccessLog
from nereid_operator.xds.ads import AdsServer
from nereid_operator.xds.load_reports import LoadReports
from nereid_operator.xds.observations import Observations
from nereid_operator.xds.server import TlsFiles, XdsServer

# How soon a change of leaders is noticed.
PERIOD_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether this process leads, and whether it may serve the gateways: when it leads, or nobody else does."""

    is_leading: Callable[[], bool]
    may_serve: Callable[[], bool]


@dataclass(slots=True)
class ControlPlane:
    """The parts; `certificate` is None where the gateway listens without TLS, `loads` is what the gateways count."""

    publisher: Publisher
    keeper: CertificateKeeper
    label: LeaderLabel
    certificate: ListenerCertificate | None
    standing: Standing
    namespace: str
    address: str
    loads: Observations = field(default_factory=Observations)
    _tls: TlsFiles | None = None
    _server: XdsServer | None = None

    async def run(self, synced: asyncio.Event) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.keeper.run(self._use), name="certificates")
            tasks.create_task(self.label.run(), name="leader's label")
            if self.certificate is not None:
                tasks.create_task(self.certificate.run(), name="listener's certificate")
            await synced.wait()
            while True:
                if self._tls is not None and self.standing.may_serve():
                    await self._term(self._tls)
                await asyncio.sleep(PERIOD_SECONDS)

    def _use(self, tls: TlsFiles) -> None:
        """Take other certificates for the connections that begin from now on."""
        self._tls = tls
        if self._server is not None:
            self._server.use(tls)

    async def _term(self, tls: TlsFiles) -> None:
        """Serve until another process leads."""
        ads = AdsServer(self.publisher.refused)
        loads, log = LoadReports(self.loads), AccessLog(self.loads)
        server = XdsServer(self.address, tls, self.namespace, ads=ads, loads=loads, log=log)
        await server.start()
        self._server = server
        publishing = asyncio.create_task(self.publisher.run(ads), name="publisher")
        try:
            while self.standing.may_serve() and not publishing.done():
                await asyncio.wait([publishing], timeout=PERIOD_SECONDS)
        finally:
            self._server = None
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            await server.stop()
        if not publishing.cancelled():
            publishing.result()


def make_control_plane(
    settings: GatewaySettings,
    cache: Cache,
    *,
    namespace: str,
    pod: str,
    kube: KubeClient,
    writes: KubeClient,
    standing: Standing,
    ask: Callable[[Key], None],
    clock: Callable[[], float],
    now: Callable[[], datetime],
) -> ControlPlane:
    """Return the parts, put together. `writes` is guarded by the election, `kube` is not; `ask` asks for a pass."""
    table, url = RoutingTable(cache, settings.port), settings.url(namespace)
    publisher = Publisher(table, url, wants_certificate=bool(settings.tls_secret), ask=ask)
    certificate = None
    if settings.tls_secret:
        certificate = ListenerCertificate(
            kube,
            writes,
            namespace,
            settings.tls_secret,
            host=settings.host(namespace) if settings.tls_self_signed else None,
            is_leading=standing.is_leading,
            now=now,
            use=publisher.use,
        )
    return ControlPlane(
        publisher=publisher,
        keeper=CertificateKeeper(kube, writes, namespace, settings.name, is_leading=standing.is_leading, now=now),
        label=LeaderLabel(kube, writes, namespace, pod, is_leading=standing.is_leading, clock=clock),
        certificate=certificate,
        standing=standing,
        namespace=namespace,
        address=f"0.0.0.0:{settings.xds_port}",
    )
