"""The gRPC access log of the gateways → samples of first-byte times and errors in observations.py.

Counts come from load reports, which are exact; this is for what those do not have. Up to 500 entries a second are all
read; of more every second, third or n-th one, as they come in from all gateways, and each of these stands for n.
"""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace

from envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry, ResponseFlags
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from google.protobuf.any_pb2 import Any
from google.protobuf.wrappers_pb2 import StringValue
from grpc.aio import ServicerContext

from nereid_operator.xds.ads import Admit
from nereid_operator.xds.observations import Observations
from nereid_operator.xds.windows import Endpoint, Sample

ENTRIES_PER_SECOND = 500
MODEL = "nereid.model"  # the filter state with the name that the client has called


@dataclass(frozen=True, slots=True)
class Sampler:
    """How many entries came in this second and the one before, and how many to pass over before the next is read."""

    second: int = 0
    this: int = 0
    before: int = 0
    skip: int = 0

    def arrive(self, entries: int, now: float) -> "Sampler":
        """Return the sampler that has counted the entries of a message."""
        second = int(now)
        if second == self.second:
            return replace(self, this=self.this + entries)
        return replace(self, second=second, this=entries, before=self.this if second == self.second + 1 else 0)

    @property
    def stride(self) -> int:
        """One entry is read of this many."""
        return max(1, -(-max(self.this, self.before) // ENTRIES_PER_SECOND))

    def choose(self, entries: int) -> tuple["Sampler", range]:
        """Return which entries of a message to read, and the sampler for the message after it."""
        chosen = range(self.skip, entries, self.stride)
        following = chosen[-1] + self.stride if chosen else self.skip
        return replace(self, skip=following - entries), chosen


class AccessLog:
    """The access log service."""

    def __init__(self, observations: Observations) -> None:
        self._observations = observations
        self._sampler = Sampler()

    async def stream(
        self, requests: AsyncIterator[StreamAccessLogsMessage], context: ServicerContext, admit: Admit
    ) -> None:
        """Take a gateway's entries in until it goes."""
        first = await anext(requests, None)
        if first is None:
            return
        await admit(context, first.identifier.node)
        self._take(first.http_logs.log_entry)
        async for message in requests:
            self._take(message.http_logs.log_entry)

    def _take(self, entries: Sequence[HTTPAccessLogEntry]) -> None:
        now = time.monotonic()
        self._sampler, chosen = self._sampler.arrive(len(entries), now).choose(len(entries))
        self._observations.sample(read_entries((entries[at] for at in chosen), self._sampler.stride), now)


def read_entries(entries: Iterable[HTTPAccessLogEntry], weight: float) -> dict[Endpoint, list[Sample]]:
    """Return by endpoint the entries that got as far as one, each for as many as it stands for."""
    samples: defaultdict[Endpoint, list[Sample]] = defaultdict(list)
    for entry in entries:
        socket = entry.common_properties.upstream_remote_address.socket_address
        if socket.address:
            endpoint = (entry.common_properties.upstream_cluster, f"{socket.address}:{socket.port_value}")
            samples[endpoint].append(_sample(entry, weight))
    return dict(samples)


def _sample(entry: HTTPAccessLogEntry, weight: float) -> Sample:
    common = entry.common_properties
    answered = common.HasField("time_to_first_upstream_rx_byte")
    first_byte = common.time_to_first_upstream_rx_byte
    return Sample(
        status=entry.response.response_code.value,
        first_byte_seconds=first_byte.seconds + first_byte.nanos / 1e9 if answered else None,
        errors=tuple(_flags(common.response_flags)),
        model=_text(common.filter_state_objects.get(MODEL)),
        route=common.route_name,
        weight=weight,
    )


def _flags(flags: ResponseFlags) -> Iterable[str]:
    return (field.name for field, value in flags.ListFields() if value is True)


def _text(state: Any | None) -> str:
    """Return a filter state as it is logged, an Any with a StringValue; empty where there is none."""
    text = StringValue()
    return text.value if state is not None and state.Unpack(text) else ""
