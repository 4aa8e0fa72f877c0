"""Results → table and JSON."""

import json

from bench.control.report import as_json, table
from bench.control.results import Arrival, Edits, Growth, Quiet, Results, Rounds

MIB = 1024


def _growth(size, added, seconds, mebibytes):
    return Growth(Arrival(size, added, seconds, 99.0, 8 * added, 1.5, mebibytes * MIB), restart_writes=0)


RESULTS = Results(
    rounds=Rounds(100, operator_seconds=(9.0, 6.0, 6.2), bare_seconds=(4.0, 3.0, 4.0)),
    idle_kib=50 * MIB,
    growth=(_growth(500, 500, 20.0, 75), _growth(1000, 500, 25.0, 100)),
    edits=Edits(500, p50_seconds=0.05, p99_seconds=0.25),
    quiet=Quiet(seconds=600, resync_seconds=300, touches=3000, writes=0),
)


def test_the_json_object_has_the_figures_of_the_first_size_and_a_part_for_each():
    figures = json.loads(as_json(RESULTS))
    sizes = figures.pop("sizes")
    assert figures == {
        "crs_per_second": 25.0,
        "times_bare_client": 1.55,
        "edit_to_child_p99_seconds": 0.25,
        "idle_mib": 50.0,
        "kib_per_cr": 51.2,
        "quiet_writes": 0,
        "restart_writes": 0,
    }
    assert sizes["1000"]["crs_per_second"] == 20.0
    assert sizes["1000"]["kib_per_cr"] == 51.2
    assert list(sizes) == ["500", "1000"]


def test_the_table_says_the_same_as_the_json_object():
    lines = table(RESULTS).splitlines()
    figures = json.loads(as_json(RESULTS))
    shown = {line.split()[0]: float(line.split()[1]) for line in lines[:7]}
    assert shown == {key: value for key, value in figures.items() if key != "sizes"}
    assert [line.split()[0] for line in lines[8:]] == ["size", "500", "1000"]


def test_json_is_one_line():
    assert "\n" not in as_json(RESULTS)
