"""Windows along time, what several gateways report, and which entries of the access log are read."""

import pytest

from nereid_operator.xds.access_log import ENTRIES_PER_SECOND, Sampler
from nereid_operator.xds.observations import Observations, Report
from nereid_operator.xds.windows import (
    FRESH_SECONDS,
    KEPT_SECONDS,
    Load,
    Metric,
    Sample,
    Window,
    error_counts,
    first_byte_quantile,
)

A, B = ("ns/a/http", "198.18.0.1:8000"), ("ns/a/http", "198.18.0.2:8000")


def test_a_window_sums_what_is_not_too_old():
    window = Window().with_load(Load(1, 1), 10.2).with_load(Load(2, 1, 1), 10.9).with_load(Load(4, 4), 15.0)
    assert window.load(100, 16.0) == Load(7, 6, 1)
    assert window.load(5, 15.5) == Load(4, 4)
    assert window.load(1, 20.0) == Load()


def test_a_window_forgets():
    window = Window().with_load(Load(1), 0.0).with_load(Load(1), KEPT_SECONDS + 1.0)
    assert len(window.loads) == 1


def test_metrics_of_loads_add_up():
    both = Load(metrics={"queue": Metric(2, 6.0)}) + Load(metrics={"queue": Metric(1, 0.0), "other": Metric(1, 1.0)})
    assert both.metrics == {"queue": Metric(3, 6.0), "other": Metric(1, 1.0)}
    assert both.metrics["queue"].mean == 2.0
    assert Metric().mean is None


@pytest.mark.parametrize(
    ("samples", "quantile", "seconds"),
    [
        ([], 0.5, None),
        ([Sample(503, None)], 0.5, None),
        ([Sample(200, 1.0), Sample(200, 2.0), Sample(200, 3.0)], 0.5, 2.0),
        ([Sample(200, 1.0), Sample(200, 2.0), Sample(200, 3.0)], 1.0, 3.0),
        ([Sample(200, 1.0, weight=9), Sample(200, 5.0)], 0.9, 1.0),
        ([Sample(200, 1.0, weight=9), Sample(200, 5.0)], 0.95, 5.0),
    ],
)
def test_quantiles_go_by_weight(samples, quantile, seconds):
    assert first_byte_quantile(samples, quantile) == seconds


def test_errors_are_counted_by_weight():
    samples = [
        Sample(503, None, ("upstream_overflow",), weight=3),
        Sample(200, 1.0),
        Sample(503, None, ("upstream_overflow",)),
    ]
    assert error_counts(samples) == {"upstream_overflow": 4.0}


def test_what_is_under_way_is_the_sum_over_gateways():
    seen = Observations()
    assert seen.in_progress(A, 0.0) is None
    seen.report("g0", Report({A: Load(1)}, {A: 2, B: 1}), 0.0)
    seen.report("g1", Report({A: Load(2)}, {A: 3}), 0.5)
    assert (seen.in_progress(A, 1.0), seen.in_progress(B, 1.0)) == (5, 1)
    assert seen.load(A, 10, 1.0) == Load(3)
    assert seen.load(B, 10, 1.0) == Load()
    seen.report("g0", Report(), 1.0)
    assert (seen.in_progress(A, 1.0), seen.in_progress(B, 1.0)) == (3, 0)


def test_a_gateway_that_is_gone_says_nothing_about_now():
    seen = Observations()
    seen.report("g0", Report({A: Load(1)}, {A: 2}), 0.0)
    seen.report("g1", Report({}, {A: 1}), FRESH_SECONDS)
    assert seen.in_progress(A, FRESH_SECONDS) == 1
    assert seen.reporting(FRESH_SECONDS) == ("g1",)
    assert seen.in_progress(A, 3 * FRESH_SECONDS) is None
    assert seen.load(A, 2, 3 * FRESH_SECONDS) is None


def test_endpoints_that_had_nothing_for_long_are_dropped():
    seen = Observations()
    seen.report("g0", Report({A: Load(1)}), 1000.0)
    seen.report("g0", Report({B: Load(1)}), 1000.0 + KEPT_SECONDS)
    seen.report("g0", Report(), 1001.0 + 2 * KEPT_SECONDS - 1)
    assert A not in seen.endpoints()


@pytest.mark.parametrize("per_message", [1, 7, 100, 5000])
@pytest.mark.parametrize("per_second", [400, 5000, 20_000])
def test_the_access_log_is_read_evenly_up_to_a_rate(per_second, per_message):
    """In the second second the rate is known; whatever the messages' size, the weights add up to all entries."""
    sampler, read, weights = Sampler(), 0, 0
    messages = per_second // per_message
    for number in range(2 * messages):
        now = 1 + number / messages if messages else 1.0
        sampler, chosen = sampler.arrive(per_message, now).choose(per_message)
        if now >= 2:
            read += len(chosen)
            weights += len(chosen) * sampler.stride
    assert read <= 1.1 * ENTRIES_PER_SECOND
    assert weights == pytest.approx(messages * per_message, rel=0.05)
