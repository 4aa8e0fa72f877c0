"""The JSON of chat and text completions, whole and in chunks; pure. Called by `completions`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from model_runtime.frontend.triton_client import Delta

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """How one endpoint writes its answer; `opening` is the first chunk of each choice, where there is one."""

    id_prefix: str
    whole_object: str
    chunk_object: str
    whole: Callable[[int, Delta], Json]
    chunk: Callable[[int, Delta], Json]
    opening: Callable[[int], Json] | None


def _chat_choice(index: int, delta: Delta) -> Json:
    message = {"role": "assistant", "content": delta.text, "refusal": None}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": delta.finish_reason}


def _chat_chunk(index: int, delta: Delta) -> Json:
    content = {"content": delta.text} if delta.text else {}
    return {"index": index, "delta": content, "logprobs": None, "finish_reason": delta.finish_reason}


def _chat_opening(index: int) -> Json:
    return {"index": index, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}


def _text_choice(index: int, delta: Delta) -> Json:
    return {"index": index, "text": delta.text, "logprobs": None, "finish_reason": delta.finish_reason}


CHAT = Format("chatcmpl-", "chat.completion", "chat.completion.chunk", _chat_choice, _chat_chunk, _chat_opening)
TEXT = Format("cmpl-", "text_completion", "text_completion", _text_choice, _text_choice, None)
