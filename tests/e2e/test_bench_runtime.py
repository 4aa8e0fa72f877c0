"""The benchmark of the engine, small: every figure comes out, of real processes, and nothing is left behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# It races other libraries, whose threads spin: beside other tests on two cores it would take many minutes.
pytestmark = [pytest.mark.e2e, pytest.mark.soak]

REPOSITORY = Path(__file__).parents[2]
SMALL = ("--rounds=1", "--tokens=20", "--passes=1", "--cold-starts=1", "--requests=4", "--pairs=2")
NUMBERS = {
    "tokens_ratio_1",
    "tokens_ratio_8_fifo",
    "tokens_ratio_8_generate_batch",
    "embeddings_ratio_1",
    "embeddings_ratio_32",
    "embeddings_ratio_1_float32",
    "embeddings_ratio_32_float32",
    "ttft_p50_ms",
    "ttft_p99_ms",
    "ttft_requests",
    "replica_mib",
    "cold_start_seconds",
    "rounds",
    "threads",
}
LLAMACPP = {"llamacpp_bf16_ratio_1", "llamacpp_bf16_ratio_8"}


def test_every_figure_comes_out(tmp_path):
    # Its compilation takes longer than all tests of this folder: here it is raced where it is there.
    command = [sys.executable, "-m", "bench", "runtime", *SMALL, "--llamacpp=if-built", f"--folder={tmp_path}"]
    done = subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True, timeout=1200, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{done.stdout[-2000:]}"
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures.keys() == NUMBERS | LLAMACPP | {"llamacpp_reason", "triton_overhead_ms", "step_ms"}
    assert all(figures[name] > 0 for name in NUMBERS)
    assert all((figures[name] is None) == (figures["llamacpp_reason"] is not None) for name in LLAMACPP)
    for phases in figures["step_ms"].values():
        parts = ("model", "sampling", "text", "other")
        assert phases["step"] == pytest.approx(sum(phases[part] for part in parts), abs=0.01)
        assert phases["model"] > phases["sampling"] > 0
    assert not list(tmp_path.iterdir())
