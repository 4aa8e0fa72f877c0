"""LRS: what each gateway has counted in the last second, per endpoint → observations.py.

Exact: Envoy counts every request, and reports what it has counted since its last report, also over an outage of ours.
"""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable

from envoy.config.endpoint.v3.load_report_pb2 import ClusterStats, UpstreamEndpointStats
from envoy.service.load_stats.v3.lrs_pb2 import LoadStatsRequest, LoadStatsResponse
from google.protobuf.duration_pb2 import Duration
from grpc.aio import ServicerContext

from nereid_operator.xds.ads import Admit
from nereid_operator.xds.observations import Observations, Report
from nereid_operator.xds.windows import Endpoint, Load, Metric

INTERVAL_SECONDS = 1


class LoadReports:
    """The load reporting service."""

    def __init__(self, observations: Observations) -> None:
        self._observations = observations

    async def stream(self, requests: AsyncIterator[LoadStatsRequest], context: ServicerContext, admit: Admit) -> None:
        """Ask a gateway for reports of everything, and take them in until it goes."""
        first = await anext(requests, None)
        if first is None:
            return
        gateway = await admit(context, first.node)
        await context.write(
            LoadStatsResponse(
                send_all_clusters=True,
                load_reporting_interval=Duration(seconds=INTERVAL_SECONDS),
                report_endpoint_granularity=True,
            )
        )
        async for request in requests:
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
