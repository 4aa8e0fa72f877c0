"""The benchmark of the gateway, small: it measures what it says with real Envoys, and leaves nothing running."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]
SMALL = ("--models=20", "--many-models=40", "--rounds=1", "--seconds=2", "--edits=5")


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "bench", "gateway", *SMALL, f"--folder={folder}"]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=os.environ, text=True, capture_output=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    return done.stdout


def test_no_change_costs_a_request(output):
    figures = json.loads(output.splitlines()[-1])
    assert figures["non_200_during_changes"] == 0
    assert figures["requests_during_changes"] > 0
    assert set(figures["statuses_before_200"]) <= {404}


def test_every_cell_says_how_busy_the_machine_was(output):
    cells = [line for line in output.splitlines() if "generator" in line]
    assert len(cells) == 6
    assert all("CPU" in line for line in cells)
