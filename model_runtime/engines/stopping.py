"""Ends a text at the first stop string, and holds back what may turn out to be the start of one.

Pure; called by `generate` with the text that the detokenizer let go.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scan:
    """What a piece of text came to: `text` may be sent, `held` must wait, `stopped` says that a stop string was met."""

    text: str
    held: str
    stopped: bool


def scan(held: str, piece: str, stops: tuple[str, ...]) -> Scan:
    """Look for the stop strings in what was held before and the new piece; a stop string itself is never sent."""
    text = held + piece
    found = [position for stop in stops if (position := text.find(stop)) >= 0]
    if found:
        return Scan(text=text[: min(found)], held="", stopped=True)
    keep = max((_overlap(text, stop) for stop in stops), default=0)
    return Scan(text=text[: len(text) - keep], held=text[len(text) - keep :], stopped=False)


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of `text` that is a beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
