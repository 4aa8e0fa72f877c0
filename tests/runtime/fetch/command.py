"""A command of the runtime as a process: the hub's library reads its settings when it is imported."""

import json
import os
import subprocess
import sys
from pathlib import Path


def run(tmp_path: Path, module: str, *arguments: str, **environment: str) -> tuple[int, dict[str, object]]:
    """Run the command with nothing of the caller's hub settings; return its exit code and its report."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    log = tmp_path / "termination-log"
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        f"model_runtime.{module}",
        *arguments,
        "--termination-log",
        str(log),
    ]
    done = subprocess.run(command, env=kept | environment, capture_output=True, text=True, check=False, timeout=60)
    assert log.exists(), done.stderr
    return done.returncode, json.loads(log.read_text())
