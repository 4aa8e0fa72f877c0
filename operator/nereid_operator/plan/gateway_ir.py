"""The intermediate representation of the gateway: every model it serves, all defaults resolved, no Envoy types.

Comes from plan/gateway.py, goes to render/envoy/, which adds form and decides nothing. Values only; None means absent.
"""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """What becomes of new requests: a draining or unhealthy endpoint gets none, what it has goes on."""

    HEALTHY = "Healthy"
    DRAINING = "Draining"
    UNHEALTHY = "Unhealthy"


class Balancing(StrEnum):
    """How an endpoint is chosen, in Envoy's words; StickyHeader is a ring hash with bounded load."""

    LEAST_REQUEST = "LeastRequest"
    ROUND_ROBIN = "RoundRobin"
    RANDOM = "Random"
    STICKY_HEADER = "StickyHeader"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One replica by its pod's address; `weight` is 1 to 128, a full share is 100."""

    pod: str
    address: str
    health: Health = Health.HEALTHY
    weight: int = 100


@dataclass(frozen=True, slots=True)
class Backend:
    """One revision under its Deployment's name; the ports of its replicas are those of render/ports.py."""

    name: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of a model's requests a backend gets; a model's weights sum up to 100."""

    backend: str
    weight: int


@dataclass(frozen=True, slots=True)
class ContentRoute:
    """Requests that go to one backend whatever the shares say: all of the headers, and the path where it is given.

    `headers` are (name, exact value); `path` is an exact path.
    """

    headers: tuple[tuple[str, str], ...]
    path: str | None
    backend: str


@dataclass(frozen=True, slots=True)
class GatewayModel:
    """One ModelDeployment as clients see it.

    `names` are what clients may call it: `namespace.name` always, further ones where a policy allows. `task` is that
    of the spec's enum, resolved. `balancing_header` is set for StickyHeader only. `timeout_seconds` bounds the whole
    request, streams too.
    """

    namespace: str
    name: str
    names: tuple[str, ...]
    task: str
    backends: tuple[Backend, ...]
    shares: tuple[Share, ...]
    content_routes: tuple[ContentRoute, ...]
    balancing: Balancing
    balancing_header: str | None
    timeout_seconds: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may be: bytes of its body and of its headers; how long its headers may take to arrive."""

    body_bytes: int = 32 * 2**20
    header_bytes: int = 32 * 2**10
    header_count: int = 100
    headers_seconds: int = 10
    idle_seconds: int = 300


@dataclass(frozen=True, slots=True)
class Certificate:
    """A chain and its key in PEM, as the listener serves them."""

    chain: str
    key: str


@dataclass(frozen=True, slots=True)
class Gateway:
    """All that the gateway shall be; `certificate` is None where it listens without TLS."""

    port: int
    models: tuple[GatewayModel, ...]
    limits: Limits = Limits()
    certificate: Certificate | None = None
