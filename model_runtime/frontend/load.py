"""How busy the replica is, as a header of each inference answer: an ORCA load report in JSON, which Envoy reads.

`LoadReport.header` answers from what is known and never waits; what is older than a second is asked of Triton's metrics
beside the request. What could not be asked for five seconds is left out: no figure is not the figure zero.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

import aiohttp
import orjson
from prometheus_client.parser import text_string_to_metric_families

HEADER = "endpoint-load-metrics"

_FRESH_SECONDS = 1.0
_KNOWN_SECONDS = 5.0
_SCRAPE_SECONDS = 2.0
_MAX_BYTES = 4 * 1024 * 1024
_PREFIX = "nereid_engine_"
_NAMES = ("requests_running", "requests_waiting", "kv_cache_usage")

log = logging.getLogger(__name__)


def read_figures(text: str, model: str) -> dict[str, float]:
    """Return the engine's figures for a model from Prometheus' text; ValueError for what is no such text."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    wanted = {f"{_PREFIX}{name}": name for name in _NAMES}
    return {
        wanted[sample.name]: sample.value
        for sample in samples
        if sample.name in wanted and sample.labels.get("model") == model
    }


def write_header(figures: Mapping[str, float], in_flight: int) -> str:
    """Return the header's value."""
    report = {"named_metrics": {**figures, "requests_in_flight": in_flight}}
    return f"JSON {orjson.dumps(report).decode()}"


class LoadReport:
    """The figures of one model, from Triton's metrics at `address` (host and port)."""

    def __init__(self, address: str, model: str, now: Callable[[], float] = time.monotonic) -> None:
        self._url = f"http://{address}/metrics"
        self._model = model
        self._now = now
        self._figures: dict[str, float] = {}
        self._known_at = self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    def header(self, in_flight: int) -> str:
        """Return the header's value as of now, and have the figures asked for again when they are old."""
        now = self._now()
        if now - self._asked_at >= _FRESH_SECONDS and (self._asking is None or self._asking.done()):
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask())
        return write_header(self._figures if now - self._known_at < _KNOWN_SECONDS else {}, in_flight)

    async def close(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_SCRAPE_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self._url) as answer:
                answer.raise_for_status()
                text = await _read(answer.content)
            self._figures, self._known_at = read_figures(text, self._model), self._now()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            log.warning("%s: no load figures: %s", self._url, error)


async def _read(content: aiohttp.StreamReader) -> str:
    """Return all of an answer; ValueError for one that has no end."""
    pieces = bytearray()
    async for piece in content.iter_any():
        pieces += piece
        if len(pieces) > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES} bytes")
    return pieces.decode()
