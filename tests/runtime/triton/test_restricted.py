"""What Triton offers to administrators is closed to everybody, and what serves is open: over HTTP and over gRPC.

Run by the image's own wrapper, and by the command that stands in for it in an image without our code.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException

from model_runtime.repository import Serving, model_repository
from model_runtime.verify import Task
from nereid_operator.render.triton import VLLM_SCRIPT
from tests.runtime.conftest import REPOSITORY, _address, _triton_environment, running, triton_folder
from tests.stack.ports import free_ports

WRAPPERS = {
    "tritonserver.sh": lambda: ["/bin/sh", "-c", _at_home("/opt/triton", _wrapper()), "tritonserver"],
    "the command for vLLM's image": lambda: [
        "/bin/sh",
        "-c",
        _at_home("/opt/tritonserver", VLLM_SCRIPT),
        "tritonserver",
        f"--backend-directory={triton_folder() / 'backends'}",
    ],
}
Call = Callable[[Any, dict[str, str]], object]
REFUSED: dict[str, Call] = {
    "the index of models": lambda server, headers: server.get_model_repository_index(headers=headers),
    "loading a model": lambda server, headers: server.load_model("minilm", headers=headers),
    "unloading a model": lambda server, headers: server.unload_model("minilm", headers=headers),
    "the state of shared memory": lambda server, headers: server.get_system_shared_memory_status(headers=headers),
    "registering shared memory": lambda server, headers: server.register_system_shared_memory(
        "mine", "/mine", 64, headers=headers
    ),
    "unregistering shared memory": lambda server, headers: server.unregister_system_shared_memory(headers=headers),
    "the state of a GPU's memory": lambda server, headers: server.get_cuda_shared_memory_status(headers=headers),
    "settings of traces": lambda server, headers: server.get_trace_settings(headers=headers),
    "tracing a model": lambda server, headers: server.update_trace_settings("minilm", {}, headers=headers),
    "settings of the log": lambda server, headers: server.get_log_settings(headers=headers),
    "more log": lambda server, headers: server.update_log_settings({"log_verbose_level": 9}, headers=headers),
}


def _embedded(server: Any) -> bool:
    kind = http_client if isinstance(server, http_client.InferenceServerClient) else grpc_client
    tensor = kind.InferInput("text_input", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[b"A man is eating food."]], dtype=np.object_))
    return bool(server.infer("minilm", [tensor]).as_numpy("embedding").any())


SERVED: dict[str, Callable[[Any], object]] = {
    "liveness": lambda server: server.is_server_live(),
    "readiness": lambda server: server.is_server_ready() and server.is_model_ready("minilm"),
    "the server": lambda server: server.get_server_metadata(),
    "the model": lambda server: server.get_model_metadata("minilm"),
    "its config": lambda server: server.get_model_config("minilm"),
    "its statistics": lambda server: server.get_inference_statistics("minilm"),
    "an inference": _embedded,
}
CLIENTS = pytest.mark.parametrize("client", [http_client, grpc_client], ids=["over HTTP", "over gRPC"])


@pytest.fixture(scope="module", params=WRAPPERS)
def addresses(
    request: pytest.FixtureRequest, minilm: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Any, str]]:
    """Start Triton as a container does, and return where each client finds it."""
    folder = tmp_path_factory.mktemp("restricted")
    serving = Serving("minilm", Task.EMBEDDING, PurePosixPath(minilm), 8, 2000)
    for path, text in model_repository(serving).items():
        (folder / "repository" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "repository" / path).write_text(text)
    http, grpc, metrics = (f"127.0.0.1:{port}" for port in free_ports(3))
    command = [
        *WRAPPERS[request.param](),
        f"--model-repository={folder / 'repository'}",
        "--model-control-mode=none",
        "--exit-timeout-secs=5",
        "--allow-gpu-metrics=false",
        *_address("http", http),
        *_address("grpc", grpc),
        *_address("metrics", metrics),
    ]
    with running(command, folder / "log", f"http://{http}/v2/health/ready", _triton_environment(triton_folder())):
        yield {http_client: http, grpc_client: grpc}
    assert "x-nereid-admin" not in (folder / "log").read_text()


def _wrapper() -> str:
    return (REPOSITORY / "model_runtime" / "tritonserver.sh").read_text()


def _at_home(place: str, script: str) -> str:
    """Return a script of an image with the folder that Triton has there replaced by the one it has here."""
    return script.replace(place, str(triton_folder()))


@CLIENTS
@pytest.mark.parametrize("guess", [None, "", "0" * 64, os.urandom(32).hex()], ids=["no word", "empty", "zeros", "any"])
@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED.keys())
def test_nobody_administers(addresses: dict[Any, str], client: Any, guess: str | None, call: Call) -> None:
    header = "triton-grpc-protocol-x-nereid-admin" if client is grpc_client else "x-nereid-admin"
    headers = {} if guess is None else {header: guess}
    with (
        client.InferenceServerClient(addresses[client]) as server,
        pytest.raises(InferenceServerException, match="restricted") as refusal,
    ):
        call(server, headers)
    assert refusal.value.status() in ("403", "StatusCode.UNAVAILABLE")


@CLIENTS
@pytest.mark.parametrize("call", SERVED.values(), ids=SERVED.keys())
def test_what_serves_is_open(addresses: dict[Any, str], client: Any, call: Callable[[Any], object]) -> None:
    with client.InferenceServerClient(addresses[client]) as server:
        assert call(server)
