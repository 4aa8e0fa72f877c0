"""Pods that want the same model at the same time: real processes, one fetches, the others wait and copy."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from model_runtime.arguments import SourceArguments
from model_runtime.fetch.cache import STALLED_SECONDS, Cache, Fetch, fetch_through
from model_runtime.fetch.cache_folder import open_cache
from model_runtime.fetch.cache_lock import Mode, try_lock
from model_runtime.fetch.https import https_listing
from model_runtime.fetch.progress import Progress, Reading
from model_runtime.fetch.retry import Patience
from tests.runtime.fetch.conftest import FakeTime
from tests.runtime.fetch.tiny import chat_model, with_sums
from tests.runtime.test_prepare import contents
from tests.stack.wait import wait_for
from tests.stack.webserver import Content, Handler, WebServer, serving

WEIGHTS = "/model.safetensors"
DEADLINE_SECONDS = 60


@dataclass
class GatedServer(WebServer):
    """Gives the first half of the weights, and the rest when the gate is open."""

    gate: threading.Event = field(default_factory=threading.Event)


class GatedHandler(Handler):
    web: GatedServer

    def _answer(self, status: int, body: Content | memoryview, headers: dict[str, str] | None = None) -> None:
        if self.path != WEIGHTS or self.command != "GET":
            super()._answer(status, body, headers)
            return
        half = len(body) // 2
        super()._answer(status, body[:half], headers)
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.web.gate.wait(DEADLINE_SECONDS)
            self.wfile.write(body[half:])


@dataclass
class Pod:
    """A `prepare` that runs."""

    process: "subprocess.Popen[bytes]"
    folder: Path

    def said(self) -> str:
        return (self.folder / "out").read_text()

    def ended(self) -> int:
        """Wait for its end and return the exit code."""
        return self.process.wait(DEADLINE_SECONDS)

    def has_the_model(self) -> bool:
        return contents(self.folder / "weights") == chat_model()


@pytest.fixture
def web() -> Iterator[GatedServer]:
    files = {f"/{path}": content for path, content in with_sums(chat_model()).items()}
    with serving(GatedServer(files), GatedHandler) as server:
        try:
            yield server
        finally:
            server.gate.set()  # type: ignore[attr-defined]


@pytest.fixture
def pods(web: GatedServer, tmp_path: Path) -> Iterator["Pods"]:
    (tmp_path / "cache").mkdir()
    running = Pods(web, tmp_path, _digest(web))
    yield running
    for pod in running.started:
        pod.process.kill()
        pod.process.wait()


@dataclass
class Pods:
    web: GatedServer
    tmp_path: Path
    digest: str
    started: list[Pod] = field(default_factory=list)

    def start(self) -> Pod:
        folder = self.tmp_path / f"pod-{len(self.started)}"
        folder.mkdir()
        arguments = {
            "uri": self.web.url,
            "revision": self.digest,
            "digest": self.digest,
            "task": "Chat",
            "served-name": "tiny",
            "weights": folder / "weights",
            "repository": folder / "repository",
            "cache": self.tmp_path / "cache",
            "termination-log": folder / "log",
        }
        command = [
            sys.executable,
            "-m",
            "model_runtime.prepare",
            *(f"--{name}={value}" for name, value in arguments.items()),
        ]
        with (folder / "out").open("wb") as out:
            pod = Pod(subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT), folder)
        self.started.append(pod)
        return pod

    def weights_asked(self) -> int:
        """Return how often the weights were asked for."""
        return sum(request.path == WEIGHTS and request.method == "GET" for request in self.web.requests)


def _digest(web: WebServer) -> str:
    with https_listing(SourceArguments(uri=web.url)) as listing:
        return listing.manifest.digest()


def _fetching_and_waiting(pods: Pods) -> tuple[Pod, Pod]:
    first = pods.start()
    wait_for("the first pod asks for the weights", lambda: pods.weights_asked() == 1, seconds=DEADLINE_SECONDS)
    second = pods.start()
    wait_for("the second pod waits", lambda: "another pod fetches" in second.said(), seconds=DEADLINE_SECONDS)
    return first, second


def test_of_two_pods_at_once_one_fetches_and_the_other_copies(pods: Pods) -> None:
    first, second = _fetching_and_waiting(pods)
    pods.web.gate.set()
    assert (first.ended(), second.ended()) == (0, 0)
    assert pods.weights_asked() == 1
    assert first.has_the_model()
    assert second.has_the_model()
    assert "the model is whole in it" in second.said()


def test_a_pod_that_is_killed_in_the_middle_is_followed_by_the_one_that_waited(pods: Pods) -> None:
    first, second = _fetching_and_waiting(pods)
    first.process.send_signal(signal.SIGKILL)
    assert first.ended() == -signal.SIGKILL
    pods.web.gate.set()
    assert second.ended() == 0
    assert second.has_the_model()
    assert pods.weights_asked() == 2
    third = pods.start()
    assert third.ended() == 0
    assert pods.weights_asked() == 2


def test_who_waits_tells_how_far_the_other_is(pods: Pods) -> None:
    first = pods.start()
    wait_for("the first pod asks for the weights", lambda: pods.weights_asked() == 1, seconds=DEADLINE_SECONDS)
    size, lines = sum(map(len, chat_model().values())), list[str]()
    progress = Progress(report=lines.append, now=Patience(0).clock.now)
    cache = Cache(pods.tmp_path / "cache", None, lines.append)

    def listing() -> object:
        raise AssertionError("the source was asked")

    fetch = Fetch(pods.digest, listing, pods.tmp_path / "mine", Patience(_soon()), progress)  # type: ignore[arg-type]
    waiting = threading.Thread(target=fetch_through, args=(cache, fetch))
    waiting.start()
    try:
        reading = wait_for("half of the weights are told", lambda: _some(progress), seconds=DEADLINE_SECONDS)
        assert reading.bytes_total == size
        assert reading.bytes_done < size
    finally:
        pods.web.gate.set()
        waiting.join(DEADLINE_SECONDS)
    assert first.ended() == 0
    assert contents(pods.tmp_path / "mine") == chat_model()


def _some(progress: Progress) -> Reading | None:
    reading = progress.reading()
    return reading if reading and reading.bytes_done else None


def _soon() -> float:
    return Patience(0).clock.now() + DEADLINE_SECONDS


def test_a_pod_that_is_frozen_is_not_waited_for(
    web: GatedServer, patience: Patience, fake_time: FakeTime, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    web.gate.set()
    lines: list[str] = []
    digest = _digest(web)
    cache = Cache(tmp_path / "cache", None, lines.append)
    with https_listing(SourceArguments(uri=web.url)) as listing, open_cache(cache.root) as folder:
        progress = Progress(report=lines.append, now=lambda: fake_time.now)
        fetch = Fetch(digest, lambda: listing, tmp_path / "weights", patience, progress)
        held = try_lock(folder.locks, fetch.model, Mode.EXCLUSIVE)
        assert held is not None
        with held:
            fetch_through(cache, fetch)
    assert contents(tmp_path / "weights") == chat_model()
    assert any("has been silent for" in line for line in lines)
    assert STALLED_SECONDS < fake_time.now < 2 * STALLED_SECONDS


def test_the_report_is_the_same_with_and_without_a_cache(pods: Pods) -> None:
    pods.web.gate.set()
    reports = [pod.ended() or json.loads((pod.folder / "log").read_text()) for pod in (pods.start(), pods.start())]
    assert (
        reports[0] == reports[1] == {"digest": pods.digest, "bytes": sum(map(len, chat_model().values())), "files": 4}
    )
