"""The body of POST /v1/completions."""

from typing import Annotated, Any

from pydantic import Field

from model_runtime.frontend.schema.fields import Neutral, Prompt
from model_runtime.frontend.schema.generation import MAX_LOGPROBS, GenerationBody


class CompletionBody(GenerationBody):
    """POST /v1/completions."""

    prompt: Prompt
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=MAX_LOGPROBS)] | None = None
    best_of: Annotated[Any, Neutral(1)] = None
    suffix: Annotated[Any, Neutral("")] = None
