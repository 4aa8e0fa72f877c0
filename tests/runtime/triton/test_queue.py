"""Triton's queue before the models that answer once: bounded in length and in time, with a real Triton."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from tritonclient.utils import InferenceServerException

from model_runtime.verify import Task
from tests.runtime.conftest import Triton, running_triton, serving_of, write_model
from tests.runtime.small_models import make_tensor_model
from tests.runtime.triton.gates import Gate, make_gate

HELD = """
from model_runtime.triton.tensor import TritonPythonModel as Model
{gate}
class TritonPythonModel(Model):
    def execute(self, requests):
        wait()
        return super().execute(requests)
"""


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Gate]:
    return {name: make_gate(tmp_path_factory.mktemp(name)) for name in ("short", "hasty")}


@pytest.fixture(scope="module")
def triton(gates: dict[str, Gate], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """Two models of one row at a time, held by gates: one with a queue of two, one whose queue is left after 50 ms."""
    folder, weights = tmp_path_factory.mktemp("triton"), tmp_path_factory.mktemp("mlp")
    make_tensor_model(weights, "mlp")
    bounds = {"short": {"max_queue_size": 2}, "hasty": {"queue_timeout_microseconds": 50_000}}
    for name, fields in bounds.items():
        serving = serving_of(name, Task.TENSOR, weights, max_batch_size=1, **fields)
        write_model(serving, folder / "repository")
        (folder / "repository" / name / "1" / "model.py").write_text(HELD.format(gate=gates[name].source))
    with running_triton(folder) as started:
        yield started


def infer(triton: Triton, name: str) -> Any:
    tensor = grpc_client.InferInput("features", [1, 6], "FP32")
    tensor.set_data_from_numpy(np.zeros((1, 6), np.float32))
    with grpc_client.InferenceServerClient(triton.grpc) as client:
        return client.infer(name, [tensor]).as_numpy("probabilities")


def wait_for_waiting(triton: Triton, name: str, count: int) -> None:
    """Wait until so many requests are in Triton's queue, by its own metric."""
    line = f'nv_inference_pending_request_count{{model="{name}",version="1"}} {count}\n'
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://{triton.metrics}/metrics", timeout=5) as answer:
            if line in answer.read().decode():
                return
    raise AssertionError(f"there are not {count} requests waiting")


def held(triton: Triton, gate: Gate, name: str, pool: ThreadPoolExecutor) -> "Future[Any]":
    """Send a request and return when the model has it."""
    future = pool.submit(infer, triton, name)
    gate.wait_until_one_came()
    return future


def test_one_too_many_is_refused_at_once_and_the_others_are_answered(triton: Triton, gates: dict[str, Gate]) -> None:
    gate = gates["short"]
    with ThreadPoolExecutor(3) as pool:
        futures = [held(triton, gate, "short", pool), pool.submit(infer, triton, "short")]
        futures.append(pool.submit(infer, triton, "short"))
        wait_for_waiting(triton, "short", 2)
        with pytest.raises(InferenceServerException, match="Exceeds maximum queue size") as failure:
            infer(triton, "short")
        assert failure.value.status() == "StatusCode.UNAVAILABLE"
        assert status_over_http(triton, "short") == 503
        gate.let_one_through()
        for _ in range(2):
            gate.wait_until_one_came()
            gate.let_one_through()
        assert [future.result().shape for future in futures] == [(1, 3)] * 3


def test_one_that_waits_too_long_is_refused(triton: Triton, gates: dict[str, Gate]) -> None:
    gate = gates["hasty"]
    with ThreadPoolExecutor(2) as pool:
        first = held(triton, gate, "hasty", pool)
        second = pool.submit(infer, triton, "hasty")
        # The first is still held: it is the queue that gives up.
        with pytest.raises(InferenceServerException, match="timeout expired") as failure:
            second.result(timeout=30)
        assert failure.value.status() == "StatusCode.UNAVAILABLE"
        gate.let_one_through()
        assert first.result().shape == (1, 3)


def status_over_http(triton: Triton, name: str) -> int:
    body = b'{"inputs": [{"name": "features", "shape": [1, 6], "datatype": "FP32", "data": [0, 0, 0, 0, 0, 0]}]}'
    with pytest.raises(urllib.error.HTTPError) as failure:
        urllib.request.urlopen(f"http://{triton.http}/v2/models/{name}/infer", data=body, timeout=30)
    with failure.value:
        return failure.value.code
