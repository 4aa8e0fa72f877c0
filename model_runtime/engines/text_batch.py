"""Lays the texts of a batch side by side for an encoder, and puts them under each other where one must not see another.

Texts lie one after the other, shortest first, without padding, so that the large products do no work for nothing.
Attention takes them in groups of about one length, each padded to its longest, with a mask: a few products instead of
one for each text. Pure; used by `bert_encoder`. Letters: B texts, N tokens of all, G texts of a group, L its longest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

# A group's longest text has half as many tokens again as its shortest, and these.
_MORE = 8


@dataclass(frozen=True, slots=True)
class Group:
    """The texts whose tokens lie at `start` to `stop`; the tensors are None where all are of one length."""

    start: int
    stop: int
    longest: int
    places: Tensor | None  # [G, L]: where each token lies in the batch; padding repeats the first token of the text
    real: Tensor | None  # [G, L] of bool: no padding

    def pad(self, x: Tensor) -> Tensor:
        """Return the group's rows of x [N, ...] as [G, L, ...]."""
        if self.places is None:
            return x[self.start : self.stop].view(-1, self.longest, *x.shape[1:])
        return x[self.places]

    def unpad(self, x: Tensor) -> Tensor:
        """Return the real rows of x [G, L, ...], one text after the other."""
        return x.flatten(0, 1) if self.real is None else x[self.real]

    @property
    def mask(self) -> Tensor | None:
        """Which tokens may be attended to, [G, 1, 1, L]: for all heads and all tokens of a text."""
        return None if self.real is None else self.real[:, None, None, :]


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Texts from the shortest to the longest; `order` says which of the caller's texts each is."""

    ids: Tensor  # [N]
    positions: Tensor  # [N]: each token's place in its text
    starts: Tensor  # [B]: where each text begins
    lengths: Tensor  # [B]
    order: Tensor  # [B]
    groups: tuple[Group, ...]

    def text_of_tokens(self) -> Tensor:
        """Return the number of the text of each token, [N]."""
        return torch.repeat_interleave(torch.arange(len(self.lengths), device=self.ids.device), self.lengths)

    def in_callers_order(self, rows: Tensor) -> Tensor:
        """Return rows [B, ...], one for each text, in the order in which the texts came."""
        result = torch.empty_like(rows)
        result[self.order] = rows
        return result


def lay_out(texts: Sequence[Sequence[int]], device: torch.device) -> TextBatch:
    """Return the batch of one or more texts, each of one or more tokens."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    lengths = [len(texts[index]) for index in order]
    starts = [0, *accumulate(lengths)]

    def tensor(values: list[int]) -> Tensor:
        return torch.tensor(values, device=device)

    return TextBatch(
        ids=tensor([token for index in order for token in texts[index]]),
        positions=tensor([place for length in lengths for place in range(length)]),
        starts=tensor(starts[:-1]),
        lengths=tensor(lengths),
        order=tensor(order),
        groups=tuple(_group(starts, lengths, part, device) for part in cut(lengths)),
    )


def cut(lengths: Sequence[int]) -> Iterator[range]:
    """Yield the indices of each group, given the lengths in ascending order."""
    start = 0
    for index, length in enumerate(lengths):
        if length > lengths[start] * 3 // 2 + _MORE:
            yield range(start, index)
            start = index
    yield range(start, len(lengths))


def _group(starts: Sequence[int], lengths: Sequence[int], part: range, device: torch.device) -> Group:
    start, stop, longest = starts[part.start], starts[part.stop], lengths[part.stop - 1]
    if lengths[part.start] == longest:
        return Group(start, stop, longest, places=None, real=None)
    columns = torch.arange(longest, device=device)
    real = columns < torch.tensor([[lengths[index]] for index in part], device=device)
    places = torch.tensor([[starts[index]] for index in part], device=device) + columns * real
    return Group(start, stop, longest, places=places, real=real)
