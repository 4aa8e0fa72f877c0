"""The benchmark of the control plane, small: it measures what it says on a cluster of its own, and takes it down."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]
SMALL = (
    "--sizes=6,10",
    "--round-size=5",
    "--rounds=1",
    "--edits=5",
    "--edits-per-second=5",
    "--quiet-seconds=10",
    "--silence-seconds=11",
)


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    logs = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "bench", "control", *SMALL, f"--logs={logs}"]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=os.environ, text=True, capture_output=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{done.stderr}\n{done.stdout[-2000:]}"
    return done.stdout


def test_the_last_line_is_a_json_object_of_every_figure(output):
    figures = json.loads(output.splitlines()[-1])
    assert figures.pop("sizes").keys() == {"6", "10"}
    assert figures.keys() == {
        "crs_per_second",
        "times_bare_client",
        "edit_to_child_p99_seconds",
        "idle_mib",
        "kib_per_cr",
        "quiet_writes",
        "restart_writes",
    }
    assert figures["crs_per_second"] > 0
    assert figures["times_bare_client"] > 0
    assert figures["edit_to_child_p99_seconds"] > 0


def test_an_operator_with_nothing_to_do_writes_nothing(output):
    """Pods are touched and everything is listed again meanwhile; then another process starts."""
    figures = json.loads(output.splitlines()[-1])
    assert figures["quiet_writes"] == 0
    assert all(size["restart_writes"] == 0 for size in figures["sizes"].values())
