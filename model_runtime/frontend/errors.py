"""What the API answers when it does not answer, as one tree; each error knows its HTTP status and OpenAI's body.

    ApiError
    ├── InvalidRequest      400  a field is wrong; `param` names it
    ├── ModelNotFound       404  another model than the one served here
    ├── BodyTooSlow         408  the body did not come in time
    ├── WrongMediaType      415  the body says that it is no JSON
    ├── Retryable           503  the same request may be served a moment later, or by another replica
    │   ├── Overloaded           the engine has no room
    │   ├── Unavailable          Triton does not answer, or the model is not ready
    │   └── Draining             this replica is about to end
    ├── DeadlineExceeded    504  the time that the client gave is over
    └── EngineFailed        500  the engine broke on this request

Handlers raise them; `app` writes them, also into a stream that has begun.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class ApiError(Exception):
    """An answer with an error body: https://platform.openai.com/docs/guides/error-codes/api-errors."""

    status = 500
    kind = "server_error"
    default_code: ClassVar[str | None] = None
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.default_code


class InvalidRequest(ApiError):  # noqa: N818 - reads as the answer it is, like those below
    """The client's fault."""

    status = 400
    kind = "invalid_request_error"
    default_code: ClassVar[str | None] = "invalid_value"


class ModelNotFound(InvalidRequest):
    """Nothing of that name is served here."""

    status = 404


class BodyTooSlow(InvalidRequest):
    """The body came in too slowly."""

    status = 408


class WrongMediaType(InvalidRequest):
    """The body is of another type than JSON."""

    status = 415


class Retryable(ApiError):  # noqa: N818
    """Not now, or not here."""

    status = 503
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class Overloaded(Retryable):
    """As many requests as the engine takes are waiting."""

    kind = "overloaded_error"


class Unavailable(Retryable):
    """Nobody behind the frontend answers."""

    kind = "service_unavailable_error"


class Draining(Retryable):
    """The pod is about to end and takes no new requests; gateways know it by the header."""

    kind = "service_unavailable_error"
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1", "x-nereid-draining": "true"}


class DeadlineExceeded(ApiError):  # noqa: N818
    """The request's own time was over before its answer was whole."""

    status = 504
    kind = "timeout_error"


class EngineFailed(ApiError):  # noqa: N818
    """The engine could not finish the request."""


def error_body(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """Return the JSON body of an error in OpenAI's form; half characters, which JSON cannot hold, are escaped."""
    writable = message.encode("utf-8", "backslashreplace").decode()
    return {"error": {"message": writable, "type": kind, "param": param, "code": code}}


def body_of(error: ApiError) -> dict[str, Any]:
    """Return the JSON body of an error that was raised."""
    return error_body(error.message, error.kind, error.param, error.code)
