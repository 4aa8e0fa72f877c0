"""The end of a pod as the two containers live through it: real processes, signals and streams."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from model_runtime.drain import find_frontend
from tests.runtime.conftest import REPOSITORY, Frontend, frontend
from tests.runtime.frontend.stand_in import PIECES, StandIn
from tests.stack.wait import wait_for

QUESTION: list[Any] = [{"role": "user", "content": "Hi"}]
TEXT = "".join(piece[0] for piece in PIECES)
GRACE_SECONDS = 1.5


@pytest.fixture
def served(stand_in: StandIn, smollm2: Path, tmp_path: Path) -> Iterator[Frontend]:
    with frontend(stand_in.address, "Chat", "m", smollm2, tmp_path) as started:
        yield started


def port_of(served: Frontend) -> str:
    return served.url.rsplit(":", 1)[1]


@contextmanager
def draining(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the drain until the block ends."""
    command = [sys.executable, "-m", "model_runtime.drain", *arguments]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def draining_frontend(served: Frontend, seconds: float = 60) -> Any:
    return draining(
        "frontend", "--port", port_of(served), "--grace-seconds", str(GRACE_SECONDS), "--seconds", str(seconds)
    )


def readyz(served: Frontend) -> tuple[int, str, str | None]:
    try:
        with urllib.request.urlopen(f"{served.url}/readyz", timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers["x-nereid-in-flight"]
    except urllib.error.HTTPError as failure:
        with failure:
            return failure.code, failure.read().decode(), failure.headers["x-nereid-in-flight"]


def client_of(served: Frontend) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0, timeout=60)


def refused(client: openai.OpenAI) -> openai.APIStatusError | None:
    """Return the refusal of a replica that takes no more; what is asked is wrong, so that it is never carried out."""
    with pytest.raises(openai.APIStatusError) as failure:
        client.chat.completions.create(model="m", messages=QUESTION, n=9)
    return failure.value if failure.value.status_code == 503 else None


def test_streams_in_flight_end_and_new_requests_go_elsewhere(served: Frontend, stand_in: StandIn) -> None:
    with client_of(served) as client, client_of(served) as other:
        stand_in.hold()
        stream = iter(client.chat.completions.create(model="m", messages=QUESTION, stream=True))
        chunks = [next(stream), next(stream)]
        assert readyz(served) == (200, "ok\n", "1")
        with draining_frontend(served) as drain:
            wait_for("not ready", lambda: readyz(served) == (503, "draining\n", "1"), seconds=10, interval=0.02)
            # Services have not forgotten the pod: its requests are still served.
            late = iter(other.chat.completions.create(model="m", messages=QUESTION, stream=True))
            late_chunks = [next(late), next(late)]
            error = wait_for("a refusal", lambda: refused(other) if drain.poll() is None else None, seconds=10)
            assert error.status_code == 503
            assert error.code == "draining"
            told = error.response.headers
            assert (told["x-nereid-draining"], told["retry-after"], told["connection"]) == ("true", "1", "close")
            assert drain.poll() is None  # it waits for the two streams
            stand_in.release()
            for given, rest in ((chunks, stream), (late_chunks, late)):
                text = "".join(chunk.choices[0].delta.content or "" for chunk in [*given, *rest])
                assert text == TEXT
            assert drain.wait(timeout=20) == 0
        os.kill(served.pid, signal.SIGTERM)
        wait_for("the termination log", served.has_told_its_end, seconds=20)
        assert json.loads(served.termination_log.read_text()) == {}


def test_the_drain_ends_when_its_time_is_over(served: Frontend, stand_in: StandIn) -> None:
    with client_of(served) as client:
        stand_in.hold()
        stream = client.chat.completions.create(model="m", messages=QUESTION, stream=True)
        next(iter(stream))
        with draining_frontend(served, seconds=0.5) as drain:
            assert drain.wait(timeout=30) == 0
        assert readyz(served) == (503, "draining\n", "1")
        stream.close()


def test_sigterm_loses_no_stream_and_the_port_is_open_until_the_last_one(served: Frontend, stand_in: StandIn) -> None:
    with client_of(served) as client, client_of(served) as other:
        stand_in.hold()
        stream = iter(client.chat.completions.create(model="m", messages=QUESTION, stream=True))
        chunks = [next(stream)]
        os.kill(served.pid, signal.SIGTERM)
        error = wait_for("a refusal", lambda: refused(other), seconds=10)
        assert error.response.headers["x-nereid-draining"] == "true"
        waiting = ("triton", "--frontend-port", port_of(served), "--grace-seconds", "0", "--seconds", "60")
        with draining(*waiting) as drain:
            with pytest.raises(subprocess.TimeoutExpired):
                drain.wait(timeout=1)  # Triton goes on while the frontend has something in flight
            stand_in.release()
            chunks += list(stream)
            assert chunks[-1].choices[0].finish_reason == "stop"
            assert drain.wait(timeout=20) == 0


def test_clients_that_try_again_lose_nothing_over_a_whole_end(
    served: Frontend, stand_in: StandIn, smollm2: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Eight clients ask without pause while one of two replicas drains and ends; each goes to the other on a 503."""
    ended, answers, lost = threading.Event(), [], []
    with frontend(stand_in.address, "Chat", "m", smollm2, tmp_path_factory.mktemp("other")) as other:

        def ask_on() -> None:
            with client_of(served) as first, client_of(other) as second:
                while not ended.is_set():
                    ask(first, second)

        def ask(first: openai.OpenAI, second: openai.OpenAI) -> None:
            # A Service sends nothing to the pod any more once the grace is over, at the latest when it listens no more.
            for client in [second] if gone.is_set() else [first, second]:
                try:
                    pieces = list(client.chat.completions.create(model="m", messages=QUESTION, stream=True))
                except openai.APIStatusError as error:
                    lost.extend([] if error.response.headers.get("x-nereid-draining") else [error])
                    continue
                answers.append("".join(piece.choices[0].delta.content or "" for piece in pieces))
                return

        gone = threading.Event()
        threads = [threading.Thread(target=ask_on) for _ in range(8)]
        for thread in threads:
            thread.start()
        try:
            with draining_frontend(served) as drain:
                assert drain.wait(timeout=60) == 0
            before = len(answers)
            gone.set()
            wait_for("answers of the other replica", lambda: len(answers) > before + 20, seconds=30)
            os.kill(served.pid, signal.SIGTERM)
            wait_for("the termination log", served.has_told_its_end, seconds=20)
        finally:
            ended.set()
            for thread in threads:
                thread.join()
    assert lost == []
    assert set(answers) == {TEXT}


def test_without_a_frontend_the_drain_says_so() -> None:
    with draining("frontend", "--port", "1", "--grace-seconds", "0", "--seconds", "1") as drain:
        assert drain.stderr is not None
        assert drain.stderr.read() == b"no process of model_runtime.frontend has --port 1: nothing to drain\n"
        assert drain.wait(timeout=10) == 1


def test_triton_waits_no_longer_than_it_may() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        began = time.monotonic()
        waiting = ("triton", "--frontend-port", port, "--grace-seconds", "0.2", "--seconds", "0.3")
        with draining(*waiting) as drain:
            assert drain.wait(timeout=8) == 0
        assert time.monotonic() - began >= 0.5


COMMAND = ["python3", "-m", "model_runtime.frontend", "--task", "Chat", "--port", "8080"]
PROCESSES = [
    ("a frontend", COMMAND, 8080, True),
    ("a frontend with its port in one word", [*COMMAND[:-2], "--port=8080"], 8080, True),
    ("a frontend of another port", COMMAND, 8081, False),
    ("the drain itself", ["python3", "-m", "model_runtime.drain", "frontend", "--port", "8080"], 8080, False),
    ("a shell that names it", ["sh", "-c", "model_runtime.frontend --port 8080"], 8080, False),
    ("a process that has ended", [], 8080, False),
]


@pytest.mark.parametrize(("sentence", "words", "port", "found"), PROCESSES, ids=[row[0] for row in PROCESSES])
def test_the_frontend_is_found_among_the_processes(
    tmp_path: Path, sentence: str, words: list[str], port: int, found: bool
) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "7").mkdir()
    (tmp_path / "12").mkdir()
    (tmp_path / "12" / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
    assert find_frontend(tmp_path, port) == (12 if found else None)
