"""The load report of each answer, and the figures of /metrics."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openai
import pytest

from model_runtime.frontend.load import LoadReport, read_figures, write_header
from tests.runtime.conftest import Frontend, frontend
from tests.runtime.frontend.stand_in import Script, StandIn
from tests.stack.ports import free_ports
from tests.stack.wait import wait_for

METRICS = """\
# HELP nereid_engine_requests_running Generations that run
# TYPE nereid_engine_requests_running gauge
nereid_engine_requests_running{model="m"} 3
nereid_engine_requests_running{model="other"} 9
# TYPE nereid_engine_requests_waiting gauge
nereid_engine_requests_waiting{model="m"} 2
# TYPE nereid_engine_kv_cache_usage gauge
nereid_engine_kv_cache_usage{model="m"} 0.5
# TYPE nv_cpu_utilization gauge
nv_cpu_utilization 0.25
"""
FIGURES = {"requests_running": 3, "requests_waiting": 2, "kv_cache_usage": 0.5}
QUESTION: list[Any] = [{"role": "user", "content": "Hi"}]


def test_the_figures_are_those_of_the_model() -> None:
    assert read_figures(METRICS, "m") == FIGURES
    assert read_figures(METRICS, "none") == {}


def test_the_header_is_a_load_report_in_json() -> None:
    header = write_header({"kv_cache_usage": 0.5}, in_flight=2)
    assert header == 'JSON {"named_metrics":{"kv_cache_usage":0.5,"requests_in_flight":2}}'


@contextmanager
def metrics_server() -> Iterator[tuple[str, list[str]]]:
    """Serve METRICS in Triton's place until the block ends; gives the address and the paths asked for."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("content-length", str(len(METRICS)))
            self.end_headers()
            self.wfile.write(METRICS.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


async def test_figures_are_asked_for_once_a_second_and_forgotten_after_five() -> None:
    clock = 0.0
    with metrics_server() as (address, asked):
        report = LoadReport(address, "m", lambda: clock)
        assert report.header(1) == write_header({}, 1)
        assert report._asking is not None
        await report._asking
        assert [report.header(1), report.header(4)] == [write_header(FIGURES, 1), write_header(FIGURES, 4)]
        assert asked == ["/metrics"]
    clock = 1.0  # nobody answers any more
    assert report.header(1) == write_header(FIGURES, 1)
    await report._asking
    clock = 5.0
    assert report.header(1) == write_header({}, 1)
    await report.close()


def header_of(served: Frontend, **fields: Any) -> dict[str, Any] | None:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0, timeout=30) as client:
        answer = client.chat.completions.with_raw_response.create(model="m", messages=QUESTION, **fields)
        text = answer.headers.get("endpoint-load-metrics")
        answer.http_response.read()  # to the end, so that it is in flight no more
    return None if text is None else dict(json.loads(text.removeprefix("JSON "))["named_metrics"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_says_how_busy_the_replica_is(stand_in: StandIn, smollm2: Path, tmp_path: Path, stream: bool) -> None:
    with (
        metrics_server() as (address, asked),
        frontend(stand_in.address, "Chat", "m", smollm2, tmp_path, "--triton-metrics", address) as served,
    ):
        # A stream has begun when it says so, another answer has ended.
        in_flight = {"requests_in_flight": int(stream)}
        assert header_of(served, stream=stream) == in_flight
        wait_for("the figures", lambda: header_of(served, stream=stream) == FIGURES | in_flight, seconds=10)
        assert asked


def test_figures_that_nobody_gives_fail_no_request(stand_in: StandIn, smollm2: Path, tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    with frontend(stand_in.address, "Chat", "m", smollm2, tmp_path, "--triton-metrics", nobody) as served:
        assert [header_of(served) for _ in range(3)] == [{"requests_in_flight": 0}] * 3


def test_without_the_flag_there_is_no_report(chat_before_stand_in: Frontend, stand_in: StandIn) -> None:
    assert header_of(chat_before_stand_in) is None


def figures_of(served: Frontend) -> dict[str, float]:
    with urllib.request.urlopen(f"{served.url}/metrics", timeout=10) as answer:
        lines = [line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_the_frontends_own_figures(chat_before_stand_in: Frontend, client: openai.OpenAI, stand_in: StandIn) -> None:
    before = figures_of(chat_before_stand_in)

    def grown(name: str) -> float:
        return figures_of(chat_before_stand_in)[name] - before.get(name, 0.0)

    list(client.chat.completions.create(model="m", messages=QUESTION, stream=True))
    assert grown("nereid_time_to_first_token_seconds_count") == 1
    assert grown("nereid_inter_token_seconds_count") == 1
    assert grown("nereid_prompt_tokens_total") == 3
    assert grown("nereid_completion_tokens_total") == 3
    stand_in.script = Script(fails="64 requests are already waiting; try again later")
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="m", messages=QUESTION)
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="m", messages=QUESTION, n=9)
    assert grown('nereid_refused_requests_total{reason="overloaded"}') == 1
    assert grown('nereid_refused_requests_total{reason="invalid_value"}') == 1
    stand_in.script = Script()
    stand_in.hold()
    stream = client.chat.completions.create(model="m", messages=QUESTION, stream=True)
    next(iter(stream))
    assert figures_of(chat_before_stand_in)["nereid_active_requests"] == 1
    stream.close()
    wait_for("the cancellation", lambda: grown("nereid_cancelled_requests_total") == 1, seconds=10)
    assert figures_of(chat_before_stand_in)["nereid_active_requests"] == 0
