"""Whose replica a request reaches, and what clients are told of those that reach none."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest

from tests.gateway.gateways import PATHS, Stand, gateway, model, standing

STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    made = gateway(
        model("a", "10.0.0.1", names=("team.a", "Bare_1.5")),
        model("b", "10.0.0.2"),
        model("waiting", backends=(), shares=()),
        model("empty"),
    )
    with standing(made, tmp_path_factory.mktemp("gateway")) as running:
        yield running


def reached(stand: Stand) -> list[tuple[str, str]]:
    """Return address and path of what came since the last call."""
    found = [(address, seen.path) for address, one in stand.replicas.items() for seen in one.seen]
    for one in stand.replicas.values():
        one.seen.clear()
    return found


NAMES = [("team.a", "10.0.0.1"), ("Bare_1.5", "10.0.0.1"), ("team.b", "10.0.0.2")]


@pytest.mark.parametrize(("name", "address"), NAMES)
@pytest.mark.parametrize("path", PATHS)
def test_json_is_routed_by_its_model(stand: Stand, name: str, address: str, path: str):
    assert stand.ask(name, path).status_code == 200
    assert reached(stand) == [(address, path)]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (None, '{"model": "team.b"}'),
        ("application/json; charset=utf-8", '{"x": {"model": "team.a"}, "model": "team.b"}'),
        ("Application/JSON", '{"messages": ["\\"model\\": \\"team.a\\""], "model": "team\\u002eb"}'),
        ("application/json", '{"model": "team.a", "model": "team.b"}'),
    ],
)
def test_the_model_is_read_as_json_is_read(stand: Stand, content_type: str | None, body: str):
    headers = {} if content_type is None else {"content-type": content_type}
    answer = httpx.post(f"{stand.url}{PATHS[0]}", content=body, headers=headers)
    assert answer.status_code == 200
    assert reached(stand) == [("10.0.0.2", PATHS[0])]


@pytest.mark.parametrize(("name", "address"), NAMES)
def test_a_path_is_routed_by_the_name_in_it_whatever_the_body_says(stand: Stand, name: str, address: str):
    for end in ("infer", "generate", "versions/1/generate_stream"):
        path = f"/v2/models/{name}/{end}"
        assert httpx.post(f"{stand.url}{path}", json={"model": "team.b"}).status_code == 200
        assert reached(stand) == [(address, path)]


@pytest.mark.parametrize(("name", "address"), NAMES)
def test_a_message_is_routed_by_the_name_in_it(stand: Stand, name: str, address: str):
    body = b"\x0a" + bytes([len(name)]) + name.encode() + b"\x12\x011"
    with grpc.insecure_channel(f"127.0.0.1:{stand.gateway.port}") as channel:
        call = channel.stream_stream(STREAM, request_serializer=bytes, response_deserializer=bytes)
        # A stream stays where its first message went.
        assert list(call(iter([body, b"\x0a\x06team.b"]), timeout=10)) == [b"", b""]
    assert reached(stand) == [(address, STREAM)] * 2


UNKNOWN: list[tuple[str, Any, int, str, str]] = [
    ("a name that nobody has", {"model": "team.c"}, 404, "model_not_found", "`team.c`"),
    ("a name without its namespace", {"model": "a"}, 404, "model_not_found", "`a`"),
    ("another case", {"model": "Team.a"}, 404, "model_not_found", "`Team.a`"),
    ("a name with quotes and a line break", {"model": 'a"\n'}, 404, "model_not_found", '`a"\n`'),
    ("a long name", {"model": "team.a" * 1_000}, 404, "model_not_found", "`team.ateam.a"),
    ("a name of megabytes", {"model": "team.a" * 200_000}, 400, "missing_required_parameter", "`model`"),
    ("a list", {"model": ["team.a"]}, 400, "missing_required_parameter", "`model`"),
    ("a number", {"model": 1}, 404, "model_not_found", "`1`"),
    ("no name", {"messages": []}, 400, "missing_required_parameter", "`model`"),
    ("null", {"model": None}, 400, "missing_required_parameter", "`model`"),
    ("no object", ["model"], 400, "missing_required_parameter", "`model`"),
]


@pytest.mark.parametrize("row", UNKNOWN, ids=[row[0] for row in UNKNOWN])
def test_a_model_that_is_not_there(stand: Stand, row: tuple[str, Any, int, str, str]):
    _, body, status, code, words = row
    answer = httpx.post(f"{stand.url}{PATHS[0]}", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, "model")
    assert words in error["message"]
    assert len(error["message"]) < 500
    assert reached(stand) == []


def test_the_list_of_models_has_every_name(stand: Stand):
    answer = httpx.get(f"{stand.url}/v1/models")
    assert answer.headers["content-type"] == "application/json"
    assert [(entry["id"], entry["object"], entry["owned_by"]) for entry in answer.json()["data"]] == [
        (name, "model", "team") for name in ("team.a", "Bare_1.5", "team.b", "team.waiting", "team.empty")
    ]


def test_the_server_of_the_protocol_is_the_gateway(stand: Stand):
    assert httpx.get(f"{stand.url}/v2").json()["name"] == "nereid"
    for path in ("live", "ready"):
        answer = httpx.get(f"{stand.url}/v2/health/{path}")
        assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("name", ["team.waiting", "team.empty"])
def test_a_model_without_replicas_is_there_but_not_now(stand: Stand, name: str):
    answer = stand.ask(name)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["code"] == "unavailable"
    triton = httpx.get(f"{stand.url}/v2/models/{name}/ready")
    assert (triton.status_code, triton.headers["retry-after"]) == (503, "1")
    assert triton.json() == {"error": "No replica of the model answers now; try again"}


FORMS = [
    ("POST", "/v1/nothing", 404, "not_found"),
    ("POST", "/v1/embeddings?x=y", 404, "not_found"),
    ("GET", "/v1/embeddings", 405, "method_not_allowed"),
    ("POST", "/v1/models", 405, "method_not_allowed"),
    ("DELETE", "/v1/models", 405, "method_not_allowed"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), FORMS)
def test_what_is_not_served_is_said_in_openais_form(stand: Stand, method: str, path: str, status: int, code: str):
    answer = httpx.request(method, f"{stand.url}{path}")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert f"{method} {path}" in error["message"]
    assert set(error) == {"message", "type", "param", "code"}


def test_what_is_not_served_is_said_in_the_protocols_form(stand: Stand):
    answer = httpx.post(f"{stand.url}/v2/repository/index")
    assert answer.status_code == 404
    assert json.loads(answer.content) == {"error": "There is no POST /v2/repository/index"}
