"""Numbers, ages and tables as people read them. Pure; used by every command."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from nereid_operator.api.quantities import GIBIBYTE, MEBIBYTE

_DIGEST_DIGITS = 12
_AGES = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def size(size_bytes: Decimal | int) -> str:
    """Return a size such as `87.3 MiB`, `1.4 GiB` or `812 KiB`."""
    if size_bytes >= GIBIBYTE:
        return f"{size_bytes / GIBIBYTE:.1f} GiB"
    if size_bytes >= MEBIBYTE:
        return f"{size_bytes / MEBIBYTE:.1f} MiB"
    return f"{size_bytes / 1024:.0f} KiB"


def cores(amount: Decimal) -> str:
    """Return CPU such as `0.35` or `2`."""
    return f"{amount.quantize(Decimal('0.001')).normalize():f}"


def short_digest(digest: str) -> str:
    """Return the first digits of a digest, without the name of its algorithm."""
    return digest.partition(":")[2][:_DIGEST_DIGITS]


def short_revision(revision: str) -> str:
    """Return a pinned revision short: a commit or a digest by its first digits, anything else as it is."""
    if revision.startswith("sha256:"):
        return short_digest(revision)
    return revision[:_DIGEST_DIGITS]


def age(then: str, now: datetime) -> str:
    """Return how long ago an RFC 3339 time was, such as `5m`; empty when there is no time."""
    if not then:
        return ""
    seconds = max(0, int((now - datetime.fromisoformat(then)).total_seconds()))
    return next((f"{seconds // unit}{name}" for unit, name in _AGES if seconds >= unit), "0s")


def counted(number: int, noun: str) -> str:
    """Return `1 node` or `3 nodes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def table(rows: Iterable[Sequence[str]], *, indent: str = "") -> list[str]:
    """Return rows as lines with columns of one width each; the last column keeps its own."""
    cells = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return [f"{indent}{line}".rstrip() for line in lines]


def sentence(text: str) -> str:
    """Return a text that ends like a sentence."""
    stripped = " ".join(text.split())
    return stripped if stripped.endswith((".", "!", "?", "…")) else f"{stripped}."
