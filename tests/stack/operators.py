"""Operators in processes of their own, which can be stopped and killed.

They are forked from a process that has imported everything, so that a start costs a tenth of a second, not two.
"""

import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from nereid_operator import __main__ as operator
from tests.stack.ports import free_port

IMAGE = "nereid.dev/model-runtime:played"
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["__main__", "nereid_operator.__main__", "tests.stack.operators"])


@dataclass
class Process:
    """One operator."""

    name: str
    log: Path
    running: BaseProcess

    def kill(self) -> None:
        """End it as the kernel does that lacks memory; one that has ended already stays so."""
        self.running.kill()

    def signal(self, number: signal.Signals) -> None:
        assert self.running.pid is not None
        os.kill(self.running.pid, number)

    async def ended(self, *, within_seconds: float = 10.0) -> int | None:
        """Wait for its end and return the exit code; None when it has not ended."""
        await asyncio.to_thread(self.running.join, within_seconds)
        return self.running.exitcode

    def said(self) -> str:
        """Return its log."""
        return self.log.read_text()


@contextlib.asynccontextmanager
async def started(name: str, kubeconfig: Path, folder: Path, **settings: str) -> AsyncIterator[Process]:
    """Run an operator as long as the block; `settings` are variables of its environment."""
    log = folder / f"{name}.log"
    environment = {
        "KUBECONFIG": str(kubeconfig),
        "NEREID_MODEL_RUNTIME_IMAGE": IMAGE,
        "NEREID_POD_NAME": name,
        "NEREID_LEASE_NAME": name,
        "NEREID_RESYNC_SECONDS": "1",
        "NEREID_HTTP_PORT": str(free_port()),
        **settings,
    }
    running = _forks.Process(target=_run, args=(environment, str(log)), daemon=True)
    running.start()
    process = Process(name, log, running)
    try:
        yield process
    finally:
        process.kill()
        await process.ended()


def write_kubeconfig(path: Path, server: str, *, token: str = "", authority: Path | None = None) -> Path:
    """Write a kubeconfig for a server without TLS, or with a token and the authority of its certificate."""
    cluster = {"server": server, **({"certificate-authority": str(authority)} if authority else {})}
    config = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": token} if token else {}}],
    }
    path.write_text(json.dumps(config))
    return path


def _run(environment: dict[str, str], log: str) -> None:
    """Become an operator; runs in the fork."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 2)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    os.environ.update(environment)
    operator.main()
