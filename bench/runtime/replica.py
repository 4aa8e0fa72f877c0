"""A replica as a pod has it, from its source to its first answer: prepare, then Triton and the frontend beside it.

The commands and their environment are those of the containers. `replica` gives what serves; its start is timed by
steps, from an empty folder.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.runtime.calls import REPOSITORY, cores
from bench.runtime.results import Start
from tests.runtime.conftest import answers, triton_folder
from tests.stack.ports import free_ports

NAME = "smollm2"
_PREPARE_SECONDS = 600.0
_START_SECONDS = 120.0
_STOP_SECONDS = 20.0
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Source:
    """Where the model is, and the digest that the operator pins before a pod starts."""

    url: str
    digest: str


@dataclass(frozen=True, slots=True)
class Replica:
    """The frontend's port, the processes of both containers, and the seconds of prepare and of the whole start."""

    port: int
    pids: tuple[int, ...]
    prepared: float
    ready: float

    def start(self) -> Start:
        """Return what the start took, and the memory that both containers hold now.

        Pages that several of their processes share count for each.
        """
        kib = sum(_resident_kib(pid) for root in self.pids for pid in tree(root))
        return Start(self.prepared, self.ready, kib / 1024)


def resolve(url: str, folder: Path) -> str:
    """Return the digest of the model behind a URL."""
    return str(_run("resolve", ["--uri", url], folder)["digest"])


@contextmanager
def replica(source: Source, folder: Path, generations: int) -> Iterator[Replica]:
    """Start a replica that runs so many generations at a time, in a new folder; stop and remove it at the end."""
    folder.mkdir()
    try:
        with _replica(source, folder, generations) as started:
            yield started
    finally:
        shutil.rmtree(folder)


@contextmanager
def _replica(source: Source, folder: Path, generations: int) -> Iterator[Replica]:
    begin = time.perf_counter()
    weights, repository = folder / "weights", folder / "repository"
    places = ["--weights", str(weights), "--repository", str(repository), "--served-name", NAME, "--task", "Chat"]
    pinned = ["--uri", source.url, "--revision", source.digest, "--digest", source.digest]
    _run("prepare", [*pinned, *places, "--dtype", "BFloat16", "--max-batch-size", str(generations)], folder)
    prepared = time.perf_counter() - begin
    http, grpc, metrics, port = free_ports(4)
    triton, environment = _triton(repository, http, grpc, metrics)
    frontend = [sys.executable, "-m", "model_runtime.frontend", "--task", "Chat", "--served-name", NAME]
    frontend += ["--weights", str(weights), "--digest", source.digest, "--host", "127.0.0.1", "--port", str(port)]
    frontend += ["--triton", f"127.0.0.1:{grpc}", "--triton-metrics", f"127.0.0.1:{metrics}"]
    frontend += ["--termination-log", str(folder / "frontend.json")]
    with (
        _started(triton, environment, folder / "triton.log") as server,
        _started(frontend, dict(os.environ), folder / "frontend.log") as api,
    ):
        _wait_until_ready((server, api), f"http://127.0.0.1:{port}/readyz", folder)
        yield Replica(port, (server.pid, api.pid), prepared, time.perf_counter() - begin)


def _triton(repository: Path, http: int, grpc: int, metrics: int) -> tuple[list[str], dict[str, str]]:
    """Return Triton's command and environment: every core, and threads that sleep while they wait, as in a pod."""
    home = triton_folder()
    command = [str(home / "bin" / "tritonserver"), f"--model-repository={repository}", "--model-control-mode=none"]
    command += [f"--backend-directory={home / 'backends'}", f"--cache-directory={home / 'caches'}"]
    command += [f"--http-port={http}", f"--grpc-port={grpc}", f"--metrics-port={metrics}"]
    command += [f"--{protocol}-address=127.0.0.1" for protocol in ("http", "grpc", "metrics")]
    return [*command, "--allow-gpu-metrics=false", "--exit-timeout-secs=5"], os.environ | {
        "LD_LIBRARY_PATH": f"{home / 'lib'}:{sysconfig.get_config_var('LIBDIR')}",
        # The Python that Triton starts finds its packages by the `python3` on the path alone.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": str(cores()),
        "OMP_WAIT_POLICY": "PASSIVE",
    }


@contextmanager
def _started(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=dict(environment), cwd=REPOSITORY
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(processes: Sequence[subprocess.Popen[bytes]], url: str, folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not answers(url):
        codes = [process.poll() for process in processes]
        if any(code is not None for code in codes) or time.monotonic() > deadline:
            logs = "\n".join((folder / name).read_text()[-1500:] for name in ("triton.log", "frontend.log"))
            raise BenchError(f"the replica is not ready; exit codes {codes}; the logs end:\n{logs}")
        time.sleep(_LOOK_SECONDS)


def tree(pid: int) -> list[int]:
    """Return a process and all that it started, directly or not."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [pid, *(one for children in lists for child in children.read_text().split() for one in tree(int(child)))]


def _resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def _run(command: str, arguments: Sequence[str], folder: Path) -> Mapping[str, object]:
    """Run a command of the runtime to its end and return what it says to the operator."""
    log = folder / f"{command}.json"
    program = [sys.executable, "-m", f"model_runtime.{command}", "--termination-log", str(log), *arguments]
    done = subprocess.run(
        program, cwd=REPOSITORY, capture_output=True, text=True, timeout=_PREPARE_SECONDS, check=False
    )
    if done.returncode:
        raise BenchError(f"{command} ended with {done.returncode}: {(done.stdout + done.stderr)[-1000:]}")
    result: Mapping[str, object] = json.loads(log.read_text())
    return result
