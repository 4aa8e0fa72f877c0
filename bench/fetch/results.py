"""What the benchmark of the download measured, and its table and JSON line. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Race:
    """Seconds of each download of a file of so many MiB, ours and curl's in turn."""

    mib: int
    ours: Sequence[float]
    curl: Sequence[float]

    @property
    def over_curl(self) -> float:
        """Our throughput, in that of curl: the median of ours over the median of theirs."""
        return median(self.curl) / median(self.ours)


@dataclass(frozen=True, slots=True)
class Results:
    """Two races, the rate of a verification, and the peak of memory in KiB by size in MiB."""

    race: Race
    limited: Race
    verify_seconds: Sequence[float]
    peaks: Mapping[int, int]

    @property
    def verify_gib_per_second(self) -> float:
        """How fast what is on the disk is hashed, out of the page cache."""
        return self.race.mib / 1024 / median(self.verify_seconds)


def table(results: Results) -> str:
    """Return what was measured."""
    peaks = ", ".join(f"{kib / 1024:.0f} at {mib}" for mib, kib in results.peaks.items())
    return "\n".join(
        (
            f"throughput_over_curl   {results.race.over_curl:5.2f}   {_race(results.race)}",
            f"limited_over_curl      {results.limited.over_curl:5.2f}   {_race(results.limited)}",
            f"verify_gib_per_second  {results.verify_gib_per_second:5.2f}   SHA-256, out of the page cache",
            f"peak_mib               {max(results.peaks.values()) / 1024:5.0f}   MiB of memory by MiB of file: {peaks}",
        )
    )


def _race(race: Race) -> str:
    ours, curl = ([race.mib / seconds for seconds in times] for times in (race.ours, race.curl))
    return (
        f"{race.mib} MiB, median of {len(race.ours)}: {median(ours):.0f} MiB/s ({min(ours):.0f} to {max(ours):.0f}), "
        f"curl {median(curl):.0f} ({min(curl):.0f} to {max(curl):.0f})"
    )


def as_json(results: Results) -> str:
    """Return one line."""
    return json.dumps(
        {
            "throughput_over_curl": round(results.race.over_curl, 2),
            "limited_over_curl": round(results.limited.over_curl, 2),
            "verify_gib_per_second": round(results.verify_gib_per_second, 2),
            "peak_mib": round(max(results.peaks.values()) / 1024),
            "mib": results.race.mib,
            "ours_seconds": [round(seconds, 2) for seconds in results.race.ours],
            "curl_seconds": [round(seconds, 2) for seconds in results.race.curl],
        }
    )
