"""Nothing but what serves reaches a replica: not before stand-ins that record what comes, nor before a real Triton."""

import re
from collections.abc import Iterator
from contextlib import suppress

import grpc
import pytest

from tests.gateway.attempts import BODY, GRPC_METHODS, HTTP1, HTTP2, JSON, SMUGGLED, Attempt, M
from tests.gateway.gateways import Stand, gateway, model, standing
from tests.gateway.wire import http1, http1_request, http2
from tests.runtime.conftest import Triton

# Written out on its own, so that a gateway which lets too much through finds no help here.
SERVED = {
    8080: {("POST", f"/v1/{path}") for path in ("chat/completions", "completions", "embeddings", "classify")},
    8000: {
        *(("GET", f"/v2/models/{M}{end}") for end in ("", "/ready", "/config", "/stats")),
        *(("GET", f"/v2/models/{M}/versions/1{end}") for end in ("", "/ready", "/config", "/stats")),
        *(("POST", f"/v2/models/{M}/{verb}") for verb in ("infer", "generate", "generate_stream")),
        *(("POST", f"/v2/models/{M}/versions/1/{verb}") for verb in ("infer", "generate", "generate_stream")),
    },
    8001: {
        ("POST", f"/inference.GRPCInferenceService/Model{name}")
        for name in ("Infer", "StreamInfer", "Ready", "Metadata", "Config", "Statistics")
    },
}
INSIDE = re.compile(r"x-nereid-|x-envoy-|triton-grpc-protocol-|endpoint-load-metrics")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with standing(gateway(model("m", "10.0.0.1")), tmp_path_factory.mktemp("gateway")) as made:
        yield made


@pytest.fixture
def stand(recorded: Stand) -> Iterator[Stand]:
    """The stand, which the replica must find as clean as the test found it."""
    replica = recorded.replicas["10.0.0.1"]
    replica.seen.clear()
    yield recorded
    for request in replica.seen:
        assert (request.method, request.path) in SERVED[request.port]
        assert [name for name in request.headers if INSIDE.match(name)] == []


@pytest.mark.parametrize("attempt", HTTP1, ids=lambda attempt: attempt.sentence)
def test_nothing_else_is_reached_over_http1(stand: Stand, attempt: Attempt):
    http1(stand.gateway.port, attempt.sent)
    assert stand.envoy.process.poll() is None


@pytest.mark.parametrize("headers", HTTP2.values(), ids=HTTP2)
def test_nothing_else_is_reached_over_http2(stand: Stand, headers: list[tuple[str, str]]):
    method = dict(headers)[":method"]
    http2(stand.gateway.port, [*headers, ("content-type", "application/json")], BODY if method == "POST" else b"")
    assert stand.envoy.process.poll() is None


@pytest.mark.parametrize("method", GRPC_METHODS)
def test_nothing_else_is_reached_over_grpc(stand: Stand, method: str):
    # The model's name as the first field, and as the second, whatever the message means.
    for body in (b"", b"\x0a\x06team.m", b"\x12\x06team.m"):
        with grpc.insecure_channel(f"127.0.0.1:{stand.gateway.port}") as channel:
            call = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
            with pytest.raises(grpc.RpcError) as refusal:
                call(body, timeout=10)
        assert refusal.value.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL), refusal.value
    assert stand.replicas["10.0.0.1"].seen == []


def test_what_serves_is_reached(stand: Stand):
    """The attempts would prove nothing if nothing came through."""
    for method, path in sorted(SERVED[8080] | SERVED[8000]):
        (status,) = http1(stand.gateway.port, http1_request(method, path, JSON, body=BODY if method == "POST" else b""))
        assert status == 200, path
    for _, path in sorted(SERVED[8001]):
        with grpc.insecure_channel(f"127.0.0.1:{stand.gateway.port}") as channel, suppress(grpc.RpcError):
            channel.unary_unary(path, request_serializer=bytes)(b"\x0a\x06team.m", timeout=10)
    assert {(request.method, request.path) for request in stand.replicas["10.0.0.1"].seen} == set().union(
        *SERVED.values()
    )


@pytest.mark.parametrize(
    "header",
    ["x-nereid-admin", "X-Nereid-Client", "x-envoy-retry-on", "x-envoy-upstream-rq-timeout-ms",
     "endpoint-load-metrics", "endpoint-load-metrics-bin", "triton-grpc-protocol-x-nereid-admin"],
)  # fmt: skip
def test_headers_that_mean_something_inside_do_not_come_from_outside(stand: Stand, header: str):
    sent = http1_request("POST", "/v1/embeddings", JSON, f"{header}: 1", body=BODY)
    assert http1(stand.gateway.port, sent) == [200]
    (request,) = stand.replicas["10.0.0.1"].seen
    assert header.lower() not in request.headers


@pytest.mark.parametrize("header", ["x-nereid-draining", "endpoint-load-metrics"])
def test_headers_that_mean_something_inside_do_not_go_out(stand: Stand, header: str):
    replica = stand.replicas["10.0.0.1"]
    replica.headers = {header: "JSON {}"}
    try:
        answer = stand.ask("team.m")
    finally:
        replica.headers = {}
    assert answer.status_code == 200
    assert [name for name in answer.headers if INSIDE.match(name)] == []
    assert answer.headers["server"] == "nereid"


@pytest.fixture(scope="module")
def before_triton(triton: Triton, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A gateway before a Triton that refuses nothing: model control, traces and logging are open on it."""
    made = gateway(model("smollm2", "10.0.0.2", names=(M, "team.smollm2")))
    with standing(made, tmp_path_factory.mktemp("triton"), places_of(triton)) as stand:
        yield stand


def places_of(triton: Triton) -> dict[tuple[str, int], str]:
    return {("10.0.0.2", 8000): triton.http, ("10.0.0.2", 8001): triton.grpc, ("10.0.0.2", 8080): "127.0.0.1:1"}


@pytest.mark.parametrize(
    "attempt", [attempt for attempt in HTTP1 if attempt not in SMUGGLED], ids=lambda attempt: attempt.sentence
)
def test_a_real_triton_says_nothing_of_itself(before_triton: Stand, attempt: Attempt):
    statuses = http1(before_triton.gateway.port, attempt.sent)
    assert statuses
    assert statuses[0] != 200


def test_a_real_triton_would_have_told(triton: Triton):
    """What the attempts ask for is there to be had by who reaches Triton."""
    port = triton.http.split(":")[1]
    assert http1(int(port), http1_request("POST", "/v2/repository/index", body=b"{}")) == [200]
    assert http1(int(port), http1_request("GET", "/v2/models/stats")) == [200]
    assert http1(int(port), http1_request("GET", "/v2/logging")) == [200]
