"""What can go wrong in the engine, as one tree; `model_runtime.triton` turns it into Triton's status codes.

    EngineError
    ├── ModelError                  the folder cannot be served: the process ends
    │   ├── UnsupportedModelError   a family or a setting of config.json that the engine does not have
    │   └── InvalidModelError       missing files, tensors or fields
    │       └── InvalidConfigError  a value of config.json that no model can have
    ├── DeviceMissingError          no GPU where the model should run on one
    ├── InvalidRequestError         the client's fault: names the field and what would be right
    │   └── ContextLengthError      the prompt does not fit into the model's context
    ├── QueueFullError              the engine has no room: try again later
    ├── EngineDiedError             the engine's thread has ended: a defect of ours; the process ends
    ├── DeadlineExceededError       the request's own time, or that of waiting, is over
    ├── MemoryExceededError         the memory does not suffice for this request, be it alone
    └── CancelledError              the client has gone; nobody reads the answer

`InvalidRequestError` crosses Triton as text: it writes itself as `field: message [code]`, and `parse_invalid_request`
reads that back.
"""

import re

CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
INVALID_VALUE = "invalid_value"

_INVALID_REQUEST = re.compile(r"(?P<field>[a-z_]+): (?P<message>.*) \[(?P<code>[a-z_]+)\]", re.DOTALL)


class EngineError(Exception):
    """Anything the engine refuses or fails at."""


class ModelError(EngineError):
    """The model's folder cannot be served; trying again does not help."""


class UnsupportedModelError(ModelError):
    """The folder is well-formed, but the engine has no code for it."""


class InvalidModelError(ModelError):
    """The folder lacks something, or something in it contradicts the rest."""


class InvalidConfigError(InvalidModelError):
    """A value in config.json or beside it that no model can have: of another type, absurd, or against another one."""


class DeviceMissingError(EngineError):
    """torch sees no GPU, and the model should run on one."""


class InvalidRequestError(EngineError):
    """A request with a wrong value; `field` is the input's or the sampling parameter's name."""

    code = INVALID_VALUE

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message} [{self.code}]")
        self.field = field
        self.message = message


class ContextLengthError(InvalidRequestError):
    """The prompt, or the prompt and the tokens asked for, exceed the model's context."""

    code = CONTEXT_LENGTH_EXCEEDED


class QueueFullError(EngineError):
    """As many requests as the engine takes are already waiting."""


class EngineDiedError(EngineError):
    """The engine's thread has ended; nothing runs any more."""


class DeadlineExceededError(EngineError):
    """The answer is not whole within the time that the request, or the queue, allows."""


class MemoryExceededError(EngineError):
    """The memory that is left does not suffice for a request, even where it runs alone."""


class CancelledError(EngineError):
    """The client of a request has gone before the answer was whole."""


def parse_invalid_request(text: str) -> tuple[str, str, str] | None:
    """Return field, message and code of an `InvalidRequestError` written as text; None for any other text."""
    match = _INVALID_REQUEST.search(text)
    return (match["field"], match["message"], match["code"]) if match else None
