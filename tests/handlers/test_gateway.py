"""An operator with a gateway: a real Envoy, configured over mutual TLS by the operator, and what status says."""

import asyncio
import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from nereid_operator.settings import GatewaySettings
from nereid_operator.xds.certificates import Certificates, Pair
from tests.handlers import cluster
from tests.handlers.conftest import DEADLINE_SECONDS, until
from tests.handlers.fake_api_server import SYSTEM, FakeApiServer
from tests.handlers.test_life_of_a_model import Start
from tests.stack.ports import free_ports
from tests.xds.stand import Gateway, running_envoy

POLICIES = "nereid.dev/v1alpha1/servingpolicies"
URL = f"http://nereid-gateway.{SYSTEM}.svc"


@pytest.fixture
def settings() -> GatewaySettings:
    port, xds_port = free_ports(2)
    return GatewaySettings("nereid", port=port, xds_port=xds_port)


@pytest.fixture(autouse=True)
def pod(api: FakeApiServer) -> None:
    """The operator's own pod."""
    api.put("v1/pods", {"metadata": {"name": "nereid-operator"}}, namespace=SYSTEM)


def _secret(api: FakeApiServer, name: str) -> dict[str, str]:
    body: dict[str, Any] = api.get("v1/secrets", name, SYSTEM) or {"data": {}}
    return {key: base64.b64decode(value).decode() for key, value in body["data"].items()}


async def _until_certified(api: FakeApiServer) -> Certificates:
    """Return what a gateway's pod has mounted, once the operator has made it."""
    await until(lambda: _secret(api, "nereid-xds-client"), "the gateway's certificate")
    found = _secret(api, "nereid-xds-client")
    return Certificates(bundle=found["ca.crt"], client=Pair(found["tls.crt"], found["tls.key"]))


@contextmanager
def _gateway(folder: Path, settings: GatewaySettings, made: Certificates, name: str = "a") -> Iterator[Gateway]:
    with running_envoy(
        folder / name, settings.xds_port, made, node=f"{SYSTEM}/gateway-{name}", port=settings.port
    ) as one:
        yield one


async def _get(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.json()


async def _names(settings: GatewaySettings) -> list[str]:
    """Return what the gateway lists; nothing while it does not answer."""
    try:
        status, body = await _get(f"http://127.0.0.1:{settings.port}/v1/models")
        return [one["id"] for one in body["data"]] if status == 200 else []
    except aiohttp.ClientError:
        return []


async def _lists(settings: GatewaySettings, *names: str) -> None:
    found: list[str] | None = None
    async with asyncio.timeout(DEADLINE_SECONDS):
        while found != sorted(names):
            await asyncio.sleep(0.02)
            found = sorted(await _names(settings))


async def _until_health(front: Gateway, wanted: dict[str, str]) -> None:
    """Wait until Envoy thinks this of the one endpoint of each cluster."""
    found: dict[str, str] = {}
    async with asyncio.timeout(DEADLINE_SECONDS):
        while found != wanted:
            clusters = json.loads(await front.ask("/clusters?format=json"))["cluster_statuses"]
            hosts = {one["name"]: one["host_statuses"] for one in clusters if one["name"] in wanted}
            found = {name: host["health_status"]["eds_health_status"] for name, (host,) in hosts.items()}
            await asyncio.sleep(0.02)


def _is(api: FakeApiServer, kind: str, reason: str) -> bool:
    return bool(cluster.condition(api, kind)["reason"] == reason)


async def _almost_ready(api: FakeApiServer, name: str = "minilm") -> str:
    """Play everybody but the gateway."""
    others = set(api.all(cluster.DEPLOYMENTS))
    cluster.apply_model(api, f"s3://models/{name}", name=name)
    await cluster.finish_resolve_job(api, digest="a", name=name)
    await until(lambda: set(api.all(cluster.DEPLOYMENTS)) - others, "a Deployment")
    (deployment,) = set(api.all(cluster.DEPLOYMENTS)) - others
    cluster.make_ready(api, deployment)
    _move(api, deployment, "127.0.0.1")
    return deployment


def _move(api: FakeApiServer, deployment: str, address: str) -> None:
    api.edit(cluster.PODS, f"{deployment}-0", {"status": {"podIP": address}})


async def test_a_model_is_ready_once_the_gateway_has_it(
    api: FakeApiServer, start: Start, settings: GatewaySettings, tmp_path: Path
):
    async with start(gateway=settings) as operator:
        made = await _until_certified(api)
        deployment = await _almost_ready(api)
        await until(lambda: _is(api, "Ready", "NotRoutable"), "nobody to be told")
        assert cluster.condition(api, "Available")["status"] == "True"
        with _gateway(tmp_path, settings, made) as front:
            await until(lambda: _is(api, "Ready", "Ready"), "Ready")
            status = cluster.model(api)["status"]
            assert (status["url"], status["names"]) == (URL, ["default.minilm"])
            assert _is(api, "Degraded", "AsSpecified")
            await _lists(settings, "default.minilm")

            live = f"http://127.0.0.1:{operator.settings.live_port}/v1/gateway/default"
            status, told = await _get(f"{live}/minilm")
            assert (status, told["names"]) == (200, ["default.minilm"])
            assert told["gateways"] == [{"name": f"{SYSTEM}/gateway-a", "current": True}]
            (revision,) = told["traffic"]["revisions"]
            assert (revision["name"], revision["endpoints"][0]["health"]) == (deployment, "Healthy")
            assert (await _get(f"{live}/none"))[0] == 404

            clusters = await front.stats("cluster_manager.cluster_added")
            api.edit(cluster.MODELS, "minilm", {"spec": {"traffic": {"loadBalancing": "RoundRobin"}}})
            await until(lambda: _is(api, "Ready", "Ready"), "Ready for the edit too")
            assert list(api.all(cluster.DEPLOYMENTS)) == [deployment]
            assert await front.stats("cluster_manager.cluster_added") == clusters

            # One that is going gets nothing new, and is there until it is gone.
            api.edit(cluster.PODS, f"{deployment}-0", {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
            await _until_health(
                front, {f"default/{deployment}/{kind}": "DRAINING" for kind in ("openai", "http", "grpc")}
            )

            api.remove(cluster.MODELS, "minilm")
            await _lists(settings)


async def test_what_a_gateway_refuses_is_told_of_its_model_and_stops_no_other(
    api: FakeApiServer, start: Start, settings: GatewaySettings, tmp_path: Path
):
    async with start(gateway=settings):
        with _gateway(tmp_path, settings, await _until_certified(api)):
            deployment = await _almost_ready(api)
            await until(lambda: _is(api, "Ready", "Ready"), "Ready")

            _move(api, deployment, "nowhere")
            await until(lambda: _is(api, "Ready", "GatewayRejected"), "the refusal")
            assert "malformed IP address: nowhere" in cluster.condition(api, "Ready")["message"]
            assert _is(api, "Degraded", "GatewayRejected")
            await until(
                lambda: "GatewayRejected" in {event["reason"] for event in api.all("v1/events").values()}, "an Event"
            )

            await _almost_ready(api, "other")
            await _lists(settings, "default.minilm", "default.other")

            _move(api, deployment, "127.0.0.2")
            await until(lambda: _is(api, "Ready", "Ready"), "Ready again")
            assert _is(api, "Degraded", "AsSpecified")


async def test_the_leader_is_labelled(api: FakeApiServer, start: Start, settings: GatewaySettings):
    async with start(gateway=settings):
        await until(
            lambda: (
                api.get("v1/pods", "nereid-operator", SYSTEM)["metadata"].get("labels") == {"nereid.dev/leader": "true"}
            ),
            "the label",
        )


async def test_an_operator_that_starts_again_makes_no_new_certificates(
    api: FakeApiServer, start: Start, settings: GatewaySettings, tmp_path: Path
):
    async with start(gateway=settings):
        made = await _until_certified(api)
        with _gateway(tmp_path, settings, made):
            await _almost_ready(api)
            await until(lambda: _is(api, "Ready", "Ready"), "Ready")
    secrets = dict(api.all("v1/secrets"))
    async with start(gateway=settings):
        # No gateway is there: what was Ready stays so.
        count = len(api.writes)
        api.edit(cluster.MODELS, "minilm", {"metadata": {"annotations": {"touched": "1"}}})
        with _gateway(tmp_path, settings, made, "b"):
            await _lists(settings, "default.minilm")
        assert [write for write in api.writes[count:] if "/secrets/" in write or "/status" in write] == []
    assert api.all("v1/secrets") == secrets


async def test_a_policy_gives_the_older_model_its_name(
    api: FakeApiServer, start: Start, settings: GatewaySettings, tmp_path: Path
):
    kind = {"apiVersion": "nereid.dev/v1alpha1", "kind": "ServingPolicy"}
    async with start(gateway=settings):
        with _gateway(tmp_path, settings, await _until_certified(api)):
            await _almost_ready(api)
            await _lists(settings, "default.minilm")
            api.put(POLICIES, {**kind, "metadata": {"name": "names"}, "spec": {"globalNames": True}})
            await _lists(settings, "default.minilm", "minilm")
            await until(lambda: cluster.model(api)["status"]["names"] == ["default.minilm", "minilm"], "both names")
            api.put(POLICIES, {**kind, "metadata": {"name": "no"}, "spec": {"globalNames": False}})
            await _lists(settings, "default.minilm")
            await until(lambda: cluster.model(api)["status"]["names"] == ["default.minilm"], "one name")


async def test_nothing_is_served_without_the_certificate_that_is_wanted(
    api: FakeApiServer, start: Start, settings: GatewaySettings, tmp_path: Path
):
    port, xds_port = settings.port, settings.xds_port
    wanted = GatewaySettings("nereid", port=port, xds_port=xds_port, tls_secret="nereid-gateway-tls")
    async with start(gateway=wanted):
        with _gateway(tmp_path, wanted, await _until_certified(api)) as front:
            await _almost_ready(api)
            await until(lambda: _is(api, "Ready", "NotRoutable"), "nobody to be told")
            assert await front.get("/v1/models") == 0


async def test_the_certificate_of_the_gateway_is_made_where_that_is_wanted(
    api: FakeApiServer, start: Start, settings: GatewaySettings, tmp_path: Path
):
    wanted = GatewaySettings(
        "nereid", port=settings.port, xds_port=settings.xds_port, tls_secret="own", tls_self_signed=True
    )
    async with start(gateway=wanted):
        with _gateway(tmp_path, wanted, await _until_certified(api)):
            await _almost_ready(api)
            await until(lambda: _is(api, "Ready", "Ready"), "Ready")
            assert cluster.model(api)["status"]["url"] == f"https://nereid-gateway.{SYSTEM}.svc"
            (tmp_path / "ca.crt").write_text(_secret(api, "own")["ca.crt"])
            context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
            async with aiohttp.ClientSession() as session:
                url, host = f"https://127.0.0.1:{wanted.port}/v1/models", f"nereid-gateway.{SYSTEM}.svc"
                async with session.get(url, ssl=context, server_hostname=host) as answer:
                    assert answer.status == 200


async def test_who_follows_serves_the_gateways_only_while_nobody_leads(
    api: FakeApiServer, start: Start, settings: GatewaySettings, tmp_path: Path
):
    port, (xds_port,) = settings.port, free_ports(1)
    follower = GatewaySettings("nereid", port=port, xds_port=xds_port)
    async with AsyncExitStack() as followers:
        async with start(gateway=settings):
            made = await _until_certified(api)
            with _gateway(tmp_path, settings, made):
                await _almost_ready(api)
                await until(lambda: _is(api, "Ready", "Ready"), "Ready")
            await followers.enter_async_context(start(gateway=follower))
            front = followers.enter_context(_gateway(tmp_path, follower, made, "b"))
            await _until_refused(front, times=3)
        await _lists(follower, "default.minilm")


async def _until_refused(front: Gateway, *, times: int) -> None:
    """Wait until the gateway has found nobody listening where it asks, again and again."""
    name, found = "cluster.xds.upstream_cx_connect_fail", 0
    await until((front.folder / "admin").exists, "Envoy's own port")
    async with asyncio.timeout(DEADLINE_SECONDS):
        while found < times:
            await asyncio.sleep(0.02)
            found = (await front.stats(name)).get(name, 0)
