"""What happened to objects and when: one `kubectl get --watch` for a kind, read by a thread as it comes."""

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
    """One reading of an object and when it arrived, in seconds since the epoch."""

    at: float
    object: Object


@dataclass(slots=True)
class Watch:
    """Every reading since the watch began, by namespace and name, the oldest first."""

    _seen: dict[tuple[str, str], list[Seen]] = field(default_factory=dict)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(
        self, namespace: str, name: str, holds: Callable[[Object], bool], *, after: float, seconds: float
    ) -> Seen:
        """Return the first reading after a time of which `holds` is true; TimeoutError has the last one."""

        def found() -> Seen | None:
            readings = self._seen.get((namespace, name), [])
            return next((seen for seen in readings if seen.at >= after and holds(seen.object)), None)

        with self._news:
            seen = self._news.wait_for(found, timeout=seconds)
            last = [reading.object.get("status") for reading in self._seen.get((namespace, name), [])][-1:]
        if seen is None:
            raise TimeoutError(f"{name}: not within {seconds:.0f} s; its status: {json.dumps(last)}")
        return seen

    def read(self, stream: IO[str]) -> None:
        """Take what comes until the stream ends; kubectl writes one event on a line."""
        for line in stream:
            body = json.loads(line)["object"]
            key = body["metadata"]["namespace"], body["metadata"]["name"]
            with self._news:
                self._seen.setdefault(key, []).append(Seen(time.time(), body))
                self._news.notify_all()


@contextmanager
def watching(kubectl: Kubectl, kind: str) -> Iterator[Watch]:
    """Watch a kind in all namespaces until the block ends."""
    watch = Watch()
    arguments = ("get", kind, "--all-namespaces", "--watch", "--output-watch-events", "--output=json")
    with kubectl.start(*arguments) as process:
        assert process.stdout is not None
        reader = threading.Thread(target=watch.read, args=(process.stdout,))
        reader.start()
        try:
            yield watch
        finally:
            process.terminate()
            reader.join()
