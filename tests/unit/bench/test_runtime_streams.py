"""What is read from the moments of a stream's events."""

from typing import Any

import pytest

from bench.errors import BenchError
from bench.runtime.streams import read_stream


def event(text: str, reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"text": text, "finish_reason": reason}]}


USAGE = {"choices": [], "usage": {"completion_tokens": 5}}


def test_a_stream_lasts_from_its_first_text_to_its_end() -> None:
    """The last tokens may have no text of their own."""
    stream = read_stream(
        1.0, [(2.0, event("")), (3.0, event("a")), (4.0, event("b")), (7.0, event("", "length")), (8.0, USAGE)], 5
    )
    assert (stream.first - stream.asked, stream.step) == (2.0, 1.0)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([(2.0, event("", "length")), (3.0, USAGE)], id="no text"),
        pytest.param([(2.0, event("a")), (3.0, USAGE)], id="no end"),
        pytest.param([(2.0, event("a", "length"))], id="no word of how many tokens"),
        pytest.param([(2.0, event("a", "stop")), (3.0, USAGE | {"usage": {"completion_tokens": 4}})], id="too few"),
    ],
)
def test_a_stream_that_is_not_whole_has_no_figures(events: list[tuple[float, Any]]) -> None:
    with pytest.raises(BenchError, match="expected 5"):
        read_stream(1.0, events, 5)
