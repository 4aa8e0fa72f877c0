"""How many replicas of a Service were ready at each moment, from a watch of its EndpointSlices."""

import contextlib
from collections.abc import Callable, Iterable, Iterator

from tests.stack.kubectl import Kubectl, Object
from tests.stack.watching import Seen, watching


@contextlib.contextmanager
def least_ready(kubectl: Kubectl, namespace: str, service: str) -> Iterator[Callable[[], int]]:
    """Give what returns the smallest number of ready endpoints since the block began; it may be asked afterwards."""
    found: list[int] = []
    selector = f"kubernetes.io/service-name={service}"
    with watching(kubectl, "endpointslices", "-n", namespace, "-l", selector) as watch:
        yield lambda: found[0]
    found.append(least(watch.events))


def least(events: Iterable[Seen]) -> int:
    """Return the smallest sum of ready endpoints over all slices after any event (pure)."""
    slices: dict[str, int] = {}
    sums = []
    for event in events:
        name = event.object["metadata"]["name"]
        slices[name] = 0 if event.type == "DELETED" else _ready(event.object)
        sums.append(sum(slices.values()))
    return min(sums)


def _ready(endpoint_slice: Object) -> int:
    endpoints = endpoint_slice.get("endpoints") or []
    return sum(len(endpoint["addresses"]) for endpoint in endpoints if endpoint["conditions"].get("ready"))
