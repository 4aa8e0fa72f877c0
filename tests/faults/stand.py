"""One namespace of the API server, a proxy in front, and operators behind the proxy that serve it alone."""

import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nereid_operator.api.resources import MODEL_DEPLOYMENT
from tests.faults.apiserver import ApiServer, is_ready, is_told_fully
from tests.faults.proxy import Proxy
from tests.stack.operators import Process, started, write_kubeconfig

SETTLE_SECONDS = 120.0


@dataclass
class Stand:
    """A place of its own for a test, so that several can go on side by side."""

    api: ApiServer
    proxy: Proxy
    folder: Path
    _names: Iterator[int] = field(default_factory=itertools.count)

    @contextlib.asynccontextmanager
    async def operator(self, **settings: str) -> AsyncIterator[Process]:
        """Run an operator; each has a Lease of its own, so that none waits for that of a dead one."""
        kubeconfig = write_kubeconfig(self.folder / f"{self.api.namespace}.json", self.proxy.url)
        where = {"NEREID_WATCH_NAMESPACES": self.api.namespace, "NEREID_POD_NAMESPACE": self.api.namespace}
        name = f"{self.api.namespace}-{next(self._names)}"
        async with started(name, kubeconfig, self.folder, **where, **settings) as process:
            yield process

    async def settled(self) -> None:
        """Wait until every model is Ready and its status full, and a whole resync has passed without a write."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            writes = len(self.proxy.writes)
            await self.proxy.resyncs(2)
            models = await self.api.all(MODEL_DEPLOYMENT)
            if len(self.proxy.writes) == writes and all(is_ready(body) and is_told_fully(body) for body in models):
                return
            last = [str(write.asked) for write in self.proxy.writes[-5:]]
            assert time.monotonic() < deadline, f"not settled in {SETTLE_SECONDS:.0f} s; written last: {last}"

    async def writes_of_resyncs(self, count: int) -> list[str]:
        """Return what is written while everything is listed so many times."""
        before = len(self.proxy.writes)
        await self.proxy.resyncs(count)
        return [str(write.asked) for write in self.proxy.writes[before:]]

    def deletions(self) -> set[str]:
        """Return what the operator has had deleted."""
        return {
            write.asked.path.replace(self.api.namespace, "NAMESPACE")
            for write in self.proxy.writes
            if write.asked.method == "DELETE" and write.status < 300
        }
