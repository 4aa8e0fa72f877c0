"""`nereid gateway dump`: what the gateways do with a model, in plain words. Values → text, pure."""

from collections.abc import Iterator

from nereid_operator.cli.gateway_model import GatewayDump, RoutedContent, RoutedRevision, RoutedTraffic
from nereid_operator.cli.text import counted, sentence, table

_HEALTH = {
    "Healthy": "gets requests",
    "Draining": "is going: nothing new, what it has goes on",
    "Unhealthy": "does not answer: nothing new",
}
_NEVER = "The gateway knows nothing of it: it never served. nereid why says what it waits for."


def dumped(dump: GatewayDump) -> str:
    """Return everything that the gateways are told of one model."""
    lines = table(_rows(dump))
    if dump.traffic is None:
        return "\n".join([*lines, "", _NEVER])
    for revision in sorted(dump.traffic.revisions, key=lambda one: -one.weight):
        lines += ["", *_revision(revision)]
    if dump.traffic.routes:
        lines += ["", "Before that, the first that fits:", *table(map(_route, dump.traffic.routes), indent="  ")]
    return "\n".join(lines)


def _rows(dump: GatewayDump) -> Iterator[tuple[str, str]]:
    yield "Name:", f"{dump.namespace}/{dump.name}"
    yield "Clients:", f"{dump.url}, model {' or '.join(dump.names)}"
    if dump.taken is not None:
        yield "", f"{dump.taken.name} is the name of {dump.taken.holder}, which is older"
    if dump.traffic is not None:
        yield "Requests:", _requests(dump.traffic)
    yield "Gateways:", _gateways(dump)
    if dump.rejection is not None:
        yield "Refused:", sentence(dump.rejection)


def _requests(traffic: RoutedTraffic) -> str:
    sticky = f" by {traffic.sticky_header}" if traffic.sticky_header else ""
    return f"{traffic.task}, {traffic.load_balancing}{sticky}, {traffic.timeout_seconds} s at most"


def _gateways(dump: GatewayDump) -> str:
    if not dump.gateways:
        return "none is connected"
    words = f"{counted(len(dump.gateways), 'gateway')} connected"
    if dump.traffic is None:
        return words
    behind = [one.name for one in dump.gateways if not one.current]
    return f"{words}, not up to date: {', '.join(behind)}" if behind else f"{words}, up to date"


def _revision(revision: RoutedRevision) -> Iterator[str]:
    part = "all requests" if revision.weight == 100 else f"{revision.weight} % of the requests"
    yield f"{revision.name}: {part if revision.weight else 'no requests but those below, and what it has'}"
    if not revision.endpoints:
        yield "  no replica: clients get 503"
        return
    rows = ((one.pod, one.address, _HEALTH.get(one.health, one.health)) for one in revision.endpoints)
    yield from table(rows, indent="  ")


def _route(route: RoutedContent) -> tuple[str, str]:
    words = [f"{header.name}: {header.value}" for header in route.headers]
    return " and ".join([*([f"path {route.path}"] if route.path else []), *words]), f"→ {route.revision}"
