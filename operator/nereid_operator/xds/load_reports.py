"""LRS: what each gateway has counted in the last second, per endpoint → observations.py.

Envoy counts every request, and reports what it has counted since its last report, also over a change of operators. Two
things it does not report: what a cluster got before Envoy knew that it shall be counted, which `ask_again` prevents,
and what it sent on a connection that led nowhere.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from envoy.config.endpoint.v3.load_report_pb2 import ClusterStats, UpstreamEndpointStats
from envoy.service.load_stats.v3.lrs_pb2 import LoadStatsRequest, LoadStatsResponse
from google.protobuf.duration_pb2 import Duration
from grpc.aio import ServicerContext

from nereid_operator.xds.ads import Admit
from nereid_operator.xds.observations import Observations, Report
from nereid_operator.xds.windows import Endpoint, Load, Metric

INTERVAL_SECONDS = 1
MOST_QUESTIONS = 4


_QUESTION = LoadStatsResponse(
    send_all_clusters=True,
    load_reporting_interval=Duration(seconds=INTERVAL_SECONDS),
    report_endpoint_granularity=True,
)


@dataclass(eq=False, slots=True)
class _Link:
    """One stream: what wakes its writer, whether the gateway has ended it, and the questions since its last report."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    questions: int = 0


class LoadReports:
    """The load reporting service."""

    def __init__(self, observations: Observations) -> None:
        self._observations = observations
        self._links: dict[str, _Link] = {}

    def ask_again(self, gateway: str) -> None:
        """Let a gateway count new clusters from now on; by itself it begins at its next report, up to 1 s later.

        Being asked begins the second anew, so a gateway that is asked all the time is left alone until it has reported.
        """
        link = self._links.get(gateway)
        if link is not None and link.questions < MOST_QUESTIONS:
            link.wake.set()

    async def stream(self, requests: AsyncIterator[LoadStatsRequest], context: ServicerContext, admit: Admit) -> None:
        """Ask a gateway for reports of everything, and take them in until it goes."""
        first = await anext(requests, None)
        if first is None:
            return
        gateway = await admit(context, first.node)
        link = _Link()
        self._links[gateway] = link
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask(link, context))
                self._take(gateway, first)  # has what was counted while there was no stream
                async for request in requests:
                    link.questions = 0
                    self._take(gateway, request)
                link.ended = True
                link.wake.set()
        finally:
            if self._links.get(gateway) is link:
                del self._links[gateway]

    async def _ask(self, link: _Link, context: ServicerContext) -> None:
        while not link.ended:
            link.wake.clear()
            link.questions += 1
            await context.write(_QUESTION)
            await link.wake.wait()

    def _take(self, gateway: str, request: LoadStatsRequest) -> None:
        self._observations.report(gateway, read_report(request.cluster_stats), time.monotonic())


def read_report(clusters: Iterable[ClusterStats]) -> Report:
    """Return what ClusterStats messages say, by endpoint."""
    loads: defaultdict[Endpoint, Load] = defaultdict(Load)
    in_progress: defaultdict[Endpoint, int] = defaultdict(int)
    for cluster in clusters:
        for locality in cluster.upstream_locality_stats:
            for endpoint in locality.upstream_endpoint_stats:
                socket = endpoint.address.socket_address
                key = (cluster.cluster_name, f"{socket.address}:{socket.port_value}")
                loads[key] += _load(endpoint)
                in_progress[key] += endpoint.total_requests_in_progress
    return Report(loads, in_progress)


def _load(endpoint: UpstreamEndpointStats) -> Load:
    return Load(
        endpoint.total_issued_requests,
        endpoint.total_successful_requests,
        endpoint.total_error_requests,
        {
            one.metric_name: Metric(one.num_requests_finished_with_metric, one.total_metric_value)
            for one in endpoint.load_metric_stats
        },
    )
