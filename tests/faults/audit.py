"""What the API server's audit log says of writes and of the Lease. Pure but for reading the file."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_WRITES = {"create", "update", "patch", "delete"}


@dataclass(frozen=True)
class Entry:
    """One answered write: by whom, of what, when it came in and when it was answered."""

    user: str
    what: str
    code: int
    received: datetime
    answered: datetime
    is_lease: bool


def writes(log: Path, namespace: str, *, offset: int) -> list[Entry]:
    """Return the writes in a namespace that stand behind an offset in the log, by the time at which they came in."""
    with log.open("rb") as file:
        file.seek(offset)
        lines = file.read().splitlines()
    found = (json.loads(line) for line in lines if f'"{namespace}"'.encode() in line)
    entries = (_entry(item) for item in found if item["verb"] in _WRITES)
    return sorted(entries, key=lambda entry: entry.received)


def acquisitions(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield each first write of the Lease by another user than before; only who takes it over writes it then."""
    holder = ""
    for entry in entries:
        if entry.is_lease and entry.code < 300 and entry.user != holder:
            holder = entry.user
            yield entry


def out_of_turn(entries: Sequence[Entry]) -> list[Entry]:
    """Return the writes that came in after another user's acquisition had been answered."""
    turns = list(acquisitions(entries))
    return [
        entry
        for entry in entries
        if not entry.is_lease and (turn := _turn_at(turns, entry.received)) is not None and turn.user != entry.user
    ]


def _turn_at(turns: Sequence[Entry], moment: datetime) -> Entry | None:
    return next((turn for turn in reversed(turns) if turn.answered <= moment), None)


def _entry(item: dict) -> Entry:
    reference = item.get("objectRef", {})
    return Entry(
        user=item["user"]["username"],
        what=f"{item['verb']} {reference.get('resource')}/{reference.get('name', '')}",
        code=item.get("responseStatus", {}).get("code", 0),
        received=datetime.fromisoformat(item["requestReceivedTimestamp"]),
        answered=datetime.fromisoformat(item["stageTimestamp"]),
        is_lease=reference.get("resource") == "leases",
    )
