"""What every side is given: prompts and sentences of mixed lengths, and when they arrive. Pure."""

from itertools import cycle, islice

REQUESTS = 8
SENTENCES = 32
# Seconds from one request to the next.
ARRIVAL_SECONDS = 0.1

_PASSAGE = (
    "The ferry left the island before the fog had lifted, and for the first mile nobody on deck could see the water. "
    "A woman with a crate of pears explained to her neighbour how the orchard had been planted by her grandfather, who "
    "had carried every tree across in a rowing boat. Two students argued about whether a bridge would ever be built, "
    "what it might cost, and who would still want to live there afterwards. The captain, who had heard all of it many "
    "times, kept his eyes on the compass and counted the seconds between the bells of the buoys. When the sun came "
    "through at last, the harbour lay so close that the gulls on its wall were easy to tell apart, and everybody began "
    "to look for bags, tickets and children. On the quay stood a man with a bicycle, waving at no one in particular."
)


def passages(count: int, words: range, first: int) -> list[str]:
    """Return texts whose lengths in words go through `words`, mixed.

    Each begins with a number of its own, from `first` on, so that a cache of prompts that were there finds none. None
    ends as a sentence does, after which a model would have nothing more to say.
    """
    return [f"{first + index}. {_part(7 * index, words[index * 5 % len(words)])}" for index in range(count)]


def _part(start: int, length: int) -> str:
    return " ".join(islice(cycle(_PASSAGE.split()), start, start + length)).rstrip(".,")


def prompts(first: int, count: int = REQUESTS) -> list[str]:
    """Return prompts of 16 to 86 words, numbered from `first` on."""
    return passages(count, range(16, 96, 10), first)


def sentences() -> list[str]:
    """Return the texts to embed: 4 to 66 words."""
    return passages(SENTENCES, range(4, 68, 2), 1)


def cut(texts: list[str], size: int) -> list[list[str]]:
    """Return the texts in parts of one size; the last may be shorter."""
    return [texts[start : start + size] for start in range(0, len(texts), size)]
