"""Triton's failures as the API's: a gRPC status and a text, or in a stream the text alone; pure.

Called by `triton_client`.
"""

from model_runtime.engines.errors import parse_invalid_request
from model_runtime.frontend.errors import (
    ApiError,
    DeadlineExceeded,
    EngineFailed,
    InvalidRequest,
    Overloaded,
    Unavailable,
)

# The engine's words, and those of Triton's own queues.
_FULL_WORDS = ("already waiting", "queue size", "timeout expired", "deadline for waiting", "memory does not suffice")
# Their words when the model is not there or the server is about to end.
_GONE_WORDS = ("unknown model", "not ready", "stopped accepting", "stopping", "engine has ended")
_LATE_WORD = "deadline"


def status_of(message: str) -> str:
    """Return the gRPC status that the text of a failure in a stream stands for; the text is all that Triton sends."""
    if parse_invalid_request(message):
        return "INVALID_ARGUMENT"
    if any(words in message for words in (*_FULL_WORDS, *_GONE_WORDS)):
        return "UNAVAILABLE"
    return "DEADLINE_EXCEEDED" if _LATE_WORD in message else "INTERNAL"


def to_api_error(status: str, message: str) -> ApiError:
    """Return the API's error for a gRPC status and its text."""
    match status:
        case "INVALID_ARGUMENT":
            field, text, code = parse_invalid_request(message) or (None, message, "invalid_value")
            named = f"{field}: {text}" if field and field != "text_input" else text
            return InvalidRequest(named, param=field, code=code)
        case "UNAVAILABLE" if any(words in message for words in _FULL_WORDS):
            return Overloaded(message, code="overloaded")
        case "UNAVAILABLE" | "DEADLINE_EXCEEDED" if _LATE_WORD in message or status == "DEADLINE_EXCEEDED":
            return DeadlineExceeded(f"the request took longer than it may: {message}", code="timeout")
        case "UNAVAILABLE" | "NOT_FOUND":
            return Unavailable(f"the model does not answer: {message}", code="unavailable")
        case "INTERNAL" if "Stub process" in message:
            # The backend's process has died; Triton's container is about to start anew.
            return Unavailable(f"the model does not answer: {message}", code="unavailable")
        case _:
            return EngineFailed(message)
