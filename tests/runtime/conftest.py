"""The real models, the reference library's answers, and a real Triton with both models on loopback.

Triton comes from its Python package into the user's cache, once. Each test process has one server, stopped by pid.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from model_runtime.engines.tensor_config import read_config
from model_runtime.repository import model_repository
from model_runtime.serving import Serving
from model_runtime.verify import Task
from tests.binaries import cache_folder
from tests.runtime.models import minilm_folder, smollm2_folder
from tests.stack.ports import free_ports

REPOSITORY = Path(__file__).parents[2]
START_SECONDS = 90.0
# Raise it when what is taken of Triton's package changes, so that folders already made are not taken for the new ones.
_LAYOUT = 2


@pytest.fixture(scope="session")
def minilm() -> Path:
    return minilm_folder()


@pytest.fixture(scope="session")
def smollm2() -> Path:
    return smollm2_folder()


@dataclass(frozen=True, slots=True)
class Triton:
    """Where the server listens; `log` is its output."""

    process: subprocess.Popen[bytes]
    http: str
    grpc: str
    metrics: str
    log: Path


@pytest.fixture(scope="session")
def triton(minilm: Path, smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    servings = (
        serving_of("minilm", Task.EMBEDDING, minilm),
        serving_of("smollm2", Task.CHAT, smollm2, alias="team.smollm2"),
    )
    with triton_with(servings, tmp_path_factory.mktemp("triton")) as started:
        yield started


def serving_of(name: str, task: Task, weights: Path, **fields: Any) -> Serving:
    """Return what Triton is told of a model, with fields of `Serving` as the test wants them."""
    values = {"served_name": name, "task": task, "weights": PurePosixPath(weights)}
    return Serving(**({"max_batch_size": 8, "max_queue_delay_microseconds": 2000} | values | fields))


@contextmanager
def triton_server(models: Iterable[tuple[str, Task, Path]], folder: Path) -> Iterator[Triton]:
    """Run a Triton of its own until the block ends."""
    with triton_with([serving_of(*model) for model in models], folder) as started:
        yield started


@contextmanager
def triton_with(servings: Iterable[Serving], folder: Path, *flags: str) -> Iterator[Triton]:
    """Run a Triton of its own with flags of its own until the block ends."""
    for serving in servings:
        write_model(serving, folder / "repository")
    with running_triton(folder, *flags) as started:
        yield started


def write_model(serving: Serving, repository: Path) -> None:
    """Write what Triton reads of a model, as `prepare` does."""
    interface = None
    if serving.task is Task.TENSOR:
        interface = read_config(json.loads((Path(serving.weights) / "config.json").read_text())).interface
    for path, text in model_repository(serving, interface).items():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_text(text)


@contextmanager
def running_triton(folder: Path, *flags: str, addresses: list[str] | None = None) -> Iterator[Triton]:
    """Run Triton over `repository` in the folder until the block ends; `addresses` are HTTP's, gRPC's and metrics'."""
    server = triton_folder()
    http, grpc, metrics = addresses or [f"127.0.0.1:{port}" for port in free_ports(3)]
    command = [
        str(server / "bin" / "tritonserver"),
        f"--model-repository={folder / 'repository'}",
        f"--backend-directory={server / 'backends'}",
        f"--cache-directory={server / 'caches'}",
        "--exit-timeout-secs=5",
        "--allow-gpu-metrics=false",
        *_address("http", http),
        *_address("grpc", grpc),
        *_address("metrics", metrics),
        *flags,
    ]
    ready = f"http://{http}/v2/health/ready"
    with running(command, folder / "log", ready, _triton_environment(server)) as process:
        yield Triton(process=process, http=http, grpc=grpc, metrics=metrics, log=folder / "log")


@dataclass(frozen=True, slots=True)
class Frontend:
    """A frontend process; `log` is its output."""

    url: str
    pid: int
    termination_log: Path

    def has_told_its_end(self) -> bool:
        """Say whether the termination log is written: it is there, empty, a moment before."""
        return self.termination_log.exists() and bool(self.termination_log.read_text())


@pytest.fixture(scope="session")
def chat_frontend(triton: Triton, smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Frontend]:
    with frontend(triton.grpc, "Chat", "smollm2", smollm2, tmp_path_factory.mktemp("chat")) as started:
        yield started


@pytest.fixture(scope="session")
def embedding_frontend(triton: Triton, minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Frontend]:
    with frontend(triton.grpc, "Embedding", "minilm", minilm, tmp_path_factory.mktemp("embedding")) as started:
        yield started


@contextmanager
def frontend(
    triton: str, task: str, name: str, weights: Path, folder: Path, *flags: str, begins_at: str = "/readyz"
) -> Iterator[Frontend]:
    """Run a frontend of its own until the block ends, which begins when the path answers 200."""
    (port,) = free_ports(1)
    url, log = f"http://127.0.0.1:{port}", folder / "termination-log"
    command = [sys.executable, "-m", "model_runtime.frontend", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--task", task, "--served-name", name, "--weights", str(weights)]
    command += ["--triton", triton, "--termination-log", str(log), *flags]
    with running(command, folder / "log", f"{url}{begins_at}", dict(os.environ)) as process:
        yield Frontend(url=url, pid=process.pid, termination_log=log)


@contextmanager
def running(
    command: list[str], log: Path, ready_url: str, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, wait until its URL answers 200, and stop it by pid."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=REPOSITORY)
    try:
        _wait_until_ready(process, ready_url, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(url):
        try:
            code = process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            code = None
        if code is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{url} is not ready; exit code {code}; its log ends:\n{log.read_text()[-4000:]}")


def answers(url: str) -> bool:
    """Tell whether the URL answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _address(protocol: str, address: str) -> list[str]:
    host, port = address.split(":")
    return [f"--{protocol}-address={host}", f"--{protocol}-port={port}"]


def _triton_environment(server: Path) -> dict[str, str]:
    """Triton starts its Python isolated: it finds the virtual environment only through the `python3` on the PATH."""
    libraries = f"{server / 'lib'}:{sysconfig.get_config_var('LIBDIR')}"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return dict(os.environ) | {"LD_LIBRARY_PATH": libraries, "PATH": path, "OMP_NUM_THREADS": "1"}


def triton_folder() -> Path:
    """Return the folder with Triton's programs and libraries, unpacked by one process while the others wait."""
    lock = REPOSITORY / "requirements" / "triton.txt"
    version = lock.read_text().split("==")[1].split()[0]
    parent = cache_folder() / "triton"
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        target = parent / f"{version}-{_LAYOUT}"
        if not target.exists():
            _unpack(lock, target)
    return target


def _unpack(lock: Path, target: Path) -> None:
    """Lay the package out as Triton wants it: its Python backend needs the process for this Python beside it."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as temporary:
        package, new = Path(temporary) / "package", Path(temporary) / "triton"
        install = [str(uv), "pip", "install", "-q", "--python", sys.executable, "--target", str(package)]
        subprocess.run([*install, "--no-deps", "--require-hashes", "-r", str(lock)], check=True)
        source, version = package / "pytriton" / "tritonserver", f"{sys.version_info.major}.{sys.version_info.minor}"
        shutil.copytree(source / "bin", new / "bin")
        shutil.copytree(source / "backends", new / "backends")
        shutil.copytree(source / "caches", new / "caches")
        shutil.copytree(package / "nvidia_pytriton.libs", new / "lib")
        worker = new / "backends" / "python" / "triton_python_backend_stub"
        shutil.copyfile(source / "python_backend_stubs" / version / worker.name, worker)
        for program in (worker, new / "bin" / "tritonserver"):
            program.chmod(0o755)
        new.rename(target)
