"""A real Triton serves the real GGUF file, as resolve and prepare brought it to the disk from a web server."""

import json
import mmap
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_runtime import prepare, resolve
from model_runtime.verify import Task
from tests.runtime.conftest import Triton, frontend, triton_server
from tests.runtime.models import smollm2_gguf_folder
from tests.runtime.triton.test_triton import ANSWER, QUESTION
from tests.stack.webserver import WebServer, serving


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, log = smollm2_gguf_folder(), tmp_path_factory.mktemp("log") / "log"
    target = tmp_path_factory.mktemp("model")
    files: dict[str, bytes | mmap.mmap] = {}
    for path in folder.iterdir():
        with path.open("rb") as file:
            files[f"/{path.name}"] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with serving(WebServer(files)) as web:
        source = ("--uri", web.url, "--termination-log", str(log))
        assert resolve.main(source) == 0, log.read_text()
        answer = json.loads(log.read_text())
        pinned = ("--revision", answer["revision"], "--digest", answer["digest"], "--task", answer["task"])
        folders = ("--weights", str(target / "weights"), "--repository", str(target / "repository"))
        assert prepare.main([*source, *pinned, "--served-name", "gguf", *folders]) == 0, log.read_text()
    return target / "weights"


@pytest.fixture(scope="module")
def triton(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    with triton_server([("gguf", Task.CHAT, weights)], tmp_path_factory.mktemp("triton")) as started:
        yield started


def test_an_openai_client_gets_the_answer(triton: Triton, weights: Path, tmp_path: Path) -> None:
    from openai import OpenAI  # noqa: PLC0415 - a second of import

    with (
        frontend(triton.grpc, "Chat", "gguf", weights, tmp_path) as started,
        OpenAI(base_url=f"{started.url}/v1", api_key="none") as client,
    ):
        answer = client.chat.completions.create(model="gguf", messages=QUESTION, temperature=0)
    assert answer.choices[0].message.content == ANSWER
    assert answer.choices[0].finish_reason == "stop"
