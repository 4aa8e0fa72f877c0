"""A real Triton calls a model ready after its warm-ups, and not before; and a model that cannot take all lives on."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from tritonclient.utils import InferenceServerException

from model_runtime.verify import Task
from tests.runtime.conftest import Triton, answers, running_triton, serving_of, write_model
from tests.runtime.small_models import ENCODERS, make_by_reference
from tests.runtime.triton.gates import make_gate
from tests.stack.ports import free_ports

# The clock of the warm-up says what the test wants, so that a busy machine changes nothing.
WARMING = """
from model_runtime.engines.warm_up import warm_up
from model_runtime.triton import embedding
{gate}
durations, clock = iter({durations}), [0.0]

def gated(run, now):
    def step():
        wait()
        run()
        clock[0] += next(durations)

    return warm_up(step, lambda: clock[0])

embedding.warm_up = gated
TritonPythonModel = embedding.TritonPythonModel
"""
DURATIONS = {
    "a model slow at first": ([0.8, 0.4, 0.2, 0.1, 0.1, 0.1], "warmed up by 6 runs in 1.70 s; the last took 100.0"),
    "a model that never steadies": ([0.1, 0.2] * 10, "warmed up by 20 runs in 3.00 s without becoming steady"),
}


@pytest.mark.parametrize(("durations", "says"), DURATIONS.values(), ids=DURATIONS.keys())
def test_a_model_is_not_ready_before_it_is_warm(durations: list[float], says: str, tmp_path: Path) -> None:
    weights, gate = tmp_path / "weights", make_gate(tmp_path)
    make_by_reference(weights, ENCODERS["bert"])
    write_model(serving_of("slow", Task.EMBEDDING, weights), tmp_path / "repository")
    model = WARMING.format(gate=gate.source, durations=durations)
    (tmp_path / "repository" / "slow" / "1" / "model.py").write_text(model)
    addresses, ready = [f"127.0.0.1:{port}" for port in free_ports(3)], []

    def watch() -> None:
        for _ in durations:
            gate.wait_until_one_came()
            ready.append(answers(f"http://{addresses[0]}/v2/health/ready"))
            gate.let_one_through()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    with running_triton(tmp_path, addresses=addresses) as triton:
        watcher.join(timeout=30)
        assert ready == [False] * len(durations)
        assert says in triton.log.read_text()


GREEDY = """
import torch
from model_runtime.engines import bert
from model_runtime.triton.embedding import TritonPythonModel as Model
embed = bert.embed

def greedy(model, texts):
    print("together:", len(texts), flush=True)
    if any(len(tokens) == 13 for tokens in texts):
        torch.empty(1 << 60, dtype=torch.uint8)
    return embed(model, texts)

class TritonPythonModel(Model):
    def initialize(self, args):
        super().initialize(args)
        bert.embed = greedy
"""


@pytest.fixture
def triton(tmp_path: Path) -> Iterator[Triton]:
    """A model that takes three requests at a time, and cannot bear a text of thirteen words."""
    make_by_reference(tmp_path / "weights", ENCODERS["bert"])
    # It waits for the third one longer than any machine is busy.
    batching = {"max_batch_size": 3, "max_queue_delay_microseconds": 20_000_000}
    write_model(serving_of("greedy", Task.EMBEDDING, tmp_path / "weights", **batching), tmp_path / "repository")
    (tmp_path / "repository" / "greedy" / "1" / "model.py").write_text(GREEDY)
    with running_triton(tmp_path) as started:
        yield started


def embed(triton: Triton, *words: int) -> Any:
    tensor = grpc_client.InferInput("text_input", [len(words), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[b"hello " * count] for count in words], dtype=np.object_))
    with grpc_client.InferenceServerClient(triton.grpc) as client:
        return client.infer("greedy", [tensor]).as_numpy("embedding")


def test_a_request_without_memory_fails_alone_and_the_server_lives(triton: Triton) -> None:
    with ThreadPoolExecutor(3) as pool:
        futures = {words: pool.submit(embed, triton, words) for words in (3, 13, 5)}
        with pytest.raises(InferenceServerException, match="the memory does not suffice") as failure:
            futures[13].result(timeout=60)
        assert failure.value.status() == "StatusCode.UNAVAILABLE"
        assert [futures[words].result(timeout=60).shape for words in (3, 5)] == [(1, 32)] * 2
    assert "together: 3\n" in triton.log.read_text()
    assert embed(triton, 4, 5, 6).shape == (3, 32)
