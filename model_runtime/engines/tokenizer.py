"""Text to tokens and back, by the model's own tokenizer.json. Called by the Triton models and by the frontend.

Truncation and padding that a tokenizer.json may prescribe are switched off: a text is never cut silently.
"""

from dataclasses import dataclass
from pathlib import Path

import tokenizers

from model_runtime.engines.config import read_json, read_json_if_present
from model_runtime.engines.errors import InvalidModelError
from model_runtime.engines.special_tokens import parse_special_tokens


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """A tokenizer and the special tokens that other parts ask for; None where the model has none."""

    model: tokenizers.Tokenizer
    bos_token: str | None
    eos_token: str | None
    end_ids: frozenset[int]  # a generation stops at any of these

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        """Return the tokens of a text, with the special tokens the model wants around it."""
        return list(self.model.encode(text, add_special_tokens=special).ids)

    def decode(self, ids: list[int]) -> str:
        """Return the text of tokens, without special tokens; U+FFFD stands where a character is cut."""
        return str(self.model.decode(ids, skip_special_tokens=True))

    def decode_one(self, token: int) -> str:
        """Return the text of one token by itself, special ones too."""
        return str(self.model.decode([token], skip_special_tokens=False))


def load_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer in a model's folder; InvalidModelError if tokenizer.json is missing or malformed."""
    path = folder / "tokenizer.json"
    if not path.exists():
        raise InvalidModelError("tokenizer.json: the file is missing")
    try:
        model = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more precise
        raise InvalidModelError(f"tokenizer.json: {error}") from error
    model.no_truncation()
    model.no_padding()
    special = parse_special_tokens(
        read_json_if_present(folder / "tokenizer_config.json"),
        read_json_if_present(folder / "generation_config.json"),
        read_json(folder / "config.json"),
    )
    return Tokenizer(model, special.bos_token, special.eos_token, special.end_ids)
