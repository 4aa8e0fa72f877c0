"""What the benchmark of the gateway makes of its cells and of h2load's lines."""

import json
from dataclasses import replace

import pytest

from bench.errors import BenchError
from bench.gateway import models
from bench.gateway.changes import Changes
from bench.gateway.generator import Cell, Used, read
from bench.gateway.results import Pair, Results, as_json, table

CELL = Cell(per_second=1000, p50_ms=2, p99_ms=5, statuses={200: 4000}, cpu=0.7, generator_cpu=0.1, server_cpu_us=80)


def _cells(*per_second, **other):
    return [replace(CELL, per_second=one, **other) for one in per_second]


RESULTS = Results(
    models=1000,
    many_models=5000,
    saturation=Pair(gateway=_cells(800, 900, 1000), other=_cells(900, 1000, 2000, server_cpu_us=60)),
    many_saturation=Pair(gateway=_cells(800, server_cpu_us=84), other=_cells(1000, cpu=0.81)),
    latency=Pair(gateway=_cells(450, p50_ms=2.25, p99_ms=6), other=_cells(450)),
    changes=Changes(1.5, [0.1] * 99 + [0.4], {404}, [0.05] * 98 + [0.08] * 2, 12000, 1),
    control_plane_mib=120.4,
    envoy_mib=150,
)


def test_the_last_line_holds_the_figures():
    assert json.loads(as_json(RESULTS)) == {
        "added_p50_ms": 0.25,
        "added_p99_ms": 1,
        "throughput_ratio": 0.9,
        "throughput_ratio_5000_models": None,
        "bare_cpu_us": 60,
        "cpu_us": 80,
        "cpu_us_5000_models": 84,
        "models": 1000,
        "first_config_seconds": 1.5,
        "edit_to_200_p99_seconds": 0.1,
        "statuses_before_200": [404],
        "endpoint_p50_ms": 50,
        "endpoint_p99_ms": 80,
        "requests_during_changes": 12000,
        "non_200_during_changes": 1,
        "control_plane_mib": 120,
        "envoy_mib": 150,
    }


def test_the_table_says_which_cells_count_for_nothing_and_why():
    lines = table(RESULTS).splitlines()
    assert [line for line in lines if "void" in line] == [
        "throughput_ratio_5000_models  void",
        "bare Envoy                    1000/s p50 2.00 p99 5.00 ms 80 µs (CPU 81%, generator 10%, void)",
    ]


def test_lines_of_the_generator_become_a_cell():
    lines = [f"{1_000_000 + number}\t200\t{number * 1000}" for number in range(1, 100)] + ["1000100\t503\t9000000"]
    cell = read("\n".join(lines) + "\n", 10, Used(0.5, 0.25, 0.011))
    assert cell == Cell(10, 50, 99, {200: 99, 503: 1}, 0.5, 0.25, pytest.approx(100))


def test_a_generator_that_sent_nothing_measured_nothing():
    with pytest.raises(BenchError, match="no request"):
        read("", 10, Used(0.5, 0.25, 1))


def test_every_model_has_an_address_of_loopback_of_its_own():
    addresses = [models.address(number) for number in (*range(70_000), 100_000, 100_100)]
    assert len(set(addresses)) == len(addresses)
    assert all(address.startswith("127.") for address in addresses)
    assert models.address(0) == "127.1.0.0"
    assert models.address(65536 + 258) == "127.2.1.2"


def test_a_replica_that_is_moved_leaves_the_others_the_same_values():
    before = models.gateway(8080, 3)
    after = models.moved(before, 1, "127.9.9.9")
    assert [one.address for model in after.models for one in model.backends[0].endpoints] == [
        "127.1.0.0",
        "127.9.9.9",
        "127.1.0.2",
    ]
    assert after.models[0] is before.models[0]
    assert models.with_another(after).models[:3] == after.models
