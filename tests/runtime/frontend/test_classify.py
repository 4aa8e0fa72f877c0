"""POST /v1/classify, and what models of other tasks than text say."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Frontend, frontend
from tests.runtime.frontend.stand_in import Script, StandIn


@pytest.fixture(scope="module")
def labels(shared_stand_in: StandIn, minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Frontend]:
    folder = tmp_path_factory.mktemp("labels")
    with frontend(shared_stand_in.address, "Classification", "m", minilm, folder, "--alias", "a.m") as started:
        yield started


@pytest.fixture(scope="module")
def tensors(shared_stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Frontend]:
    """A model without a tokenizer: its folder has nothing that the frontend reads."""
    folder = tmp_path_factory.mktemp("tensors")
    with frontend(shared_stand_in.address, "Tensor", "m", folder, folder) as started:
        yield started


def post(served: Frontend, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{served.url}{path}", data=json.dumps(body).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as failure:
        with failure:
            return failure.code, json.load(failure)


@pytest.mark.parametrize(("given", "sent"), [("a", [b"a"]), (["a", "b", "c"], [b"a", b"b", b"c"])])
def test_each_text_has_its_label(labels: Frontend, stand_in: StandIn, given: Any, sent: list[bytes]) -> None:
    status, answer = post(labels, "/v1/classify", {"model": "m", "input": given})
    assert status == 200
    assert sorted(one.inputs["text_input"] for one in stand_in.seen) == sent
    data = {"label": "POSITIVE", "probs": [0.25, 0.75], "num_classes": 2}
    assert answer["data"] == [{"index": index} | data for index in range(len(sent))]
    count = 4 * len(sent)
    assert answer["usage"] == {"prompt_tokens": count, "total_tokens": count, "completion_tokens": 0}
    assert (answer["object"], answer["model"]) == ("list", "m")


def test_a_second_name_is_as_good_as_the_first(labels: Frontend, stand_in: StandIn) -> None:
    status, answer = post(labels, "/v1/classify", {"model": "a.m", "input": "a"})
    assert (status, answer["model"]) == (200, "m")
    status, answer = post(labels, "/v1/classify", {"model": "b.m", "input": "a"})
    assert (status, answer["error"]["code"]) == (404, "model_not_found")


def test_a_text_that_the_engine_refuses_is_named(labels: Frontend, stand_in: StandIn) -> None:
    stand_in.script = Script(fails="text_input: the text has 600 tokens [context_length_exceeded]")
    status, answer = post(labels, "/v1/classify", {"model": "m", "input": "a"})
    assert (status, answer["error"]["param"]) == (400, "input")
    assert answer["error"]["code"] == "context_length_exceeded"


def test_a_deadline_ends_a_batch(labels: Frontend, stand_in: StandIn) -> None:
    stand_in.script = Script(silent=True)
    body = json.dumps({"model": "m", "input": ["a"] * 20}).encode()
    headers = {"content-type": "application/json", "x-request-timeout-ms": "50"}
    request = urllib.request.Request(f"{labels.url}/v1/classify", data=body, headers=headers)
    with pytest.raises(urllib.error.HTTPError) as failure:
        urllib.request.urlopen(request, timeout=10)
    with failure.value as answer:
        assert answer.code == 504
        assert json.load(answer)["error"]["code"] == "timeout"
    assert {one.timeout for one in stand_in.seen} == {50_000}


ROUTES = [
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
    ("/v1/completions", {"prompt": "Hi"}),
    ("/v1/embeddings", {"input": "Hi"}),
    ("/v1/classify", {"input": "Hi"}),
]


@pytest.mark.parametrize(("path", "body"), ROUTES, ids=[path for path, _ in ROUTES])
def test_a_model_of_tensors_names_the_protocol_that_it_speaks(
    tensors: Frontend, stand_in: StandIn, path: str, body: dict[str, Any]
) -> None:
    status, answer = post(tensors, path, {"model": "m"} | body)
    assert (status, answer["error"]["param"], answer["error"]["code"]) == (400, "model", "unsupported_task")
    assert "Open Inference Protocol, POST /v2/models/m/infer" in answer["error"]["message"]


def test_a_model_of_tensors_is_listed(tensors: Frontend) -> None:
    with urllib.request.urlopen(f"{tensors.url}/v1/models", timeout=10) as answer:
        assert [one["id"] for one in json.load(answer)["data"]] == ["m"]
