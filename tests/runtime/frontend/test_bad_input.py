"""Whatever a client sends, it is told what is wrong: a 4xx in OpenAI's form that names the field, over real HTTP."""

import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.runtime.conftest import Frontend, frontend
from tests.runtime.frontend.stand_in import StandIn

JSON = {"content-type": "application/json"}
USER = {"role": "user", "content": "Hi"}
MIB = 1024 * 1024


def chat(**change: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [USER], **change}).encode()


def text(**change: Any) -> bytes:
    return json.dumps({"model": "m", "prompt": "Hi", **change}).encode()


def ask(
    served: Frontend, path: str, body: bytes | Iterator[bytes], headers: dict[str, str], method: str = "POST"
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, error object and headers."""
    url = urlsplit(served.url)
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=60)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return (
            answer.status,
            json.loads(answer.read())["error"],
            {name.lower(): value for name, value in answer.headers.items()},
        )
    finally:
        connection.close()


CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
# sentence, path, body, status, param, code, a part of the message
BAD: list[tuple[str, str, bytes, int, str | None, str, str]] = [
    ("no body", CHAT, b"", 400, None, "invalid_json", "not valid JSON"),
    ("half a body", CHAT, b'{"model"', 400, None, "invalid_json", "not valid JSON"),
    ("a list", CHAT, b"[]", 400, None, "invalid_value", "The body: "),
    ("a null", CHAT, b"null", 400, None, "invalid_value", "The body: "),
    ("text after the end", CHAT, chat() + b"{}", 400, None, "invalid_json", "Extra data"),
    ("a byte order mark", CHAT, b"\xef\xbb\xbf" + chat(), 400, None, "invalid_json", "BOM"),
    ("UTF-16", CHAT, chat().decode().encode("utf-16"), 400, None, "invalid_json", "UTF-8"),
    ("bytes that are no text", CHAT, chat().replace(b"Hi", b"\xff\xfe"), 400, None, "invalid_json", "UTF-8"),
    ("half a character", CHAT, chat().replace(b"Hi", b"\\ud800"), 400, None, "invalid_json", "surrogate"),
    ("half a character as a name", CHAT, b'{"\\ud800": 1}', 400, None, "invalid_json", "surrogate"),
    (
        "a name twice",
        CHAT,
        chat().replace(b"{", b'{"model": "n", ', 1),
        400,
        None,
        "invalid_json",
        "'model' is there twice",
    ),
    ("NaN", TEXT, text().replace(b'"Hi"', b'"Hi", "temperature": NaN'), 400, None, "invalid_json", "NaN"),
    ("infinity", TEXT, text().replace(b'"Hi"', b'"Hi", "temperature": 1e999'), 400, None, "invalid_json", "1e999"),
    ("a giant number", TEXT, text(max_tokens=10**60), 400, "max_tokens", "invalid_value", "less than"),
    (
        "an endless number",
        TEXT,
        text().replace(b'"Hi"', b'"Hi", "n": ' + b"9" * 5000),
        400,
        None,
        "invalid_json",
        "digits",
    ),
    ("a giant seed", TEXT, text(seed=2**64), 400, "seed", "invalid_value", "less than"),
    (
        "a giant number in a schema",
        TEXT,
        text(logit_bias={"1": 10**40}),
        400,
        "logit_bias.1",
        "invalid_value",
        "less than",
    ),
    ("deep nesting", CHAT, b"[" * 100_000, 400, None, "invalid_json", "nested deeper"),
    (
        "nesting of 65",
        CHAT,
        chat(prediction=json.loads('{"a":' * 65 + "1" + "}" * 65)),
        400,
        None,
        "invalid_json",
        "nested",
    ),
    (
        "a million values",
        TEXT,
        b'{"prompt": [' + b"1," * 1_000_001 + b"1]}",
        400,
        None,
        "invalid_json",
        "at most 1000000",
    ),
    (
        "no model",
        CHAT,
        b'{"messages": []}',
        400,
        "model",
        "missing_required_parameter",
        "model: this field is required",
    ),
    ("no messages", CHAT, b'{"model": "m"}', 400, "messages", "missing_required_parameter", "messages"),
    ("an empty conversation", CHAT, chat(messages=[]), 400, "messages", "invalid_value", "messages"),
    ("a huge conversation", CHAT, chat(messages=[USER] * 2049), 400, "messages", "invalid_value", "2048"),
    ("an unknown model", CHAT, chat(model="x" * 100_000), 404, "model", "model_not_found", "does not exist"),
    ("a model as a number", CHAT, chat(model=5), 400, "model", "invalid_value", "string"),
    ("a field of another API", CHAT, chat(beams=4), 400, "beams", "unsupported_parameter", "not supported"),
    ("a field with an odd name", CHAT, chat(**{"x y": 4}), 400, None, "unsupported_parameter", "'x y'"),
    ("a field with an endless name", CHAT, chat(**{"x" * MIB: 4}), 400, None, "unsupported_parameter", "not supported"),
    (
        "a role that nobody has",
        CHAT,
        chat(messages=[{**USER, "role": "x"}]),
        400,
        "messages.0.role",
        "invalid_value",
        "role",
    ),
    ("a text where a number goes", CHAT, chat(temperature="hot"), 400, "temperature", "invalid_value", "number"),
    ("a truth where a number goes", CHAT, chat(n=True), 400, "n", "invalid_value", "integer"),
    ("a megabyte where a number goes", CHAT, chat(n="x" * MIB), 400, "n", "invalid_value", "integer"),
    ("10,000 stop words", CHAT, chat(stop=["word"] * 10_000), 400, "stop", "invalid_value", "at most 16"),
    ("an endless stop word", CHAT, chat(stop="x" * 257), 400, "stop.0", "invalid_value", "at most 256"),
    (
        "10,000 stop tokens",
        CHAT,
        chat(stop_token_ids=[1] * 10_000),
        400,
        "stop_token_ids",
        "invalid_value",
        "at most 64",
    ),
    ("too many choices", CHAT, chat(n=9), 400, "n", "invalid_value", "less than or equal to 8"),
    ("too many choices of prompts", TEXT, text(prompt=["a"] * 9, n=8), 400, "n", "invalid_value", "at most 64"),
    ("no prompt in a batch", TEXT, text(prompt=[]), 400, "prompt", "invalid_value", "not empty"),
    ("a huge batch", TEXT, text(prompt=["a"] * 33), 400, "prompt", "invalid_value", "at most 32"),
    ("an empty prompt", TEXT, text(prompt=""), 400, "prompt", "invalid_value", "at least 1"),
    ("a token beyond the vocabulary", TEXT, text(prompt=[2**31 - 1]), 400, "prompt", "invalid_value", "not one of"),
    ("a giant token", TEXT, text(prompt=[2**40]), 400, "prompt.0", "invalid_value", "less than"),
    ("echo with logprobs", TEXT, text(echo=True, logprobs=1), 400, "echo", "unsupported_value", "not with logprobs"),
    (
        "likely tokens without logprobs",
        CHAT,
        chat(top_logprobs=1),
        400,
        "top_logprobs",
        "invalid_value",
        "logprobs: true",
    ),
    ("options of no stream", CHAT, chat(stream_options={}), 400, "stream_options", "invalid_value", "stream: true"),
    ("tools", CHAT, chat(tools=[{"type": "function"}]), 400, "tools", "unsupported_value", "only [] is supported"),
    ("functions", CHAT, chat(functions=[{}]), 400, "functions", "unsupported_value", "functions"),
    ("an audio answer", CHAT, chat(modalities=["audio"]), 400, "modalities", "unsupported_value", '["text"]'),
    ("a big number where nothing goes", CHAT, chat(audio=2**70), 400, "audio", "unsupported_value", "null"),
    (
        "embeddings of a chat model",
        "/v1/embeddings",
        b'{"model": "m", "input": "a"}',
        400,
        "model",
        "unsupported_task",
        CHAT,
    ),
    ("labels of a chat model", "/v1/classify", b'{"model": "m", "input": "a"}', 400, "model", "unsupported_task", CHAT),
]


@pytest.mark.parametrize("row", BAD, ids=[row[0] for row in BAD])
def test_a_bad_body_is_refused_by_name(chat_before_stand_in: Frontend, stand_in: StandIn, row: Any) -> None:
    _, path, body, status, param, code, says = row
    told, error, _ = ask(chat_before_stand_in, path, body, JSON)
    assert (told, error["param"], error["code"]) == (status, param, code), error
    assert says in error["message"]
    assert len(error["message"]) < 400
    assert error["type"] == "invalid_request_error"
    assert stand_in.seen == []


# sentence, method, path, body, headers, status, code
ODD: list[tuple[str, str, str, bytes, dict[str, str], int, str]] = [
    (
        "a form",
        "POST",
        CHAT,
        chat(),
        {"content-type": "application/x-www-form-urlencoded"},
        415,
        "unsupported_media_type",
    ),
    (
        "a packed body",
        "POST",
        CHAT,
        gzip.compress(chat()),
        JSON | {"content-encoding": "gzip"},
        415,
        "unsupported_media_type",
    ),
    (
        "a body that is said to be packed",
        "POST",
        CHAT,
        chat(),
        JSON | {"content-encoding": "gzip"},
        415,
        "unsupported_media_type",
    ),
    ("another method", "PUT", CHAT, chat(), JSON, 405, "method_not_allowed"),
    ("a path that is not there", "POST", "/v1/audio", chat(), JSON, 404, "not_found"),
    ("a path that is no text", "POST", "/v1/%ff%00%ed%a0%80", chat(), JSON, 404, "not_found"),
    ("an unknown model's page", "GET", "/v1/models/other", b"", {}, 404, "model_not_found"),
    ("a body over the bound", "POST", CHAT, chat(user="x" * 4 * MIB), JSON, 413, "request_entity_too_large"),
    ("a deadline in words", "POST", CHAT, chat(), JSON | {"x-request-timeout-ms": "soon"}, 400, "invalid_value"),
    ("a deadline of nothing", "POST", CHAT, chat(), JSON | {"x-request-timeout-ms": "0"}, 400, "invalid_value"),
    ("a deadline of days", "POST", CHAT, chat(), JSON | {"x-request-timeout-ms": "9" * 5000}, 400, "invalid_value"),
    ("a deadline with a sign", "POST", CHAT, chat(), JSON | {"x-request-timeout-ms": "+5"}, 400, "invalid_value"),
]


@pytest.mark.parametrize("row", ODD, ids=[row[0] for row in ODD])
def test_an_odd_request_is_refused(chat_before_stand_in: Frontend, stand_in: StandIn, row: Any) -> None:
    _, method, path, body, headers, status, code = row
    told, error, answered = ask(chat_before_stand_in, path, body, headers, method)
    assert (told, error["code"]) == (status, code), error
    assert status != 405 or answered["allow"] == "POST"
    assert stand_in.seen == []


def test_a_body_in_pieces_is_bounded_too(chat_before_stand_in: Frontend) -> None:
    status, error, _ = ask(chat_before_stand_in, CHAT, (b"x" * MIB for _ in range(5)), JSON)
    assert (status, error["message"]) == (413, "The body is larger than 4194304 bytes")


def test_a_body_that_never_comes_is_given_up(shared_stand_in: StandIn, smollm2: Path, tmp_path: Path) -> None:
    with frontend(shared_stand_in.address, "Chat", "m", smollm2, tmp_path, "--body-seconds", "0.2") as served:
        url = urlsplit(served.url)
        with socket.create_connection((str(url.hostname), url.port or 0), timeout=30) as line:
            line.sendall(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{".encode())
            answer = line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"body_too_slow"' in answer
