"""The whole command against one API server: arguments in, exit code and text out."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from nereid_operator.cli.__main__ import run
from nereid_operator.cli.terminal import Terminal
from tests.unit.cli.objects import NOW
from tests.unit.cli.servers import ApiServer, serving


@dataclass(frozen=True)
class Shell:
    """Runs `nereid` against one API server."""

    kubeconfig: Path

    async def run(self, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
        out, errors = io.StringIO(), io.StringIO()
        terminal = Terminal(io.StringIO(stdin), out, NOW)
        argv = ["--kubeconfig", str(self.kubeconfig), *arguments]
        code = await asyncio.to_thread(run, argv, prog="nereid", terminal=terminal, stderr=errors)
        return code, out.getvalue(), errors.getvalue()


@asynccontextmanager
async def against(server: ApiServer, folder: Path, *, namespace: str = "default") -> AsyncIterator[Shell]:
    """Give a shell whose kubeconfig names the server."""
    async with serving(web.get("/{path:.*}", server.answer)) as port:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(server.kubeconfig(port, namespace=namespace))
        yield Shell(kubeconfig)
