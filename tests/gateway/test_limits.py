"""What a request may be: its body, its headers, the time they take; and how long an answer may."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest

from nereid_operator.plan.gateway_ir import Limits
from tests.gateway.gateways import PATHS, Stand, gateway, model, standing
from tests.gateway.wire import http1, http1_request, http2_flood
from tests.stack.wait import wait_for

MIB = 2**20
INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    limits = Limits(body_bytes=6 * MIB, header_bytes=8 * 1024, header_count=30, headers_seconds=1, idle_seconds=2)
    made = gateway(model("m", "10.0.0.1"), model("brief", "10.0.0.2", timeout_seconds=1), limits=limits)
    with standing(made, tmp_path_factory.mktemp("gateway")) as running:
        yield running


def body_of(size: int) -> bytes:
    start, end = b'{"model": "team.m", "x": "', b'"}'
    return start + b"a" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        (PATHS[0], 4 * MIB - 4096, 200),
        (PATHS[0], 4 * MIB + 4096, 413),
        (PATHS[0], 6 * MIB + 1, 413),
        ("/v2/models/team.m/infer", 6 * MIB, 200),
        ("/v2/models/team.m/infer", 6 * MIB + 1, 413),
    ],
)
@pytest.mark.parametrize("pieces", [1, 64], ids=["at once", "in pieces"])
def test_a_body_that_is_too_large(stand: Stand, path: str, size: int, status: int, pieces: int):
    body = body_of(size)
    step = -(-size // pieces)
    content: Any = body if pieces == 1 else (body[start : start + step] for start in range(0, size, step))
    try:
        answer = httpx.post(f"{stand.url}{path}", content=content, timeout=30)
    except httpx.WriteError:
        # The answer came, and the connection went, before all was sent.
        assert status == 413
        return
    assert answer.status_code == (200 if status == 200 else 413)
    if status == 413:
        assert "larger than it may be" in answer.text


def test_a_body_that_says_that_it_is_too_large_is_refused_unseen(stand: Stand):
    head = f"POST {PATHS[0]} HTTP/1.1\r\nhost: x\r\ncontent-length: {6 * MIB + 1}\r\n\r\n"
    assert http1(stand.gateway.port, head.encode()) == [413]


@pytest.mark.parametrize(("size", "code"), [(6 * MIB - 64, None), (6 * MIB + 4096, grpc.StatusCode.RESOURCE_EXHAUSTED)])
def test_a_first_message_that_is_too_large(stand: Stand, size: int, code: grpc.StatusCode | None):
    # The name, then field 7, raw tensors, with a length of four bytes.
    body = b"\x0a\x06team.m\x3a" + bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14 & 127 | 128, size >> 21])
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{stand.gateway.port}", options=options) as channel:
        call = channel.stream_stream(INFER, request_serializer=bytes, response_deserializer=bytes)
        answers = call(iter([body + b"\0" * size]), timeout=30)
        if code is None:
            assert list(answers) == [b""]
            return
        with pytest.raises(grpc.RpcError, match="larger than it may be") as refusal:
            list(answers)
    assert refusal.value.code() == code


def test_a_stream_may_be_longer_than_a_message(stand: Stand):
    message = b"\x0a\x06team.m" + b"\x3a\xff\xff\x7f" + b"\0" * (2 * MIB - 1)
    with grpc.insecure_channel(f"127.0.0.1:{stand.gateway.port}") as channel:
        call = channel.stream_stream(STREAM, request_serializer=bytes, response_deserializer=bytes)
        assert list(call(iter([message] * 5), timeout=30)) == [b""] * 5


HEADERS = [
    ("one that is too long", [f"x: {'a' * 9000}"], 431),
    ("too many", [f"x{number}: a" for number in range(40)], 431),
    ("as many as there may be", [f"x{number}: a" for number in range(20)], 200),
    ("one with an underscore", ["x_nereid_admin: 1"], 400),
]


@pytest.mark.parametrize(("sentence", "headers", "status"), HEADERS, ids=[row[0] for row in HEADERS])
def test_headers(stand: Stand, sentence: str, headers: list[str], status: int):
    assert http1(stand.gateway.port, http1_request("GET", "/v1/models", *headers)) == [status]


@pytest.mark.parametrize(
    "beginning",
    [b"POST /v1/chat", b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx: "],
    ids=["within the path", "within a header"],
)
def test_headers_that_trickle_are_not_waited_for(stand: Stand, beginning: bytes):
    assert b" 408 " in _answer_to_a_trickle(stand, beginning, b"a")


def test_a_body_that_trickles_is_not_waited_for(stand: Stand):
    beginning = f"POST {PATHS[0]} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n".encode()
    assert b" 408 " in _answer_to_a_trickle(stand, beginning, b" ")


def _answer_to_a_trickle(stand: Stand, beginning: bytes, drop: bytes) -> bytes:
    """Return what comes back while bytes are sent one by one, until the gateway has closed the connection."""
    over = threading.Event()
    with socket.create_connection(("127.0.0.1", stand.gateway.port), timeout=30) as connection:
        connection.sendall(beginning)

        def trickle() -> None:
            while not over.wait(0.2):
                connection.sendall(drop)

        thread = threading.Thread(target=_until_cut, args=(trickle,))
        thread.start()
        try:
            return _all_of(connection)
        finally:
            over.set()
            thread.join()


def _until_cut(work: Any) -> None:
    try:
        work()
    except OSError:
        return


def _all_of(connection: socket.socket) -> bytes:
    content = b""
    try:
        while data := connection.recv(65536):
            content += data
    except ConnectionError:
        pass
    return content


def test_an_answer_that_takes_too_long(stand: Stand):
    replica = stand.replicas["10.0.0.2"]
    replica.held = threading.Event()
    replica.silent = True
    try:
        answer = stand.ask("team.brief")
    finally:
        replica.held.set()
        replica.held, replica.silent = None, False
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")


def test_a_long_answer_is_waited_for_longer_than_a_stream_may_be_silent(stand: Stand):
    """60 s are this model's, two seconds the gateway's: the longer of both holds."""
    replica = stand.replicas["10.0.0.1"]
    replica.held, replica.silent = threading.Event(), True
    found: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: found.append(stand.ask("team.m")))
    before = stand.envoy.stat("http.front.downstream_rq_idle_timeout")
    thread.start()
    try:
        # Another stream, of the brief model, goes silent later and is cut by the gateway's own time.
        wait_for("the request arrives", lambda: replica.seen and replica.seen[-1].path == PATHS[0], seconds=10)
        stall(stand)
    finally:
        replica.held.set()
        thread.join()
        replica.held, replica.silent = None, False
    assert found[0].status_code == 200
    assert stand.envoy.stat("http.front.downstream_rq_idle_timeout") == before


def stall(stand: Stand) -> None:
    """Wait until a body that never comes has been given up: longer than any stream of the gateway may be silent."""
    with socket.create_connection(("127.0.0.1", stand.gateway.port), timeout=30) as connection:
        connection.sendall(f"POST {PATHS[0]} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n".encode())
        assert b" 408 " in _all_of(connection)


def test_a_flood_of_streams_that_are_reset_ends_its_connection(stand: Stand):
    headers = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", PATHS[0])]
    assert http2_flood(stand.gateway.port, headers, 2_000)
    assert stand.ask("team.m").status_code == 200
