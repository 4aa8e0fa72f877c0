"""`nereid status --live`: the answers of the live API → text; and how the conversation with the leader fails."""

import asyncio
import copy
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from nereid_operator.api.resources import Key
from nereid_operator.cli.errors import CliError, ClusterError, MissingError
from nereid_operator.cli.live import live_model, live_models
from nereid_operator.cli.live_listing import live_details, live_table, live_table_with_namespaces
from nereid_operator.cli.live_model import LiveModel
from nereid_operator.journal import Pass
from nereid_operator.live import live_model as answered
from nereid_operator.observe import pod_facts
from nereid_operator.progress import FetchPhase, FetchProgress
from nereid_operator.queue import KeyState, Place
from tests.unit.cli.objects import NOW, ready_pod
from tests.unit.cli.objects import model as body_of
from tests.unit.cli.servers import serving

MIB = 1024 * 1024
DOWNLOADING = {
    "ended": "2026-05-04T11:59:57Z",
    "seconds": 0.0042,
    "result": "ok",
    "reason": "Downloading",
    "message": "310 of 512 MiB fetched at 42 MiB/s, about 5 s left.",
}
RESOLVING = {**DOWNLOADING, "ended": "2026-05-04T11:48:00Z", "reason": "Resolving", "message": ""}
PROGRESS = {
    "phase": "Fetching",
    "bytesDone": 310 * MIB,
    "bytesTotal": 512 * MIB,
    "bytesPerSecond": 42 * MIB,
    "secondsLeft": 5,
}
IDLE = {"state": "Idle", "seconds": 0.0, "failures": 0}


def _replica(suffix: str, phase: str, progress: dict[str, Any] | None = None, restarts: int = 0) -> dict[str, Any]:
    name = f"minilm-0a1b2c3d-{suffix}"
    return {"name": name, "revision": "0a1b2c3d", "phase": phase, "restarts": restarts, "progress": progress}


def _answer(name: str = "minilm", **more: Any) -> dict[str, Any]:
    passes = {"lastPass": DOWNLOADING, "decisions": [DOWNLOADING, RESOLVING]}
    replicas = [_replica("aaaaa", "Fetching", PROGRESS), _replica("bbbbb", "Pending"), _replica("ccccc", "Fetching")]
    known = {
        "ready": "False",
        "reason": "Downloading",
        "replicas": replicas,
        "queue": {**IDLE, **more.pop("queue", {})},
    }
    return {"namespace": "default", "name": name, **known, **passes, **more}


ANSWERS = {
    "one that fetches": _answer(queue={"state": "Later", "seconds": 1.7}),
    "one that is ready": _answer("ready", ready="True", reason="Ready", replicas=[_replica("x", "Ready", restarts=1)]),
    "one that failed": _answer("refused", queue={"state": "Later", "seconds": 63.2, "failures": 7}, replicas=[]),
    "one that waits": _answer("waiting", queue={"state": "Waiting", "seconds": 0.31, "failures": 1}),
    "one that nobody looked at": _answer(
        "unseen", ready=None, reason=None, replicas=[], queue={"state": "Running"}, lastPass=None, decisions=[]
    ),
}
MODELS = [LiveModel.model_validate(answer) for answer in ANSWERS.values()]


def test_a_table_of_live_models(golden: Callable[[str, str], None]):
    golden("live/a table of models", live_table(MODELS, now=NOW))


def test_a_table_of_live_models_with_namespaces(golden: Callable[[str, str], None]):
    golden("live/a table with namespaces", live_table_with_namespaces(MODELS, now=NOW))


@pytest.mark.parametrize("model", MODELS, ids=ANSWERS.keys())
def test_live_details(model: LiveModel, golden: Callable[[str, str], None]):
    golden(f"live/details of {model.name}", live_details(model, now=NOW))


def test_what_the_operator_answers_can_be_read():
    """Operator and command share no type for it, since they may be of two versions; of one, they must agree."""
    fetch = FetchProgress(FetchPhase.FETCHING, 1, 2, 3, None)
    one = Pass(ended=datetime(2026, 1, 1, tzinfo=UTC), seconds=0.1, result="ok", reason="Ready", message="…")
    pod = replace(pod_facts(ready_pod()), fetch=fetch)
    answer = answered(
        Key("default", "minilm"),
        body_of(),
        pods=[pod],
        queue=KeyState(Place.LATER, 1.5, 2),
        latest=one,
        decisions=[one],
    )
    model = LiveModel.model_validate(answer)
    assert model.replicas[0].progress == fetch
    assert (model.last_pass, model.decisions[0]) == (model.decisions[0], model.last_pass)
    assert (model.queue.state, model.queue.failures) == (Place.LATER, 2)


def _ask(port: int) -> tuple[LiveModel, ...]:
    return live_models(lambda: socket.create_connection(("127.0.0.1", port)))


async def _asked(status: int, answer: object) -> tuple[LiveModel, ...]:
    async def respond(_: web.Request) -> web.Response:
        if isinstance(answer, str):
            return web.Response(status=status, text=answer)
        return web.json_response(answer, status=status)

    async with serving(web.get("/v1/models", respond)) as port:
        return await asyncio.to_thread(_ask, port)


async def test_every_model_is_read():
    assert list(await _asked(200, {"models": list(ANSWERS.values())})) == MODELS


async def test_one_model_is_read_and_a_name_is_no_path():
    asked: list[str] = []

    async def respond(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.json_response(_answer())

    async with serving(web.get("/v1/models/{namespace}/{name}", respond)) as port:
        address = ("127.0.0.1", port)
        await asyncio.to_thread(live_model, lambda: socket.create_connection(address), Key("default", "a/../b?c"))
    assert asked == ["/v1/models/default/a%2F..%2Fb%3Fc"]


def _without(field: str) -> dict[str, Any]:
    answer = copy.deepcopy(_answer())
    del answer[field]
    return answer


FAILURES: dict[str, tuple[int, object, type[CliError], str]] = {
    "a follower that knows the leader": (
        503,
        {"error": "this operator does not lead", "leader": "nereid-operator-b"},
        ClusterError,
        "the operator that was asked does not lead any more, pod nereid-operator-b does: ask again",
    ),
    "a follower that knows none": (
        503,
        {"error": "this operator does not lead", "leader": None},
        ClusterError,
        "does not lead any more, nobody does at the moment: ask again",
    ),
    "a model that is not there": (
        404,
        {"error": "there is no ModelDeployment default/gone"},
        MissingError,
        "there is no ModelDeployment default/gone",
    ),
    "an operator that has no such path": (
        404,
        "404: Not Found",
        ClusterError,
        "the operator answered 404: it is of a version without these live numbers",
    ),
    "an answer that lacks a field": (
        200,
        {"models": [_without("queue")]},
        ClusterError,
        "the operator is of another version than this command: models.0.queue: Field required",
    ),
    "a progress that is none": (
        200,
        {"models": [_answer(replicas=[_replica("x", "Fetching", {**PROGRESS, "phase": "Thinking"})])]},
        ClusterError,
        "models.0.replicas.0.progress: ",
    ),
    "an answer that is no JSON": (200, "<html>", ClusterError, "the operator is of another version than this command"),
}


@pytest.mark.parametrize(("status", "answer", "kind", "words"), FAILURES.values(), ids=FAILURES.keys())
async def test_failures_are_one_line(status: int, answer: object, kind: type[CliError], words: str):
    with pytest.raises(kind) as raised:
        await _asked(status, answer)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
