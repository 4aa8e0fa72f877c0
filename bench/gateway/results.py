"""What the benchmark of the gateway measured, and its table and JSON line. Pure.

A cell in which the machine was too busy counts for nothing: the figure that needs it is null, and said to be void.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.figures import percentile
from bench.gateway.changes import Changes
from bench.gateway.generator import Cell


@dataclass(frozen=True, slots=True)
class Pair:
    """Cells of the gateway and of what it is compared with, in turn."""

    gateway: Sequence[Cell]
    other: Sequence[Cell]

    @property
    def is_void(self) -> bool:
        """Whether any of the cells is."""
        return any(cell.is_void for cell in (*self.gateway, *self.other))

    @property
    def throughput_ratio(self) -> float | None:
        """Requests a second, the median of the gateway's over the median of the other's."""
        if self.is_void:
            return None
        return median(cell.per_second for cell in self.gateway) / median(cell.per_second for cell in self.other)

    @property
    def cpu_us(self) -> tuple[float, float]:
        """What a request takes of the gateway's CPU, and of the other's, in µs; a busy machine changes it little."""
        ours, theirs = (median(cell.server_cpu_us for cell in cells) for cells in (self.gateway, self.other))
        return ours, theirs

    @property
    def added_p50_ms(self) -> float | None:
        """How much more a request takes: the difference of the medians of the cells' medians."""
        if self.is_void:
            return None
        return median(cell.p50_ms for cell in self.gateway) - median(cell.p50_ms for cell in self.other)

    @property
    def added_p99_ms(self) -> float | None:
        """The same of the slowest hundredth."""
        if self.is_void:
            return None
        return median(cell.p99_ms for cell in self.gateway) - median(cell.p99_ms for cell in self.other)


@dataclass(frozen=True, slots=True)
class Results:
    """Saturation with `models` and `many_models`, latency at half of it, changes among `models`, memory in MiB."""

    models: int
    many_models: int
    saturation: Pair
    many_saturation: Pair
    latency: Pair
    changes: Changes
    control_plane_mib: float
    envoy_mib: float


def as_json(results: Results) -> str:
    """Return one line."""
    return json.dumps(_figures(results))


def table(results: Results) -> str:
    """Return what was measured, and how busy each cell was."""
    figures = [f"{name:29} {'void' if value is None else value}" for name, value in _figures(results).items()]
    cells = (
        ("bare Envoy", results.saturation.other),
        (f"gateway, {results.models} models", results.saturation.gateway),
        ("bare Envoy", results.many_saturation.other),
        (f"gateway, {results.many_models} models", results.many_saturation.gateway),
        ("directly, half of that", results.latency.other),
        ("gateway, half of that", results.latency.gateway),
    )
    return "\n".join([*figures, *(f"{name:29} {_cells(some)}" for name, some in cells)])


def _figures(results: Results) -> dict[str, float | int | list[int] | None]:
    changes = results.changes
    cpu_us, bare_cpu_us = results.saturation.cpu_us
    many_cpu_us, _ = results.many_saturation.cpu_us
    return {
        "added_p50_ms": _rounded(results.latency.added_p50_ms),
        "added_p99_ms": _rounded(results.latency.added_p99_ms),
        "throughput_ratio": _rounded(results.saturation.throughput_ratio),
        f"throughput_ratio_{results.many_models}_models": _rounded(results.many_saturation.throughput_ratio),
        "bare_cpu_us": round(bare_cpu_us),
        "cpu_us": round(cpu_us),
        f"cpu_us_{results.many_models}_models": round(many_cpu_us),
        "models": results.models,
        "first_config_seconds": _rounded(changes.first_config),
        "edit_to_200_p99_seconds": _rounded(percentile(changes.edits, 99)),
        "statuses_before_200": sorted(changes.before_200),
        "endpoint_p50_ms": round(percentile(changes.endpoints, 50) * 1000),
        "endpoint_p99_ms": round(percentile(changes.endpoints, 99) * 1000),
        "requests_during_changes": changes.steady,
        "non_200_during_changes": changes.non_200,
        "control_plane_mib": round(results.control_plane_mib),
        "envoy_mib": round(results.envoy_mib),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _cells(cells: Sequence[Cell]) -> str:
    return "; ".join(
        f"{cell.per_second:.0f}/s p50 {cell.p50_ms:.2f} p99 {cell.p99_ms:.2f} ms "
        f"{cell.server_cpu_us:.0f} µs (CPU {cell.cpu:.0%}, generator {cell.generator_cpu:.0%}"
        f"{', void' if cell.is_void else ''})"
        for cell in cells
    )
