"""The engine's figures among Triton's own metrics, which Prometheus and the frontend read. Used by `generation`."""

import time
from collections.abc import Callable
from typing import Any

import triton_python_backend_utils as pb_utils

from model_runtime.engines.batcher import Batcher

# Each figure that is set is a message to Triton's process.
_PERIOD_SECONDS = 0.25

_GAUGES = {
    "nereid_engine_requests_running": "Generations that run.",
    "nereid_engine_requests_waiting": "Generations that wait for a place or for room in the KV cache.",
    "nereid_engine_kv_cache_usage": "The part of the KV cache that running generations hold, 0 to 1.",
}
_COUNTERS = {
    "prompt_tokens": "Tokens of prompts that were run; those found in the cache are not among them.",
    "generated_tokens": "Tokens that were generated.",
    "prefix_cache_hit_tokens": "Tokens of prompts that were found in the cache.",
    "cancelled": "Generations whose client has gone.",
    "preempted": "Times that a generation gave its cache up to others.",
    "failed": "Generations that failed in the engine.",
    "steps": "Runs of the model.",
    "step_rows": "Tokens in all runs of the model: divided by the runs, the size of a batch.",
}


class EngineMetrics:
    """Figures of one model; `update` may be called after every step and tells Triton a few times a second."""

    def __init__(self, model: str, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._told_at = float("-inf")
        self._told: dict[str, int] = dict.fromkeys(_COUNTERS, 0)
        labels = {"model": model}
        # Families are kept: Triton forgets a metric whose family is gone.
        self._families = [
            *(_family(name, text, pb_utils.MetricFamily.GAUGE) for name, text in _GAUGES.items()),
            *(
                _family(f"nereid_engine_{name}_total", text, pb_utils.MetricFamily.COUNTER)
                for name, text in _COUNTERS.items()
            ),
        ]
        metrics = [family.Metric(labels=labels) for family in self._families]
        self._gauges = dict(zip(_GAUGES, metrics, strict=False))
        self._counters = dict(zip(_COUNTERS, metrics[len(_GAUGES) :], strict=True))

    def update(self, batcher: Batcher) -> None:
        """Tell Triton what changed, when the last time is long enough ago or nothing runs any more."""
        if self._now() < self._told_at + _PERIOD_SECONDS and not batcher.idle:
            return
        self._told_at = self._now()
        self._gauges["nereid_engine_requests_running"].set(len(batcher.running))
        self._gauges["nereid_engine_requests_waiting"].set(len(batcher.waiting))
        self._gauges["nereid_engine_kv_cache_usage"].set(batcher.usage)
        for name, counter in self._counters.items():
            value = getattr(batcher.counts, name)
            if value != self._told[name]:
                counter.increment(value - self._told[name])
                self._told[name] = value


def _family(name: str, description: str, kind: Any) -> Any:  # noqa: ANN401 - Triton's module has no types
    return pb_utils.MetricFamily(name=name, description=description, kind=kind)
