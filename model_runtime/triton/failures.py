"""The engine's errors as Triton's: the status code a client sees, and the text. Used by every model."""

from typing import Any

import triton_python_backend_utils as pb_utils

from model_runtime.engines.errors import (
    CancelledError,
    DeadlineExceededError,
    EngineDiedError,
    InvalidRequestError,
    MemoryExceededError,
    QueueFullError,
)


def to_triton_error(error: Exception) -> Any:  # noqa: ANN401 - Triton's module has no types
    """Return the `TritonError`: the client's fault, no room, gone, or (whatever else) ours."""
    match error:
        case InvalidRequestError():
            code = pb_utils.TritonError.INVALID_ARG
        case QueueFullError() | MemoryExceededError() | DeadlineExceededError() | EngineDiedError():
            code = pb_utils.TritonError.UNAVAILABLE
        case CancelledError():
            code = pb_utils.TritonError.CANCELLED
        case _:
            return pb_utils.TritonError(f"the engine failed: {error}", pb_utils.TritonError.INTERNAL)
    return pb_utils.TritonError(str(error), code)
