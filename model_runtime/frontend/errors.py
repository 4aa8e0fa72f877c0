"""What the API answers when it does not answer, as one tree; each error knows its HTTP status and OpenAI's body.

    ApiError
    ├── InvalidRequest      400  a field is wrong; `param` names it
    ├── ModelNotFound       404  another model than the one served here
    ├── Overloaded          503  the engine has no room; try again
    ├── Unavailable         503  Triton does not answer, or the model is not ready
    └── EngineFailed        500  the engine broke on this request

Handlers raise them; `app` writes them, also into a stream that has begun.
"""

from typing import Any


class ApiError(Exception):
    """An answer with an error body: https://platform.openai.com/docs/guides/error-codes/api-errors."""

    status = 500
    kind = "server_error"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class InvalidRequest(ApiError):  # noqa: N818 - reads as the answer it is, like those below
    """The client's fault."""

    status = 400
    kind = "invalid_request_error"


class ModelNotFound(ApiError):  # noqa: N818
    """Nothing of that name is served here."""

    status = 404
    kind = "invalid_request_error"


class Overloaded(ApiError):  # noqa: N818
    """As many requests as the engine takes are waiting."""

    status = 503
    kind = "overloaded_error"


class Unavailable(ApiError):  # noqa: N818
    """Nobody behind the frontend answers."""

    status = 503
    kind = "service_unavailable_error"


class EngineFailed(ApiError):  # noqa: N818
    """The engine could not finish the request."""


def error_body(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """Return the JSON body of an error in OpenAI's form."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def body_of(error: ApiError) -> dict[str, Any]:
    """Return the JSON body of an error that was raised."""
    return error_body(error.message, error.kind, error.param, error.code)
