"""Answers of a given form: which tokens may come next so that the text stays a beginning of valid JSON.

`Grammars` is made once for a model, `start` gives the state of one generation. The library is llguidance, which
vLLM and others use for the same; `sampling` applies the mask.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from torch import Tensor

from model_runtime.engines.errors import InvalidRequestError

_MAX_SCHEMA_LENGTH = 64 * 1024
_ANY_OBJECT = {"type": "object"}
# A model that may put any space between two signs can go on putting spaces for ever.
_FORM: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


class GrammarState:
    """Where one generation is in its grammar; `take` each token that is chosen."""

    def __init__(self, matcher: LLMatcher, vocabulary: int) -> None:
        self._matcher, self._vocabulary = matcher, vocabulary

    def allowed(self) -> Tensor:
        """Return which tokens may come next, [V] of bool; InvalidRequestError for a schema that takes too much."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        if self._matcher.is_error():
            raise _refused(self._matcher)
        return torch.from_numpy(np.unpackbits(bits, count=self._vocabulary, bitorder="little").view(np.bool_))

    def take(self, token: int) -> None:
        """Go on by one token, one of those that were allowed."""
        self._matcher.consume_token(token)


class Grammars:
    """The tokens of a model as llguidance wants them."""

    def __init__(self, tokenizer: Path, end_ids: Collection[int], vocabulary: int) -> None:
        """Read tokenizer.json; `vocabulary` is the number of the model's logits, which may exceed the tokenizer's."""
        self._vocabulary = vocabulary
        text = tokenizer.read_text(encoding="utf-8")
        self._tokenizer = LLTokenizer(text, n_vocab=vocabulary, eos_token=sorted(end_ids))

    def start(self, wanted: Mapping[str, Any]) -> GrammarState:
        """Return the state before the first token.

        `wanted` is `{"json_object": true}` or `{"json": <JSON Schema>}`.

        Raises:
            InvalidRequestError: a schema that cannot be followed; the library's words say why.

        """
        schema = json.dumps(_schema(wanted))
        if len(schema) > _MAX_SCHEMA_LENGTH:
            raise InvalidRequestError(
                "structured_outputs", f"the schema has {len(schema)} characters; expected at most {_MAX_SCHEMA_LENGTH}"
            )
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides=_FORM)
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise _refused(matcher)
        return GrammarState(matcher, self._vocabulary)


def _refused(matcher: LLMatcher) -> InvalidRequestError:
    return InvalidRequestError("structured_outputs", f"the schema cannot be followed: {matcher.get_error():.300}")


def _schema(wanted: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    match dict(wanted):
        case {"json_object": True, **rest} if not rest:
            return _ANY_OBJECT
        case {"json": dict() as schema, **rest} if not rest:
            return schema
        case _:
            raise InvalidRequestError(
                "structured_outputs", f'{wanted!r:.80} is wrong: expected {{"json_object": true}} or {{"json": schema}}'
            )
