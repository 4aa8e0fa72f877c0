"""What two gateways count and log arrives at the operator that leads: all of it, also after another one took over."""

import time

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


async def test_every_request_is_counted_also_after_a_take_over(tmp_path):
    made = certificates()
    async with replica() as one, Forwarder(None) as service:
        with (
            running_envoy(tmp_path / "0", service.port, made) as first,
            running_envoy(tmp_path / "1", service.port, made, node="nereid-system/gateway-1", port=first.port),
        ):
            wanted = gateway(first.port, {"a": [one.port]})
            async with ControlPlane(server_tls(made)) as leader, ControlPlane(server_tls(made)) as follower:
                for plane in (leader, follower):
                    await plane.ads.publish(wanted)
                await service.lead_to(leader.port)
                await leader.until_reporting(2)
                await first.until_status("/a", 200)
                async with Traffic(first, "/a", clients=8) as traffic:
                    await traffic.more(500)
                await eventually("all is counted", lambda: leader.issued() == one.served)
                of_leader = leader.issued()
                # Nothing is under way while the operators change places, so nothing can be on a cut connection.
                await service.lead_to(follower.port)
                async with Traffic(first, "/a", clients=8) as traffic:
                    await follower.until_reporting(2)
                    await traffic.more(500)
                await eventually("all is counted", lambda: of_leader + follower.issued() == one.served)
                assert follower.issued() > 500
                assert traffic.failed == []


async def test_the_first_request_of_a_new_model_is_counted(tmp_path):
    made = certificates()
    async with replica() as one, replica() as two, ControlPlane(server_tls(made)) as plane:
        with running_envoy(tmp_path, plane.port, made) as front:
            await plane.ads.publish(gateway(front.port, {"a": [one.port]}))
            await plane.until_reporting(1)
            await front.until_status("/a", 200)
            await plane.ads.publish(gateway(front.port, {"a": [one.port], "b": [two.port]}))
            await front.until_status("/b", 200)
            await eventually("all is counted", lambda: plane.issued() == one.served + two.served)


async def test_a_report_has_the_load_and_the_metrics_of_each_endpoint(tmp_path):
    made = certificates()
    async with replica() as one, replica(delay_seconds=1.5) as slow, ControlPlane(server_tls(made)) as plane:
        with running_envoy(tmp_path, plane.port, made) as front:
            await plane.ads.publish(gateway(front.port, {"a": [one.port], "slow": [slow.port], "dead": [1]}))
            await plane.until_reporting(1)
            await front.until_status("/a", 200)
            fast_endpoint, slow_endpoint = ("a", f"127.0.0.1:{one.port}"), ("slow", f"127.0.0.1:{slow.port}")
            dead_endpoint = ("dead", "127.0.0.1:1")
            seen = plane.observations
            assert await front.get("/dead") == 503
            async with Traffic(front, "/slow", clients=3):
                await eventually(
                    "three are under way", lambda: seen.in_progress(slow_endpoint, time.monotonic()) == 3, seconds=20
                )
            await eventually("none is under way", lambda: seen.in_progress(slow_endpoint, time.monotonic()) == 0)
            await eventually(
                "failures are counted", lambda: seen.window(dead_endpoint).load(60, time.monotonic()).failed
            )
            load = seen.load(fast_endpoint, 60, time.monotonic())
            assert load is not None
            assert load.issued == load.succeeded == load.metrics["named_metrics.queue"].responses == one.served
            assert load.metrics["named_metrics.queue"].mean == 3


async def test_the_access_log_has_first_bytes_models_and_errors(tmp_path):
    made = certificates()
    async with replica(delay_seconds=0.2) as slow, ControlPlane(server_tls(made)) as plane:
        with running_envoy(tmp_path, plane.port, made) as front:
            await plane.ads.publish(gateway(front.port, {"slow": [slow.port], "dead": [1]}))
            await front.until_status("/slow", 200)
            assert await front.get("/dead") == 503
            good, dead = ("slow", f"127.0.0.1:{slow.port}"), ("dead", "127.0.0.1:1")
            windows = plane.observations.window
            await eventually("both are logged", lambda: windows(good).samples and windows(dead).samples)
            now = time.monotonic()
            sample = windows(good).sampled(60, now)[0]
            assert (sample.status, sample.model, sample.route, sample.errors) == (200, "/slow", "slow/http", ())
            assert sample.first_byte_seconds is not None
            assert sample.first_byte_seconds >= 0.2
            failed = windows(dead).sampled(60, now)[0]
            assert (failed.status, failed.first_byte_seconds) == (503, None)
            assert "upstream_connection_failure" in failed.errors
