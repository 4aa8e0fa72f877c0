"""A request body from its bytes: JSON with one meaning, of the fields that the route has.

Called by every handler. What is wrong is told by the first field that is wrong, in words that repeat little of the
client's own text, since a wrong value may have megabytes.
"""

import re
import reprlib
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from model_runtime.frontend.errors import InvalidRequest
from model_runtime.strict_json import JsonError, parse_json

# Bounds the memory of a body beside its bytes; a text of a million commas is refused too.
MAX_VALUES = 1_000_000
_MOST_SHOWN = 80
_FIELD = re.compile(r"\w{1,64}")


class Body(BaseModel):
    """What all bodies share: strict types, no unknown fields, and the name of the model."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    model: str
    user: str | None = None  # describes the client; has no effect here


AnyBody = TypeVar("AnyBody", bound=Body)


def parse_body(kind: type[AnyBody], content: bytes) -> AnyBody:
    """Read a request body; InvalidRequest names the first field that is wrong."""
    try:
        return kind.model_validate(parse_json(content, max_values=MAX_VALUES))
    except JsonError as error:
        raise InvalidRequest(f"The body is not JSON that can be read: {error}", code="invalid_json") from error
    except ValidationError as error:
        raise _explain(error.errors(include_url=False)[0]) from error


def _explain(first: Any) -> InvalidRequest:  # noqa: ANN401 - pydantic's error details
    # Where a field has several forms, pydantic names the form too, in words that are no field's name.
    path = [str(part) for part in first["loc"] if isinstance(part, int) or _FIELD.fullmatch(part)]
    param = ".".join(path) or None
    if first["type"] == "extra_forbidden":
        named = param or _shown(first["loc"][-1])
        return InvalidRequest(f"{named}: this field is not supported", param=param, code="unsupported_parameter")
    if first["type"] == "missing":
        return InvalidRequest(f"{param}: this field is required", param=param, code="missing_required_parameter")
    code = "unsupported_value" if first["type"] == "unsupported_value" else "invalid_value"
    named = param or "The body"
    return InvalidRequest(f"{named}: {first['msg']}, not {_shown(first['input'])}", param=param, code=code)


def _shown(value: object) -> str:
    return reprlib.repr(value)[:_MOST_SHOWN]
