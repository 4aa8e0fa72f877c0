"""Which bytes of a file are there and which are missing, as spans. Pure; called by part.py and download.py."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The bytes from `begin` up to, not including, `end`."""

    begin: int
    end: int

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.end - self.begin


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the spans in order, those that touch or overlap as one, without empty ones."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.begin <= found[-1].end:
            found[-1] = Span(found[-1].begin, max(found[-1].end, span.end))
        elif span.size > 0:
            found.append(span)
    return tuple(found)


def gaps(spans: Iterable[Span], size: int) -> Iterator[Span]:
    """Give what the spans leave of a file of `size` bytes, in order."""
    at = 0
    for span in merged(spans):
        if span.begin > at:
            yield Span(at, span.begin)
        at = span.end
    if at < size:
        yield Span(at, size)


def pieces(span: Span, piece_bytes: int) -> Iterator[Span]:
    """Cut a span into pieces of at most so many bytes, in order."""
    for begin in range(span.begin, span.end, piece_bytes):
        yield Span(begin, min(begin + piece_bytes, span.end))
