"""Statistics of the benchmarks."""

import pytest

from bench.figures import percentile


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        pytest.param([7.0], 99, 7.0, id="one value is every percentile"),
        pytest.param([3.0, 1.0, 2.0], 50, 2.0, id="the median of three, in any order"),
        pytest.param([1.0, 2.0, 3.0, 4.0], 50, 2.0, id="of an even number the lower one, which was measured"),
        pytest.param([float(n) for n in range(1, 101)], 99, 99.0, id="the 99th of a hundred is not the largest"),
        pytest.param([float(n) for n in range(1, 100)], 99, 99.0, id="the 99th of less than a hundred is the largest"),
        pytest.param([1.0, 2.0], 100, 2.0, id="the hundredth is the largest"),
    ],
)
def test_percentile(values, percent, expected):
    assert percentile(values, percent) == expected


@pytest.mark.parametrize(("values", "percent"), [([], 99), ([1.0], 0), ([1.0], 101)])
def test_what_has_no_percentile_is_an_error(values, percent):
    with pytest.raises(ValueError, match="there is none"):
        percentile(values, percent)
