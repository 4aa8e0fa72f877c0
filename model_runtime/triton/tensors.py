"""Reads Triton's input tensors into Python values, naming the input when it is wrong. Used by both models; pure."""

from typing import Any

import numpy as np

from model_runtime.engines.errors import InvalidRequestError

Array = np.ndarray[Any, np.dtype[Any]]


def read_text(value: object, name: str) -> str:
    """Return one BYTES element as text; InvalidRequestError if it is not UTF-8."""
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        raise InvalidRequestError(name, f"an element of type {type(value).__name__}; expected BYTES")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(name, f"not UTF-8 at byte {error.start}") from None


def read_scalar(array: Array | None, name: str) -> Any:  # noqa: ANN401 - of the tensor's type
    """Return the only element of a tensor, or None where the client left the optional input out."""
    if array is None:
        return None
    if array.size != 1:
        raise InvalidRequestError(name, f"{array.size} elements; expected exactly one")
    return array.reshape(-1)[0]


def write_texts(*texts: str) -> Array:
    """Return a BYTES tensor."""
    return np.array([text.encode() for text in texts], dtype=np.object_)
