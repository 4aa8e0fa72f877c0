"""The header parsers under a fuzzer that is guided by coverage: 20,000 inputs each, and 1,000,000 in `make soak`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

REPOSITORY = Path(__file__).parents[2]
SECONDS = 600


def fuzz(target: str, runs: int, folder: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", target, str(folder / "fuzz"), "--runs", str(runs), "--seed", "1"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=SECONDS)
    # libFuzzer ends with the traceback, and the input in base64.
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    assert f"stat::number_of_executed_units: {runs}" in done.stderr


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_no_input_breaks_the_parser(target: str, tmp_path: Path) -> None:
    fuzz(target, 20_000, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_no_input_of_a_million_breaks_the_parser(target: str, tmp_path: Path) -> None:
    fuzz(target, 1_000_000, tmp_path)


def test_what_the_starter_once_held_does_not_count(tmp_path: Path) -> None:
    # Long enough for libFuzzer, which looks at the memory once a second.
    command = [sys.executable, "-m", "tests.fuzz", "gguf-model", str(tmp_path / "fuzz"), "--runs", "40000"]
    starter = f"import subprocess; _ = b'x' * (2200 << 20); raise SystemExit(subprocess.run({command!r}).returncode)"
    done = subprocess.run([sys.executable, "-c", starter], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
