"""The operator as a process of the host: started as the chart starts it, watched from outside, ended by SIGTERM."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.control.wait import eventually
from bench.errors import BenchError

_START_SECONDS = 60.0
_END_SECONDS = 15.0
_REPOSITORY = Path(__file__).parents[2]

# kopf imports these two where they are installed; the operator's image has neither.
_START = """
import sys
sys.modules.update(kubernetes=None, kubernetes_asyncio=None)
from nereid_operator.__main__ import main
main()
"""


@dataclass(frozen=True, slots=True)
class Operator:
    """A running operator."""

    process: subprocess.Popen[bytes]
    port: int

    def resident_kib(self) -> int:
        """Return the memory that the process holds (VmRSS)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise BenchError(f"process {self.process.pid} has no VmRSS: it has ended")

    def cpu_seconds(self) -> float:
        """Return the CPU time that the process has used, its own and the kernel's for it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def passes(self) -> int:
        """Return how many passes have ended (its own metrics)."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("nereid_reconciles_total")))

    def is_ready(self) -> bool:
        """Return whether it has listed everything and is in touch with the API server."""
        if (code := self.process.poll()) is not None:
            raise BenchError(f"the operator ended with code {code}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


@contextlib.asynccontextmanager
async def running(environment: Mapping[str, str], kubeconfig: Path, log: Path) -> AsyncIterator[Operator]:
    """Start the operator, give it once it is ready, and end it."""
    port = _free_port()
    variables = {**environment, "NEREID_HTTP_PORT": str(port), "KUBECONFIG": str(kubeconfig)}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: ASYNC220 (a fork is short, and the process must outlive awaits)
            [sys.executable, "-c", _START],
            cwd=_REPOSITORY,
            env={**os.environ, **variables},
            stdout=output,
            stderr=output,
        )
    operator = Operator(process, port)
    try:
        await eventually("the operator is ready", lambda: asyncio.to_thread(operator.is_ready), seconds=_START_SECONDS)
        yield operator
    finally:
        await _end(process)


async def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.to_thread(process.wait, _END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise BenchError(f"the operator did not end within {_END_SECONDS:.0f} s of SIGTERM") from None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
