"""The death of the backend's process, which Triton itself does not mind, and what clients get from then on."""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import openai
import pytest

from model_runtime.verify import Task
from tests.runtime.conftest import frontend, triton_server


def test_triton_ends_with_its_backend_and_the_frontend_says_so(
    smollm2: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        triton_server([("smollm2", Task.CHAT, smollm2)], tmp_path) as triton,
        frontend(triton.grpc, "Chat", "smollm2", smollm2, tmp_path_factory.mktemp("frontend")) as served,
        openai.OpenAI(base_url=f"{served.url}/v1", api_key="unused", max_retries=0, timeout=60) as client,
    ):
        stream = client.completions.create(model="smollm2", prompt="Once", max_tokens=3000, stream=True)
        next(iter(stream))
        os.kill(_backend_of(triton.process.pid), signal.SIGKILL)
        with pytest.raises(openai.APIError, match="does not answer"):
            list(stream)
        assert triton.process.wait(timeout=30) == -signal.SIGKILL
        with pytest.raises(openai.InternalServerError, match="the model does not answer") as failure:
            client.completions.create(model="smollm2", prompt="Once")
        assert failure.value.status_code == 503
        with pytest.raises(urllib.error.HTTPError) as unready:
            urllib.request.urlopen(f"{served.url}/readyz", timeout=10)
        with unready.value:
            assert unready.value.code == 503


def _backend_of(triton: int) -> int:
    """Return the process of the Python backend, a child of Triton."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        if re.search(rf"^PPid:\t{triton}$", text, re.MULTILINE):
            return int(status.parent.name)
    raise AssertionError(f"process {triton} has no child")


OWNER = "import sys; from model_runtime.triton.lifeline import Lifeline; line = Lifeline(int(sys.argv[1])); {end}"


@pytest.mark.parametrize(
    ("end", "server_lives"),
    [
        pytest.param("line.close()", True, id="an orderly end leaves the server alone"),
        pytest.param("import os; os.kill(os.getpid(), 9)", False, id="a death ends the server"),
    ],
)
def test_the_server_ends_only_with_a_dead_backend(end: str, server_lives: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as server:
        subprocess.run([sys.executable, "-c", OWNER.format(end=end), str(server.pid)], check=False, timeout=30)
        if server_lives:
            server.communicate(b"\n", timeout=30)
        assert server.wait(timeout=30) == (0 if server_lives else -signal.SIGKILL)
