"""What happened to objects and when: one `kubectl get --watch` for a kind, read by a thread as it comes.

The only way tests watch: wait_for while it runs, or the events afterwards.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from tests.stack.kubectl import Kubectl, Object


@dataclass(frozen=True, slots=True)
class Seen:
    """One watch event and when it arrived, in seconds since the epoch; `type` is ADDED, MODIFIED or DELETED."""

    at: float
    type: str
    object: Object

    def is_about(self, namespace: str, name: str) -> bool:
        """Return whether this is the object it happened to."""
        metadata = self.object["metadata"]
        return (metadata["namespace"], metadata["name"]) == (namespace, name)


@dataclass(slots=True)
class Watch:
    """Every event since the watch began, the oldest first; the objects that were there came as ADDED."""

    _seen: list[Seen] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def events(self) -> tuple[Seen, ...]:
        """Return what was seen so far; after the watch has ended, everything."""
        with self._news:
            return tuple(self._seen)

    def wait_for(
        self, namespace: str, name: str, holds: Callable[[Object], bool], *, after: float, seconds: float
    ) -> Seen:
        """Return the first reading after a time of which `holds` is true; TimeoutError has the last one."""

        def readings() -> Iterator[Seen]:
            return (seen for seen in self._seen if seen.is_about(namespace, name))

        def found() -> Seen | None:
            return next((seen for seen in readings() if seen.at >= after and holds(seen.object)), None)

        with self._news:
            seen = self._news.wait_for(found, timeout=seconds)
            last = [reading.object.get("status") for reading in readings()][-1:]
        if seen is None:
            raise TimeoutError(f"{name}: not within {seconds:.0f} s; its status: {json.dumps(last)}")
        return seen

    def read(self, stream: IO[str]) -> None:
        """Take what comes until the stream ends; kubectl writes one event on a line."""
        for line in stream:
            event = json.loads(line)
            with self._news:
                self._seen.append(Seen(time.time(), event["type"], event["object"]))
                self._news.notify_all()


@contextmanager
def watching(kubectl: Kubectl, kind: str, *where: str) -> Iterator[Watch]:
    """Watch a kind until the block ends; `where` are arguments of kubectl, such as -n and -l."""
    watch = Watch()
    arguments = ("get", kind, *where, "--watch", "--output-watch-events", "--output=json")
    with kubectl.start(*arguments) as process:
        assert process.stdout is not None
        reader = threading.Thread(target=watch.read, args=(process.stdout,))
        reader.start()
        try:
            yield watch
        finally:
            process.terminate()
            reader.join()
