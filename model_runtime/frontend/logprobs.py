"""How likely each token was: from the engine's JSON to the forms of chat and of text completions; pure.

Called by `triton_client`, which reads, and by `formats`, which writes. The engine's list has an entry for each token:
an object from token id to `{"logprob", "rank", "decoded_token"}`, the chosen token first.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# JSON has no infinity; vLLM writes this for a token that could not have been chosen.
_LEAST = -9999.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token at one place of the text: `rank` 1 is the most likely one."""

    text: str
    logprob: float
    rank: int


# The chosen token, then likely ones.
Position = tuple[Candidate, ...]


def read_logprobs(content: bytes) -> tuple[Position, ...]:
    """Read the engine's list; KeyError or ValueError for anything else."""
    return tuple(tuple(map(_candidate, entry.values())) for entry in json.loads(content))


def _candidate(value: dict[str, Any]) -> Candidate:
    logprob = max(float(value["logprob"]), _LEAST)
    return Candidate(text=value["decoded_token"] or "", logprob=logprob, rank=int(value["rank"]))


def chat_logprobs(positions: Sequence[Position], likely: int) -> dict[str, Any]:
    """Return the `logprobs` of a chat choice, with the `likely` most likely tokens at each place."""
    content = [_named(chosen[0]) | {"top_logprobs": _most_likely(chosen, likely)} for chosen in positions]
    return {"content": content, "refusal": None}


def _most_likely(position: Position, likely: int) -> list[dict[str, Any]]:
    ranked = sorted(position, key=lambda candidate: candidate.rank)
    return [_named(candidate) for candidate in ranked if candidate.rank <= likely]


def _named(candidate: Candidate) -> dict[str, Any]:
    return {"token": candidate.text, "logprob": candidate.logprob, "bytes": list(candidate.text.encode())}


def text_logprobs(positions: Sequence[Position], offset: int) -> dict[str, Any]:
    """Return the `logprobs` of a text choice; `offset` is where the first token stands in the choice's text."""
    offsets = []
    for position in positions:
        offsets.append(offset)
        offset += len(position[0].text)
    return {
        "tokens": [position[0].text for position in positions],
        "token_logprobs": [position[0].logprob for position in positions],
        "top_logprobs": [{candidate.text: candidate.logprob for candidate in reversed(one)} for one in positions],
        "text_offset": offsets,
    }


def length_of(positions: Sequence[Position]) -> int:
    """Return how many characters the chosen tokens have."""
    return sum(len(position[0].text) for position in positions)
