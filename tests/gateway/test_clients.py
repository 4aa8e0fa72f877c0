"""Unmodified clients through the gateway, before a real Triton and real frontends."""

from collections.abc import Iterator
from contextlib import closing
from queue import Queue
from typing import Any

import numpy as np
import openai
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.grpc.aio as aio_client
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException

from tests.gateway.gateways import Stand, gateway, model, standing
from tests.runtime.conftest import Frontend, Triton

QUESTION: list[Any] = [{"role": "user", "content": "Say hello"}]
PARAMETERS = b'{"max_tokens": 8, "temperature": 0}'


@pytest.fixture(scope="module")
def stand(
    triton: Triton,
    chat_frontend: Frontend,
    embedding_frontend: Frontend,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stand]:
    places = {}
    for address, frontend in (("10.0.0.1", chat_frontend), ("10.0.0.2", embedding_frontend)):
        ports = {8080: frontend.url.removeprefix("http://"), 8000: triton.http, 8001: triton.grpc}
        places |= {(address, port): place for port, place in ports.items()}
    made = gateway(
        model("smollm2", "10.0.0.1", names=("team.smollm2", "smollm2")),
        model("minilm", "10.0.0.2", names=("minilm",)),
    )
    with standing(made, tmp_path_factory.mktemp("gateway"), places) as running:
        yield running


@pytest.fixture
def openai_client(stand: Stand) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{stand.url}/v1", api_key="none", max_retries=0, timeout=60) as made:
        yield made


def address(stand: Stand) -> str:
    return f"127.0.0.1:{stand.gateway.port}"


def prompt(kind: Any, *, stream: bool = False) -> list[Any]:
    values = {
        "text_input": ("BYTES", np.array([b"Hello"], dtype=np.object_)),
        "stream": ("BOOL", np.array([stream])),
        "sampling_parameters": ("BYTES", np.array([PARAMETERS], dtype=np.object_)),
    }
    tensors = []
    for name, (data_type, value) in values.items():
        tensor = kind.InferInput(name, list(value.shape), data_type)
        tensor.set_data_from_numpy(value)
        tensors.append(tensor)
    return tensors


def text(kind: Any) -> list[Any]:
    tensor = kind.InferInput("text_input", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[b"A man is eating food."]], dtype=np.object_))
    return [tensor]


def test_openai_chat_and_its_stream(openai_client: openai.OpenAI):
    asked: Any = {"model": "smollm2", "messages": QUESTION, "max_tokens": 8, "temperature": 0}
    whole = openai_client.chat.completions.create(**asked).choices[0].message.content
    pieces = [
        chunk.choices[0].delta.content or "" for chunk in openai_client.chat.completions.create(**asked, stream=True)
    ]
    assert whole
    assert "".join(pieces) == whole
    assert len(pieces) > 2


def test_openai_embeddings_and_the_list_of_models(openai_client: openai.OpenAI):
    answer = openai_client.embeddings.create(model="minilm", input=["one", "two"])
    assert [len(entry.embedding) for entry in answer.data] == [384, 384]
    assert [entry.id for entry in openai_client.models.list()] == ["team.smollm2", "smollm2", "minilm"]


def test_openai_is_told_of_an_unknown_model_and_of_another_task(openai_client: openai.OpenAI):
    with pytest.raises(openai.NotFoundError, match=r"`gpt-5` does not exist") as unknown:
        openai_client.chat.completions.create(model="gpt-5", messages=QUESTION)
    assert unknown.value.code == "model_not_found"
    # The frontend itself knows which route is the right one.
    with pytest.raises(openai.BadRequestError, match="/v1/embeddings"):
        openai_client.chat.completions.create(model="minilm", messages=QUESTION)


@pytest.mark.parametrize("kind", [http_client, grpc_client], ids=["over HTTP", "over gRPC"])
def test_tritonclient(stand: Stand, kind: Any):
    with closing(kind.InferenceServerClient(address(stand))) as client:
        for name in ("smollm2", "team.smollm2", "minilm"):
            assert client.is_model_ready(name)
            metadata = client.get_model_metadata(name)
            assert (metadata["name"] if kind is http_client else metadata.name) == name
            assert client.get_model_config(name)
            assert client.get_inference_statistics(name)
        assert client.infer("minilm", text(kind)).as_numpy("embedding").shape == (1, 384)
        assert client.infer("minilm", text(kind), model_version="1").as_numpy("embedding").shape == (1, 384)


def test_tritonclient_knows_the_gateway_over_http(stand: Stand):
    with closing(http_client.InferenceServerClient(address(stand))) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.get_server_metadata()["name"] == "nereid"


@pytest.mark.parametrize("call", ["is_server_live", "is_server_ready", "get_server_metadata"])
def test_over_grpc_the_gateway_says_that_it_is_not_one_server(stand: Stand, call: str):
    with (
        closing(grpc_client.InferenceServerClient(address(stand))) as client,
        pytest.raises(InferenceServerException, match="ask ModelReady") as refusal,
    ):
        getattr(client, call)()
    assert refusal.value.status() == "StatusCode.UNIMPLEMENTED"


@pytest.mark.parametrize(
    ("kind", "status"), [(http_client, "404"), (grpc_client, "StatusCode.NOT_FOUND")], ids=["over HTTP", "over gRPC"]
)
def test_tritonclient_is_told_of_an_unknown_model(stand: Stand, kind: Any, status: str):
    with closing(kind.InferenceServerClient(address(stand))) as client:
        for call in (lambda: client.infer("team.none", text(kind)), lambda: client.get_model_config("team.none")):
            with pytest.raises(InferenceServerException, match=r"`team\.none` does not exist") as refusal:
                call()
            assert refusal.value.status() == status


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests_are_refused_with_the_reason(stand: Stand, algorithm: str):
    with (
        closing(grpc_client.InferenceServerClient(address(stand))) as client,
        pytest.raises(InferenceServerException, match=f"grpc-encoding {algorithm} is not served") as refusal,
    ):
        client.infer("minilm", text(grpc_client), compression_algorithm=algorithm)
    assert refusal.value.status() == "StatusCode.UNIMPLEMENTED"
    with (
        closing(http_client.InferenceServerClient(address(stand))) as client,
        pytest.raises(InferenceServerException, match=f"Content-Encoding {algorithm} is not served") as refused,
    ):
        client.infer("minilm", text(http_client), request_compression_algorithm=algorithm)
    assert refused.value.status() == "415"


def test_compressed_answers_are_passed_on(stand: Stand):
    with closing(http_client.InferenceServerClient(address(stand))) as client:
        answer = client.infer("minilm", text(http_client), response_compression_algorithm="gzip")
    assert answer.as_numpy("embedding").shape == (1, 384)


def test_a_grpc_stream(stand: Stand):
    answers: Queue[Any] = Queue()
    with closing(grpc_client.InferenceServerClient(address(stand))) as client:
        client.start_stream(callback=lambda result, error: answers.put(error or result))
        client.async_stream_infer("team.smollm2", prompt(grpc_client, stream=True), enable_empty_final_response=True)
        pieces = []
        while True:
            answer = answers.get(timeout=60)
            assert not isinstance(answer, InferenceServerException), answer
            if answer.get_response().parameters["triton_final_response"].bool_param:
                break
            pieces.append(answer.as_numpy("text_output")[0])
        client.stop_stream()
    assert len(pieces) > 1


async def test_the_asynchronous_client_and_its_stream(stand: Stand):
    async def requests() -> Any:
        yield {"model_name": "smollm2", "inputs": prompt(aio_client, stream=True)}

    client = aio_client.InferenceServerClient(address(stand))
    try:
        assert (await client.infer("minilm", text(aio_client))).as_numpy("embedding").shape == (1, 384)
        pieces = [result async for result, error in client.stream_infer(requests()) if error is None]
    finally:
        await client.close()
    assert len(pieces) > 1
