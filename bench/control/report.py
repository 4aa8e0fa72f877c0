"""Results → a table for people and one JSON object for machines. Pure."""

import json
from collections.abc import Sequence
from statistics import median

from bench.control.results import Growth, Quiet, Results, Rounds

_MIB = 1024  # KiB

_HEADER = ("size", "new", "children", "per s", "Ready", "writes", "CPU", "memory", "per CR", "restart writes")


def table(results: Results) -> str:
    """Return what was measured, and under it a line for each size."""
    first, edits, quiet = results.growth[0], results.edits, results.quiet
    arrival = first.arrival
    lines = [
        ("crs_per_second", f"{arrival.per_second:.1f}", f"{arrival.added} ModelDeployments"),
        ("times_bare_client", f"{results.rounds.ratio:.2f}", _rounds(results.rounds)),
        (
            "edit_to_child_p99_seconds",
            f"{edits.p99_seconds:.3f}",
            f"{edits.count} edits, p50 {edits.p50_seconds:.3f} s",
        ),
        ("idle_mib", f"{results.idle_kib / _MIB:.1f}", "resident, with nothing to do"),
        ("kib_per_cr", f"{results.kib_per_model(arrival):.1f}", "resident beyond that, all Ready"),
        ("quiet_writes", str(quiet.writes), _quiet(quiet)),
        ("restart_writes", str(first.restart_writes), "by a new process over what is there"),
    ]
    growth = [_HEADER, *(_row(results, growth) for growth in results.growth)]
    return "\n".join([*_columns(lines), "", *_columns(growth)])


def as_json(results: Results) -> str:
    """Return one line."""
    first = results.growth[0]
    return json.dumps(
        {
            "crs_per_second": round(first.arrival.per_second, 1),
            "times_bare_client": round(results.rounds.ratio, 2),
            "edit_to_child_p99_seconds": round(results.edits.p99_seconds, 3),
            "idle_mib": round(results.idle_kib / _MIB, 1),
            "kib_per_cr": round(results.kib_per_model(first.arrival), 1),
            "quiet_writes": results.quiet.writes,
            "restart_writes": first.restart_writes,
            "sizes": {str(growth.arrival.size): _size(results, growth) for growth in results.growth},
        }
    )


def _rounds(rounds: Rounds) -> str:
    operator, bare = median(rounds.operator_seconds), median(rounds.bare_seconds)
    return (
        f"{rounds.size} ModelDeployments, median of {len(rounds.operator_seconds)}: "
        f"operator {operator:.1f} s, bare client {bare:.1f} s"
    )


def _quiet(quiet: Quiet) -> str:
    return f"in {quiet.seconds:.0f} s, resync every {quiet.resync_seconds} s, {quiet.touches} touches of pods"


def _size(results: Results, growth: Growth) -> dict[str, float]:
    arrival = growth.arrival
    return {
        "crs_per_second": round(arrival.per_second, 1),
        "seconds": round(arrival.seconds, 1),
        "ready_seconds": round(arrival.ready_seconds, 1),
        "cpu_seconds": round(arrival.cpu_seconds, 1),
        "mib": round(arrival.resident_kib / _MIB, 1),
        "kib_per_cr": round(results.kib_per_model(arrival), 1),
        "restart_writes": growth.restart_writes,
    }


def _row(results: Results, growth: Growth) -> tuple[str, ...]:
    arrival = growth.arrival
    return (
        str(arrival.size),
        str(arrival.added),
        f"{arrival.seconds:.1f} s",
        f"{arrival.per_second:.1f}",
        f"{arrival.ready_seconds:.0f} s",
        str(arrival.writes),
        f"{arrival.cpu_seconds:.1f} s",
        f"{arrival.resident_kib / _MIB:.1f} MiB",
        f"{results.kib_per_model(arrival):.1f} KiB",
        str(growth.restart_writes),
    )


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows with their columns one under the other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
