"""The API server's audit log → what was written when, by whom. Pure but for `AuditLog`, which reads the file.

Every request stands there once, when it was answered. Leases are left out: a leader renews its own for ever.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from bench.errors import BenchError

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Write:
    """One request that changes something. Times are seconds since the epoch, by the API server's clock."""

    user: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    received: float
    answered: float


@dataclass(frozen=True, slots=True)
class AuditLog:
    """The file, read from a position on."""

    path: Path

    def position(self) -> int:
        """Return where the next entry will stand."""
        return self.path.stat().st_size

    def writes(self, start: int, user: str) -> tuple[Write, ...]:
        """Return what a user wrote since that position."""
        needle = f'"username":"{user}"'.encode()
        with self.path.open("rb") as file:
            file.seek(start)
            # The last line may be half written.
            found = (parse(line) for line in file if needle in line and line.endswith(b"\n"))
            return tuple(write for write in found if write is not None)


def parse(line: bytes) -> Write | None:
    """Return the write that a line tells of; None for reads and Leases."""
    entry = orjson.loads(line)
    target = entry.get("objectRef") or {}
    if entry["verb"] not in WRITES or target.get("resource") == "leases":
        return None
    return Write(
        user=entry["user"]["username"],
        verb=entry["verb"],
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=entry.get("responseStatus", {}).get("code", 0),
        received=_seconds(entry["requestReceivedTimestamp"]),
        answered=_seconds(entry["stageTimestamp"]),
    )


def child_writes(writes: Iterable[Write], kinds: frozenset[str]) -> tuple[Write, ...]:
    """Return the writes that made or changed objects of these kinds (plurals)."""
    return tuple(write for write in writes if write.resource in kinds and write.code < 300)


def missing(writes: Iterable[Write], wanted: frozenset[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Return which (plural, name) of the wanted objects nobody has written."""
    return wanted - {(write.resource, write.name) for write in writes}


def span_seconds(writes: Iterable[Write]) -> float:
    """Return the time from the first request's arrival to the last one's answer."""
    times = [(write.received, write.answered) for write in writes]
    if not times:
        raise BenchError("nothing was written, so nothing can be timed")
    return max(answered for _, answered in times) - min(received for received, _ in times)


def arrival_seconds(writes: Iterable[Write], kinds: frozenset[str]) -> float:
    """Return the time from the first write at all to the answer of the last write of a child."""
    writes = tuple(writes)
    return span_seconds([*sorted(writes, key=lambda write: write.received)[:1], *child_writes(writes, kinds)])


def edit_delays(edits: Mapping[str, float], writes: Iterable[Write]) -> list[float]:
    """Return for each edit the time to the answer of the first child write that follows.

    `edits` has for each ModelDeployment when its edit reached the API server; children are called `<name>` or
    `<name>-…`.
    """
    first: dict[str, float] = {}
    for write in writes:
        owner = write.name.partition("-")[0]
        if owner in edits and write.received >= edits[owner]:
            first[owner] = min(write.answered, first.get(owner, write.answered))
    if lost := sorted(edits.keys() - first.keys()):
        raise BenchError(f"{len(lost)} of {len(edits)} edits were followed by no write, the first of {lost[0]}")
    return [first[owner] - received for owner, received in edits.items()]


def counted(writes: Iterable[Write]) -> Iterator[str]:
    """Return a line for each sort of write, for the message of a run that wrote what it should not."""
    sorts: dict[str, int] = {}
    for write in writes:
        resource = "/".join(part for part in (write.resource, write.subresource) if part)
        sort = f"{write.verb} {resource} {write.code}"
        sorts[sort] = sorts.get(sort, 0) + 1
    yield from (f"{count} x {sort}" for sort, count in sorted(sorts.items()))


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
