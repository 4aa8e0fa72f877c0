"""The latest Events about a model and the objects that hold it up. Pure; called by why."""

from collections.abc import Iterable
from datetime import datetime

from nereid_operator.api.resources import MODEL_DEPLOYMENT, Body
from nereid_operator.cli.causes import Cause
from nereid_operator.cli.evidence import Evidence
from nereid_operator.cli.text import age, sentence, table
from nereid_operator.scheduling import plain

MOST_EVENTS = 5
_LONGEST_MESSAGE = 240


def latest_events(evidence: Evidence, causes: Iterable[Cause], *, now: datetime) -> list[str]:
    """Return at most five Events as lines, the newest first; none when nothing was said."""
    named = [(cause.kind.rstrip("s"), name) for cause in causes for name in cause.objects]
    objects = {(MODEL_DEPLOYMENT.kind, evidence.model["metadata"]["name"]), *named}
    about = sorted((event for event in evidence.events if _concerns(event, objects)), key=_time, reverse=True)
    rows = [_row(event, now) for event in about[:MOST_EVENTS]]
    return table(rows, indent="  ") if rows else []


def _concerns(event: Body, objects: set[tuple[str, str]]) -> bool:
    """Return whether an Event is about one of the objects, or about the ReplicaSet of a Deployment among them."""
    about = event.get("involvedObject", {})
    kind, name = about.get("kind", ""), about.get("name", "")
    if kind == "ReplicaSet":
        return ("Deployment", name.rpartition("-")[0]) in objects
    return (kind, name) in objects


def _time(event: Body) -> str:
    """Return when an Event was last seen; each generation of the API keeps it elsewhere."""
    series = (event.get("series") or {}).get("lastObservedTime")
    created = event["metadata"].get("creationTimestamp")
    return str(series or event.get("lastTimestamp") or event.get("eventTime") or created or "")


def _row(event: Body, now: datetime) -> tuple[str, ...]:
    about = event["involvedObject"]
    message = sentence(plain(event.get("message") or "", {}))
    shown = message if len(message) <= _LONGEST_MESSAGE else f"{message[: _LONGEST_MESSAGE - 1]}…"
    passed = age(_time(event), now)
    return (
        f"{passed} ago" if passed else "",
        event.get("reason") or "",
        f"{about.get('kind', '')}/{about.get('name', '')}",
        shown,
    )
