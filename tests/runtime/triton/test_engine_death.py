"""The engine's end by a defect, made here: clients are told, the reason is left, and Triton ends."""

import json
import signal
from pathlib import Path

import grpc
import pytest

from model_runtime.verify import Task
from tests.runtime.conftest import running_triton, serving_of, write_model
from tests.runtime.triton.generating import generate

# Either way, the model of the folder is one of ours with one defect put in.
BROKEN_ENGINE = """
from functools import partial
from pathlib import Path

from model_runtime.triton import generation


def broken(spans):
    raise KeyError("a defect")


class TritonPythonModel(generation.TritonPythonModel):
    def initialize(self, args):
        generation.end_process = partial(generation.end_process, path=Path({log!r}))
        super().initialize(args)
        self.scheduler._batcher.forward = broken
"""


STUCK_TRITON = """
import threading
from functools import partial
from pathlib import Path

from model_runtime.triton import generation


class Stuck:
    def send(self, *arguments, **flags):
        threading.Event().wait()

    def is_cancelled(self):
        return False


class Outlet(generation.Outlet):
    def watched(self, sender):
        return super().watched(Stuck())


class TritonPythonModel(generation.TritonPythonModel):
    def initialize(self, args):
        generation.end_process = partial(generation.end_process, path=Path({log!r}))
        generation.Outlet = partial(Outlet, stuck_seconds=1.0)
        super().initialize(args)
"""


async def test_an_engine_that_cannot_go_on_ends_the_server_with_a_reason(smollm2: Path, tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    write_model(serving_of("smollm2", Task.CHAT, smollm2), tmp_path / "repository")
    (tmp_path / "repository" / "smollm2" / "1" / "model.py").write_text(BROKEN_ENGINE.format(log=str(log)))
    with running_triton(tmp_path) as triton:
        (answer,) = await generate(triton.grpc, "Once", stream=False)
        assert "the engine has ended" in answer or "Stub process" in answer
        assert triton.process.wait(timeout=30) == -signal.SIGKILL
    report = json.loads(log.read_text())
    assert report["reason"] == "EngineDied"
    assert "KeyError('a defect')" in report["message"]
    assert "KeyError: 'a defect'" in triton.log.read_text()


async def test_a_server_that_takes_no_answer_ends_with_a_reason(smollm2: Path, tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    write_model(serving_of("smollm2", Task.CHAT, smollm2), tmp_path / "repository")
    (tmp_path / "repository" / "smollm2" / "1" / "model.py").write_text(STUCK_TRITON.format(log=str(log)))
    with running_triton(tmp_path) as triton:
        with pytest.raises(grpc.aio.AioRpcError):
            await generate(triton.grpc, "Once", stream=True)
        assert triton.process.wait(timeout=30) == -signal.SIGKILL
    report = json.loads(log.read_text())
    assert report["reason"] == "EngineDied"
    assert "triton has not taken an answer for" in report["message"]
