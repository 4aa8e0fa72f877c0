"""Everything the operator raises on purpose.

NereidError
├── SettingsError          an environment variable has a value that cannot be used
├── ConnectionConfigError  neither a service account nor a usable kubeconfig
├── RefusalError           the cluster will not take what the plan says; becomes a condition, not a retry storm
├── NotLeadingError        a write was held back: this process does not lead, or does no longer
└── ApiError               the API server answered with an error, or not at all
    ├── NotFoundError      404
    ├── ConflictError      409
    ├── RejectedError      400, 403, 422: saying it again changes nothing
    └── UnreachableError   no answer: refused, cut off, timed out
"""


class NereidError(Exception):
    """Base of the tree above."""


class SettingsError(NereidError):
    """An environment variable cannot be used; the message names it, its value and what would be right."""


class ConnectionConfigError(NereidError):
    """No way to the API server was found; the message names what was looked at."""


class RefusalError(NereidError):
    """The cluster will not take an object of the plan.

    `reason` is one of `nereid_operator.api.conditions.Reason`; the message names the object.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class NotLeadingError(NereidError):
    """A write was not sent, because this process may not act: another one leads, or may do so by now."""


class ApiError(NereidError):
    """The API server answered with an error status.

    `status` is the HTTP status (0 when there was no answer), `message` the server's own words, `retry_after_seconds`
    how long it wants to be left alone (429, 503).
    """

    def __init__(self, status: int, message: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class NotFoundError(ApiError):
    """The object or the resource is not there (404)."""


class ConflictError(ApiError):
    """The object exists already, or has changed since it was read (409)."""


class RejectedError(ApiError):
    """The request is invalid or forbidden (400, 403, 422): sending it again unchanged is useless."""


class UnreachableError(ApiError):
    """No answer: connection refused, cut off or timed out."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: RejectedError,
    403: RejectedError,
    404: NotFoundError,
    409: ConflictError,
    422: RejectedError,
}


def api_error(status: int, message: str, retry_after_seconds: float = 0.0) -> ApiError:
    """Return the error of the tree that an HTTP status stands for."""
    return _BY_STATUS.get(status, ApiError)(status, message, retry_after_seconds)
