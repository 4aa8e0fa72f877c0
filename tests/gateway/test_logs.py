"""The log of requests, and what is passed on for those who trace them."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.gateways import PATHS, Stand, gateway, model, standing
from tests.stack.wait import wait_for

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with standing(gateway(model("m", "10.0.0.1")), tmp_path_factory.mktemp("gateway")) as running:
        yield running


def line_of(stand: Stand, answer: httpx.Response) -> dict[str, Any]:
    """Return the line about an answer, by the id that the answer had."""

    def find() -> dict[str, Any] | None:
        # What follows the last end of a line is not written yet.
        whole = stand.envoy.log.read_text().rpartition("\n")[0]
        lines = (json.loads(line) for line in whole.splitlines())
        return next((line for line in lines if line["request_id"] == answer.headers["x-request-id"]), None)

    return wait_for("the line of a request", find, seconds=10, interval=0.05)


def test_a_request_has_a_line(stand: Stand):
    answer = stand.ask("team.m", **{"traceparent": TRACE, "user-agent": "a test"})
    line = line_of(stand, answer)
    expected = {
        "client": "127.0.0.1",
        "protocol": "HTTP/1.1",
        "method": "POST",
        "path": PATHS[0],
        "model": "team.m",
        "route": "team/m/openai",
        "cluster": "team/m-1/openai",
        "replica": stand.places["10.0.0.1", 8080],
        "status": 200,
        "grpc_status": None,
        "flags": "-",
        "details": "via_upstream",
        "attempts": 1,
        "bytes_in": len('{"model":"team.m"}'),
        "bytes_out": len(answer.content),
        "traceparent": TRACE,
        "user_agent": "a test",
    }
    assert {name: line[name] for name in expected} == expected
    assert line["duration_ms"] >= line["first_byte_ms"] >= 0
    assert line["time"].endswith("Z")


def test_a_refusal_has_a_line_too(stand: Stand):
    line = line_of(stand, stand.ask('no"such\nmodel'))
    assert (line["model"], line["route"], line["status"]) == ('no"such\nmodel', "model-not-found", 404)


def test_a_trace_goes_on_and_an_id_is_our_own(stand: Stand):
    replica = stand.replicas["10.0.0.1"]
    replica.seen.clear()
    answer = stand.ask("team.m", **{"traceparent": TRACE, "tracestate": "a=b", "x-request-id": "theirs"})
    (request,) = replica.seen
    assert (request.headers["traceparent"], request.headers["tracestate"]) == (TRACE, "a=b")
    assert request.headers["x-request-id"] == answer.headers["x-request-id"] != "theirs"


def test_figures_are_those_of_models(stand: Stand):
    stand.ask("team.m")
    assert stand.envoy.stat("cluster.team/m/openai.upstream_rq_2xx") > 0
