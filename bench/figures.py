"""Statistics, pure: what benchmarks make of what they counted."""

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of the values do not exceed (nearest rank)."""
    if not values or not 0 < percent <= 100:
        raise ValueError(f"percentile {percent} of {len(values)} values: there is none")
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]
