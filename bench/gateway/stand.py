"""The control plane, in this process, and a gateway that it tells what to serve."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from nereid_operator.plan.gateway_ir import Gateway
from nereid_operator.render.envoy.snapshot import snapshot
from nereid_operator.xds.access_log import AccessLog
from nereid_operator.xds.ads import AdsServer
from nereid_operator.xds.load_reports import LoadReports
from nereid_operator.xds.observations import Observations
from nereid_operator.xds.server import TlsFiles, XdsServer
from nereid_operator.xds.session import Refusal
from tests.stack.gateway_pod import Place, find_operators_at, lay_out, listen_at, running
from tests.stack.helm import NAMESPACE, RELEASE
from tests.stack.ports import free_ports


@dataclass(slots=True)
class Stand:
    """What is published goes to the Envoy `pid`, which serves at `port`; `refused` is what it would not take."""

    ads: AdsServer
    port: int
    pid: int
    refused: list[Refusal]

    async def publish(self, gateway: Gateway) -> None:
        """Render and publish, as the operator does."""
        await self.ads.publish(snapshot(gateway))


@asynccontextmanager
async def standing(folder: Path) -> AsyncIterator[Stand]:
    """Give a gateway of one worker that was told nothing yet; its folder is removed at the end."""
    pod = folder / "gateway"
    pod.mkdir()
    place = lay_out(pod, {"gateway": {"concurrency": 1}})
    status, leader, others, front = free_ports(4)
    listen_at(place, status)
    find_operators_at(place, leader, others)
    refused: list[Refusal] = []
    ads, observations = AdsServer(refused.append), Observations()
    server = XdsServer(
        f"127.0.0.1:{leader}",
        _tls(place),
        NAMESPACE,
        ads=ads,
        loads=LoadReports(observations),
        log=AccessLog(observations),
    )
    await server.start()
    try:
        with running(place) as process:
            yield Stand(ads, front, process.pid, refused)
    finally:
        await server.stop()
        shutil.rmtree(pod)


def _tls(place: Place) -> TlsFiles:
    pair = place.authority.issue("server", f"DNS:{RELEASE}-xds.{NAMESPACE}.svc").read_bytes()
    return TlsFiles(chain=pair, key=pair, authorities=place.authority.certificate.read_bytes())
