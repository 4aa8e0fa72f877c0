"""Operators that die, change places or hang, while requests flow: the gateways go on with what they have."""

import asyncio

from nereid_operator.render.envoy.resources import ENDPOINTS, ROUTES
from nereid_operator.xds.ads import Acknowledgement
from tests.xds.resources import gateway
from tests.xds.stand import (
    ControlPlane,
    Forwarder,
    Traffic,
    certificates,
    eventually,
    replica,
    running_envoy,
    server_tls,
)

# Whatever Envoy changes, one of these counts.
CHANGES = (
    "(cluster_manager.cluster_(added|modified|removed)|listener_manager.listener_(added|modified|removed)"
    "|http.front.rds.front.config_reload$|cluster.a.membership_change)"
)


async def test_a_take_over_changes_nothing(tmp_path):
    made = certificates()
    async with replica() as one, Forwarder(None) as service:
        with running_envoy(tmp_path, service.port, made) as front:
            wanted = gateway(front.port, {"a": [one.port], "b": [one.port]})
            async with ControlPlane(server_tls(made)) as leader, ControlPlane(server_tls(made)) as follower:
                await service.lead_to(leader.port)
                await leader.ads.publish(wanted)
                await front.until_status("/a", 200)
                before = await front.stats(CHANGES)
                async with Traffic(front, "/a") as traffic:
                    await service.lead_to(follower.port)
                    await eventually("the gateway is at the follower", lambda: follower.ads.gateways, seconds=30)
                    assert leader.ads.acknowledged(ENDPOINTS, "a") is Acknowledgement.NO_GATEWAY
                    await follower.ads.publish(gateway(front.port, {"a": [one.port], "b": [one.port]}))
                    async with asyncio.timeout(20):
                        await follower.ads.until_acknowledged(ENDPOINTS, "a")
                        await follower.ads.until_acknowledged(ROUTES, "front")
                    await traffic.more(50)
    assert traffic.failed == []
    assert (before["cluster_manager.cluster_added"], before["listener_manager.listener_added"]) == (3, 1)
    assert before["cluster.a.membership_change"] == 1


async def test_nothing_changed_is_measured(tmp_path):
    """The counters of the test above do move when something changes, and only then."""
    made = certificates()
    async with replica() as one, replica() as two, Forwarder(None) as service:
        with running_envoy(tmp_path, service.port, made) as front:
            async with ControlPlane(server_tls(made)) as leader, ControlPlane(server_tls(made)) as follower:
                await service.lead_to(leader.port)
                await leader.ads.publish(gateway(front.port, {"a": [one.port]}))
                await front.until_status("/a", 200)
                before = await front.stats(CHANGES)
                await service.lead_to(follower.port)
                await follower.ads.publish(gateway(front.port, {"a": [one.port]}))
                async with asyncio.timeout(40):
                    await follower.ads.until_acknowledged(ENDPOINTS, "a")
                    await follower.ads.until_acknowledged(ROUTES, "front")
                assert _moved(before, await front.stats(CHANGES)) == []
                await follower.ads.publish(gateway(front.port, {"a": [two.port]}))
                async with asyncio.timeout(20):
                    await follower.ads.until_acknowledged(ENDPOINTS, "a")
                assert _moved(before, await front.stats(CHANGES)) == ["cluster.a.membership_change"]


async def test_no_request_fails_while_there_is_no_operator(tmp_path):
    made = certificates()
    async with replica() as one, replica() as two, Forwarder(None) as service:
        with running_envoy(tmp_path, service.port, made) as front:
            async with ControlPlane(server_tls(made)) as plane:
                await service.lead_to(plane.port)
                await plane.ads.publish(gateway(front.port, {"a": [one.port]}))
                await front.until_status("/a", 200)
            async with Traffic(front, "/a") as traffic:
                await service.lead_to(None)
                await traffic.more(500)
                async with ControlPlane(server_tls(made)) as later:
                    await later.ads.publish(gateway(front.port, {"a": [two.port]}))
                    await service.lead_to(later.port)
                    await eventually("the later operator's endpoint serves", lambda: two.served, seconds=40)
    assert traffic.failed == []


async def test_an_operator_that_has_seen_nothing_says_nothing(tmp_path):
    made = certificates()
    async with replica() as one, Forwarder(None) as service:
        with running_envoy(tmp_path, service.port, made) as front:
            async with ControlPlane(server_tls(made)) as leader, ControlPlane(server_tls(made)) as newborn:
                await service.lead_to(leader.port)
                await leader.ads.publish(gateway(front.port, {"a": [one.port]}))
                await front.until_status("/a", 200)
                async with Traffic(front, "/a") as traffic:
                    await service.lead_to(newborn.port)
                    await eventually("the gateway asks", lambda: newborn.ads.gateways, seconds=30)
                    await traffic.more(200)
                    assert newborn.ads.acknowledged(ENDPOINTS, "a") is Acknowledgement.PENDING
    assert traffic.failed == []


async def test_two_gateways_are_each_told_everything(tmp_path):
    made = certificates()
    async with replica() as one, replica() as two, ControlPlane(server_tls(made)) as plane:
        with (
            running_envoy(tmp_path / "0", plane.port, made) as first,
            running_envoy(tmp_path / "1", plane.port, made, node="nereid-system/gateway-1", port=first.port) as second,
        ):
            # One configuration is for both: they share the port of the listener, which the kernel allows.
            await plane.ads.publish(gateway(first.port, {"a": [one.port]}))
            await eventually("both are there", lambda: len(plane.ads.gateways) == 2)
            async with asyncio.timeout(20):
                await plane.ads.until_acknowledged(ENDPOINTS, "a")
            await plane.ads.publish(gateway(first.port, {"a": [two.port]}))
            async with asyncio.timeout(20):
                await plane.ads.until_acknowledged(ENDPOINTS, "a")
            for one_of_them in (first, second):
                assert f"127.0.0.1:{two.port}" in await one_of_them.ask("/clusters?filter=^a")


def _moved(before: dict[str, int], after: dict[str, int]) -> list[str]:
    return sorted(name for name in after if after[name] != before.get(name, 0))
