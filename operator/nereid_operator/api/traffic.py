"""spec.traffic: how the gateway sends requests to the replicas of a model. Part of no revision: an edit moves no pod.

Rules that stand beside a type are CEL for the API server; api/traffic_rules.py says the same for what was written past
it.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from nereid_operator.api.api_type import ApiType
from nereid_operator.api.pod import MAP_BY_NAME
from nereid_operator.api.quantities import DURATION_PATTERN

# The gateway takes these from what clients send, so that none would ever be seen.
RESERVED_HEADER_PREFIX = "x-nereid-"
LONGEST_TIMEOUT_SECONDS = 3600
STICKY_NEEDS_HEADER = "spec.traffic.stickyHeader must name a header with loadBalancing StickyHeader"
ONLY_STICKY = "spec.traffic.stickyHeader is only for loadBalancing StickyHeader"
TIMEOUT_RANGE = "spec.traffic.timeout must be at least 1s and at most 1h"
ROUTE_NEEDS_MATCH = "spec.traffic.routes: each needs headers or a path, what it is for"
HEADER_RESERVED = f"must not begin with {RESERVED_HEADER_PREFIX}, which the gateway takes away"


class LoadBalancing(StrEnum):
    """Which of the replicas gets a request."""

    LEAST_REQUEST = "LeastRequest"
    ROUND_ROBIN = "RoundRobin"
    RANDOM = "Random"
    STICKY_HEADER = "StickyHeader"


class RouteRevision(StrEnum):
    """Which revision a content route goes to, as status.revisions names them."""

    CURRENT = "Current"
    STABLE = "Stable"


HeaderName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=64,
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": f"!self.startsWith('{RESERVED_HEADER_PREFIX}')", "message": HEADER_RESERVED}
            ]
        },
    ),
]


class HeaderMatch(ApiType):
    """A header that a request must have."""

    name: HeaderName = Field(description="Name of the header, in lower case.")
    value: str = Field(
        pattern=r"^[!-~]([ -~]*[!-~])?$", max_length=256, description="Its whole value, byte for byte; ASCII."
    )


class ContentRoute(ApiType):
    """Requests that go to one revision, whichever gets the others."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.path) || (has(self.headers) && self.headers.size() > 0)",
                    "message": ROUTE_NEEDS_MATCH,
                }
            ]
        }
    )

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63, description="What it is called.")
    headers: Annotated[tuple[HeaderMatch, ...], Field(max_length=8)] = Field(
        default_factory=tuple,
        description="Headers that a request must have, all of them.",
        json_schema_extra=MAP_BY_NAME,
    )
    path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~/-]*$", max_length=256)] | None = Field(
        default=None, description="The whole path, without query, as /v1/embeddings; left out, every path."
    )
    revision: RouteRevision = Field(
        default=RouteRevision.CURRENT,
        description="Current: that of the newest spec, as soon as a replica of it answers; until then the route "
        "changes nothing. Stable: the one that gets the other requests.",
    )


_IS_STICKY = "(has(self.loadBalancing) && self.loadBalancing == 'StickyHeader')"
_RULES: JsonDict = {
    "x-kubernetes-validations": [
        {"rule": f"!{_IS_STICKY} || has(self.stickyHeader)", "message": STICKY_NEEDS_HEADER},
        {"rule": f"{_IS_STICKY} || !has(self.stickyHeader)", "message": ONLY_STICKY},
    ]
}


class Traffic(ApiType):
    """How requests reach the replicas through the gateway."""

    model_config = ConfigDict(json_schema_extra=_RULES)

    load_balancing: LoadBalancing = Field(
        default=LoadBalancing.LEAST_REQUEST,
        description="Which replica gets a request. StickyHeader: the same one for the same value of a header, unless "
        "that one has too much to do.",
    )
    sticky_header: HeaderName | None = Field(
        default=None, description="The header by whose value StickyHeader chooses, as x-session-id."
    )
    timeout: str = Field(
        default="60s",
        pattern=DURATION_PATTERN,
        max_length=32,
        description="How long a request may take until the last byte of its answer, streams too; from 1s to 1h.",
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "duration(self) >= duration('1s') && duration(self) <= duration('1h')",
                    "message": TIMEOUT_RANGE,
                }
            ]
        },
    )
    routes: Annotated[tuple[ContentRoute, ...], Field(max_length=16)] = Field(
        default_factory=tuple,
        description="Requests that go to a certain revision; of several that fit, the first.",
        json_schema_extra=MAP_BY_NAME,
    )
