"""Classifiers and tensor models, and second names of every kind, through unmodified clients of a real Triton."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.grpc import aio as aio_client
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from model_runtime.engines import classifier
from model_runtime.engines.placement import Placement
from model_runtime.engines.tokenizer import load_tokenizer
from model_runtime.verify import Task
from tests.runtime.conftest import Triton, serving_of, triton_with
from tests.runtime.small_models import CLASSIFIERS, make_by_reference, make_tensor_model

CPU = Placement(torch.device("cpu"), torch.float32)
LABELS = {0: "calm", 1: "très triste", 2: "glad"}
Arrays = Mapping[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    names = ("feelings", "mlp", "cnn", "words")
    found = {name: tmp_path_factory.mktemp(name) for name in names}
    make_by_reference(found["feelings"], CLASSIFIERS["bert"], id2label=LABELS)
    for name in names[1:]:
        make_tensor_model(found[name], name)
    return found


@pytest.fixture(scope="module")
def triton(folders: dict[str, Path], minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    servings = [
        serving_of("feelings", Task.CLASSIFICATION, folders["feelings"], alias="team.feelings"),
        *(serving_of(name, Task.TENSOR, folders[name], alias=f"team.{name}") for name in ("mlp", "cnn", "words")),
        serving_of("minilm", Task.EMBEDDING, minilm, alias="team.minilm"),
    ]
    with triton_with(servings, tmp_path_factory.mktemp("triton")) as started:
        yield started


def tensors_of(client: Any, inputs: Arrays) -> list[Any]:
    tensors = []
    for name, array in inputs.items():
        tensors.append(client.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype)))
        tensors[-1].set_data_from_numpy(array)
    return tensors


def over_http(triton: Triton, model: str, inputs: Arrays) -> Any:
    with http_client.InferenceServerClient(triton.http) as client:
        return client.infer(model, tensors_of(http_client, inputs))


def over_grpc(triton: Triton, model: str, inputs: Arrays) -> Any:
    with grpc_client.InferenceServerClient(triton.grpc) as client:
        return client.infer(model, tensors_of(grpc_client, inputs))


def over_aio(triton: Triton, model: str, inputs: Arrays) -> Any:
    async def infer() -> Any:
        async with aio_client.InferenceServerClient(triton.grpc) as client:
            return await client.infer(model, tensors_of(aio_client, inputs))

    return asyncio.run(infer())


def over_a_stream(triton: Triton, model: str, inputs: Arrays) -> Any:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        yield {"model_name": model, "inputs": tensors_of(aio_client, inputs)}

    async def infer() -> list[Any]:
        async with aio_client.InferenceServerClient(triton.grpc) as client:
            return [error or result async for result, error in client.stream_infer(requests())]

    (result,) = asyncio.run(infer())
    return result


Infer = Callable[[Triton, str, Arrays], Any]
EACH_CLIENT = pytest.mark.parametrize("infer", [over_http, over_grpc, over_aio, over_a_stream])
EACH_NAME = pytest.mark.parametrize("prefix", ["", "team."], ids=["by its name", "by its alias"])
TEXTS = np.array([[b"hello world"], [b"world"], [b"hello hello hello"]], dtype=np.object_)


@EACH_NAME
@EACH_CLIENT
def test_a_classifier_names_the_likeliest_label(
    triton: Triton, folders: dict[str, Path], infer: Infer, prefix: str
) -> None:
    result = infer(triton, f"{prefix}feelings", {"text_input": TEXTS})
    tokenizer = load_tokenizer(folders["feelings"])
    tokens = [tokenizer.encode(text.decode()) for text in TEXTS.reshape(-1)]
    expected = classifier.classify(classifier.load(folders["feelings"], CPU), tokens).numpy()
    np.testing.assert_allclose(result.as_numpy("probabilities"), expected, atol=1e-5)
    np.testing.assert_allclose(result.as_numpy("probabilities").sum(axis=1), 1, atol=1e-5)
    assert [label.decode() for (label,) in result.as_numpy("label")] == [LABELS[row.argmax()] for row in expected]
    assert result.as_numpy("num_input_tokens").tolist() == [[len(one)] for one in tokens]


@EACH_NAME
@EACH_CLIENT
def test_an_image_is_scored_as_by_torch(triton: Triton, tmp_path: Path, infer: Infer, prefix: str) -> None:
    image = np.random.default_rng(5).integers(0, 4, (3, 1, 8, 8), dtype=np.uint8)
    result = infer(triton, f"{prefix}cnn", {"image": image})
    with torch.inference_mode():
        expected = make_tensor_model(tmp_path, "cnn")(torch.from_numpy(image).float()).numpy()
    np.testing.assert_allclose(result.as_numpy("scores"), expected, atol=1e-4)


@EACH_NAME
@EACH_CLIENT
def test_several_inputs_and_outputs_have_their_names(triton: Triton, tmp_path: Path, infer: Infer, prefix: str) -> None:
    draw = np.random.default_rng(6)
    words, numbers = draw.integers(0, 20, (4, 5)), draw.normal(size=(4, 4)).astype(np.float32)
    result = infer(triton, f"{prefix}words", {"words": words, "numbers": numbers})
    with torch.inference_mode():
        score, vector = make_tensor_model(tmp_path, "words")(torch.from_numpy(words), torch.from_numpy(numbers))
    np.testing.assert_allclose(result.as_numpy("score"), score.numpy(), atol=1e-5)
    np.testing.assert_allclose(result.as_numpy("vector"), vector.numpy(), atol=1e-5)


@EACH_CLIENT
def test_the_alias_of_an_embedding_has_its_vectors(triton: Triton, infer: Infer) -> None:
    named, aliased = (infer(triton, f"{name}minilm", {"text_input": TEXTS}) for name in ("", "team."))
    np.testing.assert_allclose(named.as_numpy("embedding"), aliased.as_numpy("embedding"), atol=1e-6)


async def test_concurrent_rows_run_together_and_each_gets_its_own(triton: Triton, tmp_path: Path) -> None:
    rows = np.random.default_rng(7).normal(size=(64, 1, 6)).astype(np.float32)
    async with aio_client.InferenceServerClient(triton.grpc) as client:
        requests = [client.infer("mlp", tensors_of(aio_client, {"features": row})) for row in rows]
        results = await asyncio.gather(*requests)
        counts = await client.get_inference_statistics("mlp", as_json=True)
    with torch.inference_mode():
        expected = make_tensor_model(tmp_path, "mlp")(torch.from_numpy(rows[:, 0])).numpy()
    np.testing.assert_allclose([result.as_numpy("probabilities")[0] for result in results], expected, atol=1e-5)
    (model,) = counts["model_stats"]
    assert int(model["execution_count"]) < int(model["inference_count"]) == 64


WRONG: dict[str, tuple[str, Arrays, str]] = {
    "an index beyond its table": (
        "words",
        {"words": np.array([[0, 1, 2, 3, 20]]), "numbers": np.zeros((1, 4), np.float32)},
        "words: an index is 20; expected 0 to 19",
    ),
    "an index below zero": (
        "words",
        {"words": np.array([[0, 1, 2, 3, -1]]), "numbers": np.zeros((1, 4), np.float32)},
        "words: an index is -1; expected 0 to 19",
    ),
    "a row of another shape": (
        "mlp",
        {"features": np.zeros((1, 7), np.float32)},
        "unexpected shape for input",
    ),
    "numbers of another kind": ("mlp", {"features": np.zeros((1, 6), np.int64)}, "data-type"),
    "an input that is missing": ("words", {"words": np.zeros((1, 5), np.int64)}, "expected 2 inputs but got 1"),
    "a text too long": (
        "feelings",
        {"text_input": np.array([[b"hello " * 65]], dtype=np.object_)},
        "text_input: the text has 65 tokens; the model's context is 64",
    ),
}


@pytest.mark.parametrize(("model", "inputs", "says"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_input_is_the_clients_fault_and_named(triton: Triton, model: str, inputs: Arrays, says: str) -> None:
    with pytest.raises(InferenceServerException) as failure:
        over_grpc(triton, model, inputs)
    assert failure.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert says in failure.value.message()


def test_a_wrong_request_leaves_the_others_of_its_batch_alone(triton: Triton) -> None:
    async def infer() -> list[Any]:
        right = {"words": np.zeros((1, 5), np.int64), "numbers": np.zeros((1, 4), np.float32)}
        wrong = right | {"words": np.full((1, 5), 99)}
        async with aio_client.InferenceServerClient(triton.grpc) as client:
            requests = [
                client.infer("words", tensors_of(aio_client, wrong if index % 4 == 1 else right)) for index in range(16)
            ]
            return await asyncio.gather(*requests, return_exceptions=True)

    failed = [isinstance(answer, InferenceServerException) for answer in asyncio.run(infer())]
    assert failed == [index % 4 == 1 for index in range(16)]
