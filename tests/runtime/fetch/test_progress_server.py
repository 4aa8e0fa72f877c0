"""GET /progress: what it answers and when, and that it takes nothing from the fetch when it cannot be served."""

import socket

import httpx
import pytest

from model_runtime.fetch.progress import Progress
from model_runtime.fetch.progress_server import serving_progress
from tests.runtime.fetch.conftest import FakeTime
from tests.stack import ports


@pytest.fixture
def free_port() -> int:
    return ports.free_port()


def test_the_answer_follows_the_fetch(progress: Progress, fake_time: FakeTime, free_port: int) -> None:
    with serving_progress(progress, free_port, print) as port:
        url = f"http://127.0.0.1:{port}/progress"
        assert httpx.get(url).status_code == 503
        progress.begin(1000)
        assert httpx.get(url).json()["secondsLeft"] is None
        fake_time.sleep(2)
        progress.add(400)
        assert httpx.get(url).json() == {
            "phase": "Fetching",
            "bytesDone": 400,
            "bytesTotal": 1000,
            "bytesPerSecond": 200,
            "secondsLeft": 3,
        }
        progress.finish()
        assert httpx.get(url).json()["phase"] == "Verifying"
        assert httpx.get(f"http://127.0.0.1:{port}/other").status_code == 404
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_port_that_is_taken_costs_a_line_and_nothing_else(progress: Progress, free_port: int) -> None:
    lines: list[str] = []
    with (
        serving_progress(progress, free_port, print),
        serving_progress(progress, free_port, lines.append) as second,
    ):
        assert second is None
    assert lines == [f"the progress is not served on port {free_port}: [Errno 98] Address already in use"]


def test_nothing_is_served_where_nobody_asked(progress: Progress) -> None:
    with serving_progress(progress, None, print) as port:
        assert port is None


def test_a_client_that_says_nothing_keeps_nobody_waiting(progress: Progress, free_port: int) -> None:
    with (
        serving_progress(progress, free_port, lambda _: None) as port,
        socket.create_connection(("127.0.0.1", free_port)),
    ):
        assert httpx.get(f"http://127.0.0.1:{port}/progress").status_code == 503
