"""What the benchmark of the download makes of its times."""

import json

from bench.fetch.results import Race, Results, as_json, table

RESULTS = Results(
    race=Race(2048, ours=[2.0, 4.0, 2.5], curl=[5.0, 2.0, 1.0]),
    limited=Race(512, ours=[2.0], curl=[8.0]),
    verify_seconds=[1.0, 2.0, 4.0],
    peaks={256: 40 * 1024, 4096: 48 * 1024},
)


def test_the_last_line_holds_the_figures() -> None:
    figures = json.loads(as_json(RESULTS))
    assert figures["throughput_over_curl"] == 0.8
    assert figures["limited_over_curl"] == 4
    assert figures["verify_gib_per_second"] == 1
    assert figures["peak_mib"] == 48


def test_the_table_says_what_the_figures_come_from() -> None:
    first, *_, last = table(RESULTS).splitlines()
    assert "0.80" in first
    assert first.endswith("2048 MiB, median of 3: 819 MiB/s (512 to 1024), curl 1024 (410 to 2048)")
    assert last.endswith("40 at 256, 48 at 4096")
