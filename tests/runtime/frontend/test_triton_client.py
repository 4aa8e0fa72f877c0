"""Triton's failures as the API's, and the channel that outlives a restart of Triton."""

from typing import Any

import pytest
from tritonclient.grpc import aio

from model_runtime.frontend.errors import (
    ApiError,
    DeadlineExceeded,
    EngineFailed,
    InvalidRequest,
    Overloaded,
    Unavailable,
)
from model_runtime.frontend.triton_client import TritonClient
from model_runtime.frontend.triton_errors import status_of, to_api_error

FAILURES: list[tuple[str, str, type[ApiError]]] = [
    ("INVALID_ARGUMENT", "temperature: -1 is wrong: no [invalid_value]", InvalidRequest),
    ("INVALID_ARGUMENT", "unexpected shape", InvalidRequest),
    ("UNAVAILABLE", "64 requests are already waiting; try again later", Overloaded),
    ("UNAVAILABLE", "Exceeds maximum queue size", Overloaded),
    ("UNAVAILABLE", "failed to connect to all addresses", Unavailable),
    ("NOT_FOUND", "Request for unknown model", Unavailable),
    ("INTERNAL", "Stub process 'smollm2_0_0' is not healthy.", Unavailable),
    ("UNAVAILABLE", "Request timeout expired", Overloaded),
    ("DEADLINE_EXCEEDED", "Deadline Exceeded", DeadlineExceeded),
    ("UNAVAILABLE", "the request's deadline is over", DeadlineExceeded),
    ("UNAVAILABLE", "the request's deadline for waiting is over", Overloaded),
    ("UNAVAILABLE", "the memory does not suffice for this request: send less at a time", Overloaded),
    ("UNAVAILABLE", "the engine has ended; the server is about to start anew", Unavailable),
    ("INTERNAL", "the engine failed: out of memory", EngineFailed),
]


@pytest.mark.parametrize(("status", "message", "error"), FAILURES, ids=[row[1] for row in FAILURES])
def test_a_failure_of_triton_is_one_of_the_api(status: str, message: str, error: type[ApiError]) -> None:
    assert type(to_api_error(status, message)) is error


def test_the_channel_looks_for_a_restarted_triton_every_other_second(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(aio, "InferenceServerClient", lambda _, channel_args: seen.update(channel_args))
    TritonClient("localhost:1", "m")
    assert seen["grpc.max_reconnect_backoff_ms"] == 2000
    assert seen["grpc.max_receive_message_length"] == aio.MAX_GRPC_MESSAGE_SIZE


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("max_tokens: 9 is wrong: too many [context_length_exceeded]", "INVALID_ARGUMENT"),
        ("64 requests are already waiting; try again later", "UNAVAILABLE"),
        ("Request for unknown model: 'm' is not found", "UNAVAILABLE"),
        ("the request's deadline is over", "DEADLINE_EXCEEDED"),
        ("the request's deadline for waiting is over", "UNAVAILABLE"),
        ("the engine has ended; the server is about to start anew", "UNAVAILABLE"),
        ("the engine failed: out of memory", "INTERNAL"),
    ],
)
def test_the_text_of_a_failure_in_a_stream_tells_its_status(message: str, status: str) -> None:
    assert status_of(message) == status
