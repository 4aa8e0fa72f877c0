"""The one watch of the tests, over a program that prints what kubectl would."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from tests.stack.kubectl import Object
from tests.stack.watching import watching


@dataclass
class Printing:
    """Stands for kubectl: prints watch events, a line each, and goes on running as a watch does."""

    events: list[dict[str, Any]]
    arguments: tuple[str, ...] = ()

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        self.arguments = arguments
        lines = "".join(f"{json.dumps(event)}\n" for event in self.events)
        program = f"import sys, time; sys.stdout.write({lines!r}); sys.stdout.flush(); time.sleep(600)"
        return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def _event(kind: str, name: str, count: int) -> dict[str, Any]:
    metadata = {"namespace": "default", "name": name}
    return {"type": kind, "object": {"metadata": metadata, "status": {"count": count}}}


EVENTS = [_event("ADDED", "a", 1), _event("ADDED", "b", 2), _event("MODIFIED", "a", 2)]


def _has_two(body: Object) -> bool:
    return bool(body["status"]["count"] == 2)


def test_the_first_reading_that_holds_is_that_of_the_object_which_was_asked_for():
    kubectl: Any = Printing(EVENTS)
    with watching(kubectl, "things", "-n", "default") as watch:
        seen = watch.wait_for("default", "a", _has_two, after=0.0, seconds=60)
    assert (seen.type, seen.object["metadata"]["name"]) == ("MODIFIED", "a")
    assert kubectl.arguments[:4] == ("get", "things", "-n", "default")


def test_all_events_are_there_when_the_watch_has_ended_in_their_order():
    kubectl: Any = Printing(EVENTS)
    with watching(kubectl, "things") as watch:
        watch.wait_for("default", "b", _has_two, after=0.0, seconds=60)
    assert [(seen.type, seen.object) for seen in watch.events] == [(one["type"], one["object"]) for one in EVENTS]


def test_what_does_not_come_in_time_is_told_with_the_last_status():
    kubectl: Any = Printing(EVENTS)
    with watching(kubectl, "things") as watch:
        watch.wait_for("default", "a", _has_two, after=0.0, seconds=60)
        with pytest.raises(TimeoutError, match=r'a: not within 0 s; its status: \[\{"count": 2\}\]'):
            watch.wait_for("default", "a", lambda _: False, after=0.0, seconds=0.01)
