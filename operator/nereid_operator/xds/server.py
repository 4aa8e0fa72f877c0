"""The port that the gateways connect to: ADS, load reports and access log over gRPC with mutual TLS.

Started by who leads (or by a follower while nobody does) and stopped when that ends: the gateways' connections end with
it, so that they find the new leader. Certificates are changed while it runs; connections keep the ones they began with.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from operator import methodcaller

import grpc
from envoy.config.core.v3.base_pb2 import Node
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest
from envoy.service.load_stats.v3.lrs_pb2 import LoadStatsRequest
from google.protobuf.message import Message
from grpc.aio import ServicerContext

from nereid_operator.xds.access_log import AccessLog
from nereid_operator.xds.ads import Admit, AdsServer
from nereid_operator.xds.identity import Peer, refusal
from nereid_operator.xds.load_reports import LoadReports

_log = logging.getLogger(__name__)

# A service's stream: the client's messages, the call, and what tells the gateway from others.
Stream = Callable[[AsyncIterator[Message], ServicerContext, Admit], Awaitable[None]]

_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second server on the port shall fail, not share it
    # A gateway that hangs is given up after 15 s, so that nothing waits for its acknowledgement.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    # A load report has some 100 bytes for each endpoint and metric.
    ("grpc.max_receive_message_length", 32 * 2**20),
)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM texts: the server's chain and key, and the bundle of authorities that clients may have theirs from."""

    chain: bytes
    key: bytes
    authorities: bytes


class XdsServer:
    """One term of serving: made, started, stopped."""

    def __init__(
        self, address: str, tls: TlsFiles, namespace: str, *, ads: AdsServer, loads: LoadReports, log: AccessLog
    ) -> None:
        self._tls = tls
        self._namespace = namespace
        self._ads = ads
        self._loads = loads
        self._access_log = log
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers(self._handlers())
        credentials = grpc.dynamic_ssl_server_credentials(self._configuration(), self._configuration, True)  # noqa: FBT003 - has no name
        self.port: int = self._server.add_secure_port(address, credentials)

    async def start(self) -> None:
        """Listen."""
        await self._server.start()

    async def stop(self) -> None:
        """End every stream and connection at once; gateways keep what they have and ask again."""
        await self._server.stop(grace=None)

    def use(self, tls: TlsFiles) -> None:
        """Take other certificates for the connections that begin from now on."""
        self._tls = tls

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        """Return the certificates as gRPC wants them; asked by one of its threads at each handshake."""
        tls = self._tls
        return grpc.ssl_server_certificate_configuration([(tls.key, tls.chain)], root_certificates=tls.authorities)

    def _handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        return (
            self._handler(
                "envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
                DiscoveryRequest,
                partial(self._ads.stream, before_routes=self._loads.ask_again),
            ),
            self._handler(
                "envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats",
                LoadStatsRequest,
                self._loads.stream,
            ),
            self._handler(
                "envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs",
                StreamAccessLogsMessage,
                self._access_log.stream,
            ),
        )

    def _handler(self, path: str, request: type[Message], stream: Stream) -> grpc.GenericRpcHandler:
        async def behaviour(requests: AsyncIterator[Message], context: ServicerContext) -> None:
            await stream(requests, context, self._admit)

        service, _, method = path.partition("/")
        handler = grpc.stream_stream_rpc_method_handler(
            behaviour, request_deserializer=request.FromString, response_serializer=methodcaller("SerializeToString")
        )
        return grpc.method_handlers_generic_handler(service, {method: handler})

    async def _admit(self, context: ServicerContext, node: Node) -> str:
        """Return the id of the gateway's node; the stream of anybody else ends with PERMISSION_DENIED."""
        certificate = context.auth_context().get("x509_pem_cert", [b""])[0]
        why = refusal(Peer(certificate, node.cluster, node.id), self._namespace)
        if why is not None:
            _log.warning("Refused %s, which asked for the gateway's configuration: %s", context.peer(), why)
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, why)
        return str(node.id)
