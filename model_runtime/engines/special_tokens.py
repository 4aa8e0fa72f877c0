"""Which tokens begin and end a text, as a model's small documents say. Without torch and tokenizers, pure.

Called by `tokenizer` when a folder is loaded, and by `model_runtime.loadable` before a replica could fail at it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_runtime.engines.errors import InvalidConfigError

_MOST_END_IDS = 1_000


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The texts of the first and last token, None where there is none, and the ids at which a generation stops."""

    bos_token: str | None
    eos_token: str | None
    end_ids: frozenset[int]


def parse_special_tokens(tokenizer_config: object, generation: object, config: object) -> SpecialTokens:
    """Return what tokenizer_config.json, generation_config.json and config.json say, each None where it is not there.

    Raises InvalidConfigError, which names the document and the field.
    """
    settings = _object("tokenizer_config.json", tokenizer_config)
    return SpecialTokens(
        bos_token=_text(settings, "bos_token"),
        eos_token=_text(settings, "eos_token"),
        end_ids=_end_ids(generation, config),
    )


def _object(path: str, document: object) -> Mapping[str, Any]:
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise InvalidConfigError(f"{path}: expected an object")
    return document


def _text(settings: Mapping[str, Any], name: str) -> str | None:
    """A special token is written as text or as an object with its flags."""
    token = settings.get(name)
    text = token.get("content") if isinstance(token, Mapping) else token
    if token is not None and not isinstance(text, str):
        raise InvalidConfigError(f"tokenizer_config.json: {name} is {token!r:.80}; expected a text")
    return text


def _end_ids(generation: object, config: object) -> frozenset[int]:
    """generation_config.json knows better than config.json, where both name the end of a text."""
    for path, document in (("generation_config.json", generation), ("config.json", config)):
        ids = _object(path, document).get("eos_token_id")
        if ids is not None:
            return _ids(path, ids)
    return frozenset()


def _ids(path: str, ids: object) -> frozenset[int]:
    listed = ids if isinstance(ids, list) else [ids]
    if len(listed) > _MOST_END_IDS or not all(type(one) is int and 0 <= one < 2**31 for one in listed):
        raise InvalidConfigError(f"{path}: eos_token_id is {ids!r:.80}; expected a token's number, or a list of them")
    return frozenset(listed)
