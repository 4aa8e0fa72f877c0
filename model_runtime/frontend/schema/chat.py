"""The body of POST /v1/chat/completions."""

from typing import Annotated, Any

from pydantic import Field

from model_runtime.frontend.schema.fields import Message, Neutral
from model_runtime.frontend.schema.generation import MAX_LOGPROBS, GenerationBody

MAX_MESSAGES = 2048


class ChatBody(GenerationBody):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_LOGPROBS)] | None = None
    audio: Annotated[Any, Neutral()] = None
    function_call: Annotated[Any, Neutral("none", "auto")] = None
    functions: Annotated[Any, Neutral([])] = None
    modalities: Annotated[Any, Neutral(["text"])] = None
    reasoning_effort: Annotated[Any, Neutral("none")] = None
    tool_choice: Annotated[Any, Neutral("none", "auto")] = None
    tools: Annotated[Any, Neutral([])] = None
    verbosity: Annotated[Any, Neutral("medium")] = None
    web_search_options: Annotated[Any, Neutral()] = None
    # These have no effect on what is answered here.
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None
    prediction: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
