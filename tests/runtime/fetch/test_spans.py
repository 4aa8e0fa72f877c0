"""Which bytes of a file are there, which are missing, and which requests bring them."""

import pytest

from model_runtime.fetch.file_fetch import Piece, plan
from model_runtime.fetch.spans import Span, gaps, merged, pieces

MIB = 1 << 20

MERGED = [
    ("none", [], []),
    ("empty ones are nothing", [(3, 3)], []),
    ("those that touch are one", [(0, 2), (2, 5)], [(0, 5)]),
    ("those that overlap are one", [(4, 9), (0, 5)], [(0, 9)]),
    ("one inside another", [(0, 9), (2, 3)], [(0, 9)]),
    ("those apart stay apart", [(6, 8), (0, 2)], [(0, 2), (6, 8)]),
]


@pytest.mark.parametrize(("sentence", "spans", "expected"), MERGED, ids=[case[0] for case in MERGED])
def test_spans_are_merged(sentence: str, spans: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    assert merged(Span(*span) for span in spans) == tuple(Span(*span) for span in expected)


GAPS = [
    ("nothing is there", [], 9, [(0, 9)]),
    ("all is there", [(0, 9)], 9, []),
    ("an empty file", [], 0, []),
    ("the end is missing", [(0, 4)], 9, [(4, 9)]),
    ("the middle is missing", [(0, 4), (6, 9)], 9, [(4, 6)]),
    ("the begin and the middle are missing", [(1, 4), (6, 9)], 9, [(0, 1), (4, 6)]),
]


@pytest.mark.parametrize(("sentence", "spans", "size", "expected"), GAPS, ids=[case[0] for case in GAPS])
def test_what_is_missing(
    sentence: str, spans: list[tuple[int, int]], size: int, expected: list[tuple[int, int]]
) -> None:
    assert list(gaps([Span(*span) for span in spans], size)) == [Span(*span) for span in expected]


def test_pieces_cover_a_span_and_end_where_it_ends() -> None:
    assert list(pieces(Span(5, 16), 4)) == [Span(5, 9), Span(9, 13), Span(13, 16)]


PLANS = [
    ("an empty file needs no request", 0, [], []),
    ("a small file comes in one request", 9, [], [((0, 9), None)]),
    ("the rest of a small file too", 9, [(0, 4)], [((4, 9), None)]),
    ("a large file comes in pieces", 72 * MIB, [], [((0, 32), 32), ((32, 64), 32), ((64, 72), 8)]),
    ("only what is missing of a large file", 72 * MIB, [(0, 60 * MIB)], [((60, 72), 12)]),
    ("also where a hole is missing", 72 * MIB, [(0, 2 * MIB), (3 * MIB, 72 * MIB)], [((2, 3), 1)]),
]


@pytest.mark.parametrize(("sentence", "size", "there", "expected"), PLANS, ids=[case[0] for case in PLANS])
def test_requests_bring_what_is_missing(
    sentence: str, size: int, there: list[tuple[int, int]], expected: list[tuple[tuple[int, int], int | None]]
) -> None:
    unit = MIB if size >= MIB else 1
    wanted = [
        Piece(Span(begin * unit, end * unit), None if length is None else length * unit)
        for (begin, end), length in expected
    ]
    assert list(plan(size, [Span(*span) for span in there])) == wanted
