"""A command that is told to end while it waits for its source: Kubernetes would otherwise wait for its pod's grace."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PINNED = ("--revision", "r", "--digest", f"sha256:{0:064x}")
FOLDERS = ("--weights", "weights", "--repository", "repository")
COMMANDS = {
    "resolve": ("--task", "Auto"),
    "prepare": ("--task", "Chat", "--served-name", "m", *PINNED, *FOLDERS),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_waits_for_its_source_ends_when_told_to(name: str, tmp_path: Path) -> None:
    """By itself, as its exit code says: the kernel spares the first process of a container the signal."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/model"
        command = [sys.executable, "-m", f"model_runtime.{name}", "--uri", url, *COMMANDS[name]]
        with subprocess.Popen([*command, "--termination-log", str(tmp_path / "log")], cwd=tmp_path) as process:
            try:
                asked, _ = silent.accept()
                with asked:
                    process.terminate()
                    assert process.wait(timeout=20) == 128 + signal.SIGTERM
            finally:
                process.kill()
