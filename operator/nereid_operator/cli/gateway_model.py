"""What the live API says of a model in the gateway (docs/api.md), as values. Pure; read by live, shown by dump."""

from nereid_operator.api.api_type import ApiType


class GatewayState(ApiType):
    """One gateway that is connected; `current` is whether it has all that it was told of the model."""

    name: str
    current: bool


class TakenName(ApiType):
    """A name that the model would have, and the model that has it."""

    name: str
    holder: str


class RoutedEndpoint(ApiType):
    """One replica."""

    pod: str
    address: str
    health: str
    weight: int


class RoutedRevision(ApiType):
    """One revision; `weight` is its part of the requests in percent."""

    name: str
    weight: int
    endpoints: tuple[RoutedEndpoint, ...]


class RoutedHeader(ApiType):
    """A header that a request must have."""

    name: str
    value: str


class RoutedContent(ApiType):
    """A route by what a request has in it."""

    headers: tuple[RoutedHeader, ...]
    path: str | None
    revision: str


class RoutedTraffic(ApiType):
    """What becomes of the model's requests."""

    task: str
    load_balancing: str
    sticky_header: str | None
    timeout_seconds: int
    revisions: tuple[RoutedRevision, ...]
    routes: tuple[RoutedContent, ...]


class GatewayDump(ApiType):
    """One model as the gateways are told of it; `traffic` is None for one that never served."""

    namespace: str
    name: str
    url: str
    names: tuple[str, ...]
    taken: TakenName | None
    gateways: tuple[GatewayState, ...]
    rejection: str | None
    traffic: RoutedTraffic | None
