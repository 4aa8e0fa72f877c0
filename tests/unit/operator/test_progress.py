"""What a pod tells of its fetch: read field by field, in words, and asked without waiting for those who are silent."""

import asyncio
import json
import zlib
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from nereid_operator.api.resources import POD, Key
from nereid_operator.cache import Cache
from nereid_operator.clients.progress import ProgressClient
from nereid_operator.fetches import CONCURRENCY, Fetches
from nereid_operator.observe import pod_facts
from nereid_operator.progress import FetchPhase, FetchProgress, fetch_progress, sentence
from nereid_operator.waiting import why_waiting

MIB = 1 << 20
BODY = {
    "phase": "Fetching",
    "bytesDone": 310 * MIB,
    "bytesTotal": 512 * MIB,
    "bytesPerSecond": 42 * MIB,
    "secondsLeft": 5,
}
SENTENCES = {
    "310 of 512 MiB fetched at 42 MiB/s, about 5 s left.": {},
    "310 of 512 MiB fetched; nothing comes from the source at the moment.": {"bytesPerSecond": 0, "secondsLeft": None},
    "512 MiB fetched and being verified.": {"phase": "Verifying", "bytesDone": 512 * MIB, "secondsLeft": 0},
    "0.3 of 140 GiB fetched at 42 MiB/s, about 57 min left.": {"bytesTotal": 140 << 30, "secondsLeft": 3400},
    "310 of 512 MiB fetched at 0.1 MiB/s, about 6 h left.": {"bytesPerSecond": 100_000, "secondsLeft": 21_180},
}


@pytest.mark.parametrize("words", SENTENCES)
def test_a_reading_in_words(words: str):
    assert sentence(fetch_progress(BODY | SENTENCES[words])) == words


WRONG: dict[str, Any] = {
    "no object": [],
    "a phase that is none": BODY | {"phase": "Dreaming"},
    "no phase": {name: value for name, value in BODY.items() if name != "phase"},
    "text for a number": BODY | {"bytesDone": "1"},
    "less than nothing": BODY | {"bytesTotal": -1},
    "no whole number": BODY | {"bytesPerSecond": 0.5},
    "more than there can be": BODY | {"bytesDone": 1 << 200},
    "true is no number": BODY | {"secondsLeft": True},
}


@pytest.mark.parametrize("sentence_", WRONG)
def test_what_is_not_of_the_contract_is_refused(sentence_: str):
    with pytest.raises(ValueError, match=r"must be|no object|Dreaming|None"):
        fetch_progress(WRONG[sentence_])


def test_of_several_pods_the_one_farthest_behind_speaks():
    pods = tuple(_facts(f"p{done}", fetch=fetch_progress(BODY | {"bytesDone": done * MIB})) for done in (300, 7, 500))
    assert why_waiting(None, pods, size_bytes=1).message.startswith("7.0 of 512 MiB")


def _facts(name: str, **facts: Any) -> Any:
    return replace(pod_facts(_body(name)), **facts)


def _body(name: str, *, running: bool = True, ip: str = "10.0.0.1") -> dict[str, Any]:
    state = {"running": {}} if running else {"terminated": {"exitCode": 0}}
    return {
        "metadata": {"name": name, "uid": name, "namespace": "n", "labels": {"nereid.dev/model": "m"}},
        "status": {"podIP": ip, "initContainerStatuses": [{"name": "prepare", "state": state}]},
    }


class _Pods:
    """Pods that answer, and how many of them were asked at once."""

    def __init__(self, reading: FetchProgress | None) -> None:
        self.reading = reading
        self.asked: list[str] = []
        self.most = self.at_once = 0

    async def read(self, address: str) -> FetchProgress | None:
        self.asked.append(address)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return self.reading


def _fetches(pods: _Pods, cache: Cache, now: list[float]) -> Fetches:
    return Fetches(cache, pods.read, clock=lambda: now[0])


async def test_only_pods_that_fetch_are_asked_and_the_first_answer_asks_for_a_pass():
    cache, pods, now = Cache(), _Pods(fetch_progress(BODY)), [0.0]
    cache.put(POD, _body("fetching"))
    cache.put(POD, _body("done", running=False, ip="10.0.0.2"))
    cache.put(POD, _body("no-address", ip=""))
    fetches = _fetches(pods, cache, now)
    assert await fetches.ask() == [Key("n", "m")]
    assert await fetches.ask() == []
    assert set(pods.asked) == {"10.0.0.1"}
    found = fetches.of(pod_facts(_body("fetching")))
    assert found is not None
    assert found.phase is FetchPhase.FETCHING


async def test_what_a_pod_told_is_forgotten_when_it_is_silent_or_done():
    cache, pods, now = Cache(), _Pods(fetch_progress(BODY)), [0.0]
    cache.put(POD, _body("fetching"))
    fetches = _fetches(pods, cache, now)
    await fetches.ask()
    pods.reading, now[0] = None, 9.0
    await fetches.ask()
    assert fetches.of(pod_facts(_body("fetching"))) is not None
    assert fetches.of(pod_facts(_body("fetching", running=False))) is None
    now[0] = 10.0
    assert fetches.of(pod_facts(_body("fetching"))) is None
    cache.drop(POD, _body("fetching"))
    await fetches.ask()
    assert fetches._readings == {}


async def test_many_pods_are_asked_a_few_at_a_time():
    cache, pods = Cache(), _Pods(None)
    for number in range(100):
        cache.put(POD, _body(f"p{number}"))
    await _fetches(pods, cache, [0.0]).ask()
    assert len(pods.asked) == 100
    assert pods.most == CONCURRENCY


ANSWERS = {
    "a reading": (web.json_response(BODY), True),
    "no JSON": (web.Response(text="<html>"), False),
    "no object": (web.json_response([1]), False),
    "an error": (web.json_response(BODY, status=503), False),
    "a way elsewhere": (web.Response(status=302, headers={"Location": "/progress"}), False),
    "more than it may say": (web.json_response(BODY | {"padding": "x" * 10_000}), False),
    "nothing": (web.Response(), False),
    "what is short only while it is packed": (
        web.Response(
            body=zlib.compress(json.dumps(BODY).encode() + b" " * 1_000_000), headers={"Content-Encoding": "deflate"}
        ),
        False,
    ),
}


@pytest.mark.parametrize("sentence_", ANSWERS)
async def test_an_answer_that_cannot_be_used_is_none(sentence_: str):
    answer, usable = ANSWERS[sentence_]

    async def handle(_: web.Request) -> web.StreamResponse:
        return answer

    app = web.Application()
    app.router.add_get("/progress", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = ProgressClient(port=runner.addresses[0][1])
    try:
        assert (await client.read("127.0.0.1") is not None) == usable
    finally:
        await client.close()
        await runner.cleanup()


async def test_a_pod_that_is_not_there_is_none():
    client = ProgressClient(port=1)
    assert await client.read("127.0.0.1") is None
    assert await client.read("::1") is None
    await client.close()
