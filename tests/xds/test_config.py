"""What a real Envoy makes of what it is sent: order, changes of one thing alone, refusals."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nereid_operator.render.envoy.resources import CLUSTER, ENDPOINTS, ROUTES
from nereid_operator.xds.ads import Acknowledgement
from tests.xds.resources import assignment, cluster, gateway
from tests.xds.stand import (
    ControlPlane,
    Gateway,
    Replica,
    Traffic,
    certificates,
    eventually,
    replica,
    running_envoy,
    server_tls,
)

# Counts each change of a cluster and each answer about clusters; endpoints count elsewhere.
CLUSTERS = "cluster_manager.(cluster_(added|modified|removed)|cds.update_(attempt|success))"

REFUSED = cluster("b", lb_policy="CLUSTER_PROVIDED")  # Envoy names it, and applies the others
INVALID = cluster("b", connect_timeout="0s")  # Envoy shows it, and applies nothing


@dataclass
class Stand:
    plane: ControlPlane
    front: Gateway
    one: Replica
    two: Replica


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    made = certificates()
    async with replica() as one, replica() as two, ControlPlane(server_tls(made)) as plane:
        with running_envoy(tmp_path, plane.port, made) as front:
            yield Stand(plane, front, one, two)


async def test_the_first_configuration_is_acknowledged(stand: Stand):
    await eventually("the gateway is connected", lambda: stand.plane.ads.gateways == ("nereid-system/gateway-0",))
    assert await stand.front.stats("cluster_manager.cds.update_success") == {"cluster_manager.cds.update_success": 0}
    assert stand.plane.ads.acknowledged(ENDPOINTS, "a") is Acknowledgement.PENDING
    await stand.plane.ads.publish(gateway(stand.front.port, {"a": [stand.one.port]}))
    async with asyncio.timeout(20):
        await stand.plane.ads.until_acknowledged(ENDPOINTS, "a")
        await stand.plane.ads.until_acknowledged(ROUTES, "front")
    await stand.front.until_status("/a", 200)
    assert await stand.front.get("/other") == 404


async def test_endpoints_change_without_a_change_of_clusters(stand: Stand):
    await _serve(stand, {"a": [stand.one.port], "b": [stand.one.port]})
    before = await stand.front.stats(CLUSTERS)
    async with Traffic(stand.front, "/a") as traffic:
        await stand.plane.ads.publish(gateway(stand.front.port, {"a": [stand.two.port], "b": [stand.one.port]}))
        async with asyncio.timeout(20):
            await stand.plane.ads.until_acknowledged(ENDPOINTS, "a")
        await traffic.more(50)
        served = stand.one.served
        await traffic.more(50)
    assert stand.one.served == served
    assert traffic.failed == []
    assert await stand.front.stats(CLUSTERS) == before


async def test_a_changed_cluster_serves_on_with_the_endpoints_it_had(stand: Stand):
    await _serve(stand, {"a": [stand.one.port]})
    async with Traffic(stand.front, "/a") as traffic:
        changed = cluster("a", connect_timeout="2s")
        await stand.plane.ads.publish(gateway(stand.front.port, {"a": [stand.one.port]}, a=changed))
        in_service = {"cluster_manager.warming_clusters": 0, "cluster_manager.cluster_modified": 1}
        # Envoy would give up to wait for endpoints after 15 s.
        await stand.front.until_stats("cluster_manager.(warming_clusters|cluster_modified)", in_service, seconds=10)
        await traffic.more(50)
    assert traffic.failed == []


async def test_models_come_and_go_between_404_and_200_alone(stand: Stand):
    await _serve(stand, {"a": [stand.one.port]})
    async with Traffic(stand.front, "/new") as comer, Traffic(stand.front, "/a") as stayer:
        for _ in range(5):
            await comer.more(10)
            await stand.plane.ads.publish(gateway(stand.front.port, {"a": [stand.one.port], "new": [stand.two.port]}))
            await stand.front.until_status("/new", 200)
            await comer.more(10)
            await stand.plane.ads.publish(gateway(stand.front.port, {"a": [stand.one.port]}))
            await stand.front.until_status("/new", 404)
    assert set(comer.statuses) == {200, 404}
    assert stayer.failed == []
    assert (await stand.front.stats("cluster_manager.cluster_removed"))["cluster_manager.cluster_removed"] == 5


@pytest.mark.parametrize("bad", [REFUSED, INVALID], ids=["named", "shown"])
async def test_a_refused_cluster_keeps_what_it_had_and_holds_nobody_up(stand: Stand, bad: dict[str, Any]):
    await _serve(stand, {"a": [stand.one.port], "b": [stand.one.port]})
    async with Traffic(stand.front, "/b") as traffic:
        models = {"a": [stand.one.port], "b": [stand.one.port], "c": [stand.one.port]}
        await stand.plane.ads.publish(gateway(stand.front.port, models, b=bad))
        await stand.front.until_status("/c", 200)
        async with asyncio.timeout(20):
            await stand.plane.ads.until_acknowledged(CLUSTER, "c")
        assert [refusal.names for refusal in stand.plane.refusals] == [("b",)]
        assert stand.plane.ads.acknowledged(CLUSTER, "b") is Acknowledgement.PENDING
        mended = cluster("b", connect_timeout="3s")
        await stand.plane.ads.publish(gateway(stand.front.port, models, b=mended))
        async with asyncio.timeout(20):
            await stand.plane.ads.until_acknowledged(CLUSTER, "b")
        await traffic.more(20)
    assert traffic.failed == []
    assert len(stand.plane.refusals) == 1


@pytest.mark.parametrize("bad", [REFUSED, INVALID], ids=["named", "shown"])
async def test_a_new_model_that_is_refused_holds_nobody_up(stand: Stand, bad: dict[str, Any]):
    await _serve(stand, {"a": [stand.one.port]})
    models = {"a": [stand.one.port], "b": [stand.one.port], "c": [stand.one.port]}
    await stand.plane.ads.publish(gateway(stand.front.port, models, b=bad))
    await stand.front.until_status("/c", 200)
    assert [refusal.names for refusal in stand.plane.refusals] == [("b",)]
    assert await stand.front.get("/b") == 503


async def test_refused_endpoints_that_nothing_names_are_found(stand: Stand):
    names = [f"m{number}" for number in range(9)]
    await _serve(stand, {name: [stand.one.port] for name in names})
    wanted = gateway(stand.front.port, {name: [stand.two.port] for name in names})
    bad = assignment("m4", [1])
    bad["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["address"] = "no address"
    await stand.plane.ads.publish({**wanted, ENDPOINTS: {**wanted[ENDPOINTS], "m4": bad}})
    async with asyncio.timeout(20):
        for name in names:
            if name != "m4":
                await stand.plane.ads.until_acknowledged(ENDPOINTS, name)
    served = stand.one.served
    assert [await stand.front.get(f"/{name}") for name in names] == [200] * 9
    assert stand.one.served == served + 1
    assert [refusal.names for refusal in stand.plane.refusals] == [("m4",)]


async def test_what_is_no_message_is_told_and_holds_nobody_up(stand: Stand):
    await _serve(stand, {"a": [stand.one.port], "b": [stand.one.port]})
    models = {"a": [stand.two.port], "b": [stand.one.port]}
    await stand.plane.ads.publish(gateway(stand.front.port, models, b=cluster("b", not_a_field=1)))
    async with asyncio.timeout(20):
        await stand.plane.ads.until_acknowledged(ENDPOINTS, "a")
    assert [refusal.names for refusal in stand.plane.refusals] == [("b",)]
    assert "not_a_field" in stand.plane.refusals[0].message
    assert stand.plane.ads.acknowledged(CLUSTER, "b") is Acknowledgement.PENDING
    assert await stand.front.get("/b") == 200


async def _serve(stand: Stand, models: dict[str, list[int]]) -> None:
    await stand.plane.ads.publish(gateway(stand.front.port, models))
    for model in models:
        await stand.front.until_status(f"/{model}", 200)
    async with asyncio.timeout(20):
        await stand.plane.ads.until_acknowledged(ROUTES, "front")
