"""Answers that Triton keeps, where a model asks for it: counted by Triton itself."""

import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client

from model_runtime.verify import Task
from tests.runtime.conftest import Triton, serving_of, triton_with
from tests.runtime.small_models import CLASSIFIERS, ENCODERS, make_by_reference, make_tensor_model

CACHE = "--cache-config=local,size=16777216"


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    folders = {name: tmp_path_factory.mktemp(name) for name in ("encoder", "classifier", "mlp")}
    make_by_reference(folders["encoder"], ENCODERS["bert"])
    make_by_reference(folders["classifier"], CLASSIFIERS["bert"])
    make_tensor_model(folders["mlp"], "mlp")
    servings = [
        serving_of("embedding", Task.EMBEDDING, folders["encoder"], response_cache=True),
        serving_of("classification", Task.CLASSIFICATION, folders["classifier"], response_cache=True),
        serving_of("tensor", Task.TENSOR, folders["mlp"], response_cache=True),
        serving_of("forgetful", Task.TENSOR, folders["mlp"]),
    ]
    with triton_with(servings, tmp_path_factory.mktemp("triton"), CACHE) as started:
        yield started


def hits(triton: Triton, model: str) -> int:
    with urllib.request.urlopen(f"http://{triton.metrics}/metrics", timeout=5) as answer:
        found = re.search(rf'nv_cache_num_hits_per_model{{model="{model}",version="1"}} (\d+)', answer.read().decode())
    return int(found[1]) if found else 0


def infer(triton: Triton, model: str, output: str, value: str) -> Any:
    if output == "probabilities":
        tensor = grpc_client.InferInput("features", [1, 6], "FP32")
        tensor.set_data_from_numpy(np.roll(np.arange(6, dtype=np.float32), len(value) % 4)[None])
    else:
        tensor = grpc_client.InferInput("text_input", [1, 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[value.encode()]], dtype=np.object_))
    with grpc_client.InferenceServerClient(triton.grpc) as client:
        return client.infer(model, [tensor]).as_numpy(output)


@pytest.mark.parametrize(
    ("model", "output", "kept"),
    [
        ("embedding", "embedding", True),
        ("classification", "label", True),
        ("tensor", "probabilities", True),
        ("forgetful", "probabilities", False),
    ],
)
def test_the_second_answer_is_the_first_one_kept(triton: Triton, model: str, output: str, kept: bool) -> None:
    first, other, again = (infer(triton, model, output, value) for value in ("hello", "hello world", "hello"))
    assert (again == first).all()
    assert output == "label" or (other != first).any()
    assert hits(triton, model) == int(kept)
