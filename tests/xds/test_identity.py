"""Who is answered: the gateway of this namespace over mutual TLS, nobody else; certificates change while it runs."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from envoy.config.core.v3.base_pb2 import Node
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from envoy.service.load_stats.v3.lrs_pb2 import LoadStatsRequest

from nereid_operator.render.envoy.resources import CLUSTER, ENDPOINTS
from nereid_operator.xds.certificates import AUTHORITY_LIFE, Certificates, Subjects, renewed
from nereid_operator.xds.identity import gateway_uri
from tests.xds.resources import gateway
from tests.xds.stand import (
    SERVER_NAME,
    SUBJECTS,
    ControlPlane,
    Forwarder,
    Gateway,
    Traffic,
    certificates,
    eventually,
    eventually_async,
    replica,
    running_envoy,
    server_tls,
)

STREAMS = {
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources": lambda node: DiscoveryRequest(
        node=node, type_url=CLUSTER
    ),
    "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats": lambda node: LoadStatsRequest(node=node),
    "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs": lambda node: StreamAccessLogsMessage(
        identifier=StreamAccessLogsMessage.Identifier(node=node)
    ),
}
# How often Envoy has taken other certificates for the control plane.
TAKEN = "cluster.xds.client_ssl_socket_factory.ssl_context_update_by_sds"
OURS = Node(id="nereid-system/gateway-0", cluster="nereid-gateway")


async def ask(plane: ControlPlane, made: Certificates, path: str, node: Node) -> grpc.StatusCode:
    """Return how a stream with one message ends."""
    assert made.client is not None
    credentials = grpc.ssl_channel_credentials(
        made.bundle.encode(), made.client.key.encode(), made.client.certificate.encode()
    )
    options = (("grpc.ssl_target_name_override", SERVER_NAME),)
    async with grpc.aio.secure_channel(f"127.0.0.1:{plane.port}", credentials, options) as channel:
        call = channel.stream_stream(path, request_serializer=lambda message: message.SerializeToString())()
        try:
            await call.write(STREAMS[path](node))
            await call.done_writing()
            async for _ in call:
                pass
        except grpc.aio.AioRpcError as error:
            return error.code()
        return await call.code()


@pytest.mark.parametrize("path", STREAMS)
async def test_only_the_gateway_of_this_namespace_is_answered(path):
    made = certificates()
    elsewhere = renewed(replace(made, client=None), Subjects(SERVER_NAME, gateway_uri("other")), datetime.now(UTC))
    operator = replace(made, client=made.server)
    async with ControlPlane(server_tls(made)) as plane:
        await plane.ads.publish({})
        assert await ask(plane, made, path, OURS) is grpc.StatusCode.OK
        denied = grpc.StatusCode.PERMISSION_DENIED
        assert await ask(plane, elsewhere, path, OURS) is denied
        assert await ask(plane, made, path, Node(id="other/gateway-0", cluster="nereid-gateway")) is denied
        assert await ask(plane, made, path, Node(id="nereid-system/", cluster="nereid-gateway")) is denied
        assert await ask(plane, made, path, Node(id="nereid-system/gateway-0", cluster="other")) is denied
        assert await ask(plane, made, path, Node()) is denied
        # The operator's own certificate is none for clients, which TLS finds out by its usage.
        assert await ask(plane, operator, path, OURS) is grpc.StatusCode.UNAVAILABLE
        assert await ask(plane, replace(certificates(), bundle=made.bundle), path, OURS) is grpc.StatusCode.UNAVAILABLE


async def test_an_envoy_without_tls_gets_nothing(tmp_path):
    async with ControlPlane(server_tls(certificates())) as plane:
        await plane.ads.publish({})
        with running_envoy(tmp_path, plane.port, None) as front:
            await has_failed(front)
            assert plane.ads.gateways == ()


async def test_an_envoy_takes_no_configuration_from_a_stranger(tmp_path):
    async with ControlPlane(server_tls(certificates())) as plane:
        await plane.ads.publish({})
        with running_envoy(tmp_path, plane.port, certificates()) as front:
            await has_failed(front)
            assert plane.ads.gateways == ()


async def has_failed(front: Gateway) -> None:
    """Return when an Envoy has tried to connect, and tried again."""
    await eventually_async("a second try", lambda: _tries(front))
    assert await front.stats("cluster_manager.cds.update_success") == {"cluster_manager.cds.update_success": 0}


async def _tries(front: Gateway) -> bool:
    try:
        return (await front.stats("cluster.xds.upstream_cx_total"))["cluster.xds.upstream_cx_total"] >= 2
    except OSError:
        return False


async def test_every_certificate_changes_while_requests_flow(tmp_path):
    """Leaves, then the authority: at each step old and new work with each other."""
    now = datetime.now(UTC)
    made = renewed(Certificates(), SUBJECTS, now - AUTHORITY_LIFE * 2 / 3 - timedelta(days=2))
    made = renewed(made, SUBJECTS, now - timedelta(days=10))
    next_authority = renewed(made, SUBJECTS, now - timedelta(days=2))
    assert next_authority.bundle.endswith(made.bundle)
    assert next_authority.bundle != made.bundle
    assert (next_authority.server, next_authority.client) == (made.server, made.client)
    all_new = renewed(replace(next_authority, server=None, client=None), SUBJECTS, now)
    async with replica() as one, ControlPlane(server_tls(made)) as plane, Forwarder(plane.port) as service:
        with running_envoy(tmp_path, service.port, made) as front:
            await plane.ads.publish(gateway(front.port, {"a": [one.port]}))
            await front.until_status("/a", 200)
            async with Traffic(front, "/a") as traffic:
                for of_server, of_client in (
                    (next_authority, made),
                    (next_authority, next_authority),
                    (all_new, next_authority),
                    (all_new, all_new),
                ):
                    plane.server.use(server_tls(of_server))
                    front.use(of_client)
                    await service.lead_to(plane.port)
                    await eventually("it is disconnected", lambda: not plane.ads.gateways)
                    await eventually("it is back", lambda: plane.ads.gateways, seconds=30)
                    async with asyncio.timeout(20):
                        await plane.ads.until_acknowledged(ENDPOINTS, "a")
                await traffic.more(20)
    assert traffic.failed == []


async def test_other_certificates_close_no_connection(tmp_path):
    made = certificates()
    other = renewed(replace(made, server=None, client=None), SUBJECTS, datetime.now(UTC))
    async with replica() as one, replica() as two, ControlPlane(server_tls(made)) as plane:
        with running_envoy(tmp_path, plane.port, made) as front:
            await plane.ads.publish(gateway(front.port, {"a": [one.port]}))
            await front.until_status("/a", 200)
            connections = await front.stats("cluster.xds.upstream_cx_total")
            taken = (await front.stats(TAKEN))[TAKEN]
            front.use(other)
            await front.until_stats(TAKEN, {TAKEN: taken + 1})
            plane.server.use(server_tls(other))
            await plane.ads.publish(gateway(front.port, {"a": [two.port]}))
            async with asyncio.timeout(20):
                await plane.ads.until_acknowledged(ENDPOINTS, "a")
            assert await front.stats("cluster.xds.upstream_cx_total") == connections


async def test_a_client_that_does_not_read_holds_nobody_up(tmp_path):
    made = certificates()
    assert made.client is not None
    credentials = grpc.ssl_channel_credentials(
        made.bundle.encode(), made.client.key.encode(), made.client.certificate.encode()
    )
    options = (("grpc.ssl_target_name_override", SERVER_NAME), ("grpc.http2.lookahead_bytes", 1024))
    path = next(iter(STREAMS))
    async with replica() as one, ControlPlane(server_tls(made)) as plane:
        models = {f"m{number}": [one.port] for number in range(2000)}
        async with grpc.aio.secure_channel(f"127.0.0.1:{plane.port}", credentials, options) as channel:
            call = channel.stream_stream(
                path,
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=DiscoveryResponse.FromString,
            )()
            await call.write(
                DiscoveryRequest(node=Node(id="nereid-system/stuck", cluster="nereid-gateway"), type_url=CLUSTER)
            )
            await eventually("it is connected", lambda: plane.ads.gateways == ("nereid-system/stuck",))
            with running_envoy(tmp_path, plane.port, made) as front:
                await plane.ads.publish(gateway(front.port, models))
                await front.until_status("/m1999", 200)
                for _ in range(3):
                    await plane.ads.publish(gateway(front.port, models))
                assert plane.ads.acknowledged(ENDPOINTS, "m1").value == "Pending"
            call.cancel()
