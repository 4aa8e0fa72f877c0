"""A real API server without kubelet's work: pods wait for ever, and the tests play what would become of them.

The cluster is one of its own (`make test-faults`), on which no operator is installed: two that do not know of each
other would undo each other's work.
"""

import contextlib
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from nereid_operator.clients.connection import Connection, from_kubeconfig
from tests.cluster.backends import Request, make_backend
from tests.cluster.embedded.cluster import Embedded
from tests.faults.apiserver import ApiServer, PatientTransport
from tests.faults.kubelet import playing
from tests.faults.proxy import make_proxy
from tests.faults.stand import Stand
from tests.stack.components import send
from tests.stack.kubectl import Kubectl

REPOSITORY = Path(__file__).parents[2]

MakeStand = Callable[[], Awaitable[Stand]]


@pytest.fixture(scope="session")
def embedded() -> Embedded:
    """The running cluster, with our custom resource and no operator."""
    subprocess.run([sys.executable, "-m", "tests.cluster", "--backend", "embedded", "up"], cwd=REPOSITORY, check=True)
    backend = make_backend(Request(backend="embedded"))
    assert isinstance(backend, Embedded)
    kubectl = Kubectl(backend.kubeconfig)
    found = kubectl.run("get", "deployments", "-A", "-l", "app.kubernetes.io/name=nereid", "-o", "name")
    assert not found, f"an operator runs on this cluster and would act too: {found}"
    kubectl.run(
        "apply", "--server-side", *[f"--filename={path}" for path in sorted((REPOSITORY / "crds").glob("*.yaml"))]
    )
    kubectl.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    return backend


@pytest.fixture
def nothing_scheduled(embedded: Embedded) -> None:
    """Stop the scheduler, so that every pod is the tests' to play; it stays so, for tests of other workers go on."""
    send("kube-scheduler", signal.SIGSTOP)


@pytest.fixture
def connection(embedded: Embedded) -> Connection:
    return from_kubeconfig(embedded.kubeconfig)


@pytest.fixture
async def make_stand(connection: Connection, nothing_scheduled: None, tmp_path: Path) -> AsyncIterator[MakeStand]:
    """Return what makes stands: a namespace in which pods are played, and a proxy to it. All go at the end."""
    async with contextlib.AsyncExitStack() as stack:
        transport = PatientTransport(connection)
        stack.push_async_callback(transport.close)

        async def make() -> Stand:
            api = ApiServer(transport, f"faults-{uuid.uuid4().hex[:8]}")
            await api.make_namespace()
            stack.push_async_callback(api.delete_namespace)
            await stack.enter_async_context(playing(api))
            return Stand(api, await stack.enter_async_context(make_proxy(connection).open()), tmp_path)

        yield make
