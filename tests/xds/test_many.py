"""A thousand models at once."""

import asyncio
import sys
import time

from nereid_operator.render.envoy.resources import ROUTES
from tests.xds.resources import gateway
from tests.xds.stand import ControlPlane, certificates, replica, running_envoy, server_tls


async def test_a_thousand_models_arrive_and_one_more_after_them(tmp_path):
    made = certificates()
    async with replica() as one, ControlPlane(server_tls(made)) as plane:
        models = {f"m{number}": [one.port] for number in range(1000)}
        with running_envoy(tmp_path, plane.port, made) as front:
            started = time.monotonic()
            await plane.ads.publish(gateway(front.port, models))
            encoded = time.monotonic()
            async with asyncio.timeout(60):
                await plane.ads.until_acknowledged(ROUTES, "front")
            acknowledged = time.monotonic()
            await plane.ads.publish(gateway(front.port, models | {"one-more": [one.port]}))
            await front.until_status("/one-more", 200)
            sys.stderr.write(
                f"1,000 models: {encoded - started:.2f} s encoded, {acknowledged - encoded:.2f} s until acknowledged; "
                f"one more answers after {time.monotonic() - acknowledged:.2f} s\n"
            )
            assert await front.get("/m999") == 200
