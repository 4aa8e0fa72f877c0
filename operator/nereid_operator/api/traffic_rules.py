"""What of spec.traffic contradicts itself. Pure; called by api/validation.py.

Yields fields and sentences. The same as the CEL rules of api/traffic.py, for what was written past the API server's
validation.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from nereid_operator.api.quantities import duration_microseconds
from nereid_operator.api.resources import Body
from nereid_operator.api.traffic import (
    HEADER_RESERVED,
    LONGEST_TIMEOUT_SECONDS,
    RESERVED_HEADER_PREFIX,
    ContentRoute,
    LoadBalancing,
    Traffic,
)

Finding = tuple[str, str]


def traffic_findings(traffic: Traffic) -> Iterator[Finding]:
    """Yield each wrong field with a sentence."""
    yield from _sticky(traffic)
    seconds = duration_microseconds(traffic.timeout) / 1_000_000
    if not 1 <= seconds <= LONGEST_TIMEOUT_SECONDS:
        yield "spec.traffic.timeout", f"is {traffic.timeout!r} and must be at least 1s and at most 1h"
    yield from _twice("spec.traffic.routes", (route.name for route in traffic.routes))
    for index, route in enumerate(traffic.routes):
        yield from _route(f"spec.traffic.routes.{index}", route)


def usable_traffic(body: Body) -> Traffic:
    """Return spec.traffic of an object of which other fields may be wrong; the defaults when this one is."""
    try:
        traffic = Traffic.model_validate(body.get("spec", {}).get("traffic") or {})
    except ValidationError:
        return Traffic()
    return Traffic() if any(traffic_findings(traffic)) else traffic


def _sticky(traffic: Traffic) -> Iterator[Finding]:
    field, header = "spec.traffic.stickyHeader", traffic.sticky_header
    is_sticky = traffic.load_balancing is LoadBalancing.STICKY_HEADER
    if is_sticky and header is None:
        yield field, "must name a header with loadBalancing StickyHeader"
    if header is not None and not is_sticky:
        yield field, f"is {header!r} and is only for loadBalancing StickyHeader, not {traffic.load_balancing}"
    if header is not None:
        yield from _reserved(field, header)


def _route(field: str, route: ContentRoute) -> Iterator[Finding]:
    if not route.headers and route.path is None:
        yield field, f"is {route.name!r} and needs headers or a path, what it is for"
    yield from _twice(f"{field}.headers", (header.name for header in route.headers))
    for index, header in enumerate(route.headers):
        yield from _reserved(f"{field}.headers.{index}.name", header.name)


def _reserved(field: str, header: str) -> Iterator[Finding]:
    if header.startswith(RESERVED_HEADER_PREFIX):
        yield field, f"is {header!r} and {HEADER_RESERVED}"


def _twice(field: str, names: Iterable[str]) -> Iterator[Finding]:
    for name, count in Counter(names).items():
        if count > 1:
            yield field, f"has {name!r} {count} times"
