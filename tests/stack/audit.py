"""What one user asked of the API server, from its audit log: lines in, calls out."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.stack.rights import Call


@dataclass(frozen=True, slots=True)
class AuditLog:
    """The audit log of a cluster."""

    path: Path

    def calls(self, user: str, since: datetime) -> list[Call]:
        """Return the calls of a user that came in after the moment; those for no resource (discovery) are left out."""
        with self.path.open() as log:
            entries = (json.loads(line) for line in log if user in line and line.endswith("}\n"))
            return [call_of(entry) for entry in _of(user, since, entries)]


def _of(user: str, since: datetime, entries: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        came_in = datetime.fromisoformat(entry["requestReceivedTimestamp"])
        if entry["user"].get("username") == user and came_in >= since and "objectRef" in entry:
            yield entry


def call_of(entry: dict[str, Any]) -> Call:
    """Return the call that an entry of the audit log tells of."""
    target = entry["objectRef"]
    resource = "/".join(part for part in (target["resource"], target.get("subresource")) if part)
    return Call(
        verb=entry["verb"],
        group=target.get("apiGroup", ""),
        resource=resource,
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=entry.get("responseStatus", {}).get("code", 0),
    )
