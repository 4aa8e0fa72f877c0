"""The real API server as the tests of faults use it: what a user says to it, what they read, and when it is quiet."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from nereid_operator.api.resources import CHILDREN, MODEL_DEPLOYMENT, OWNED_SELECTOR, POD, Resource
from nereid_operator.clients import requests
from nereid_operator.clients.kube import AiohttpTransport, KubeClient
from nereid_operator.clients.requests import Request, Response
from nereid_operator.errors import ConflictError, NotFoundError, UnreachableError

Object = dict[str, Any]
T = TypeVar("T")

DEADLINE_SECONDS = 60.0
MERGE_PATCH = "application/merge-patch+json"
NAMESPACE = Resource("", "v1", "Namespace", "namespaces")
SERVICE_ACCOUNT = Resource("", "v1", "ServiceAccount", "serviceaccounts")
# Everything that the operator makes, but for the pods, which are their controllers'.
MADE = tuple(resource for resource in CHILDREN if resource != POD)


async def until(what: str, probe: Callable[[], Awaitable[T | None]], *, seconds: float = DEADLINE_SECONDS) -> T:
    """Return the first value of `probe` that is true."""
    deadline = time.monotonic() + seconds
    while True:
        if value := await probe():
            return value
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        await asyncio.sleep(0.05)


class PatientTransport(AiohttpTransport):
    """Asks again while the API server is away, as a user does; nothing that it says does harm when said twice."""

    async def __call__(self, request: Request) -> Response:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                answer = await super().__call__(request)
            except UnreachableError as error:
                answer = Response(503, {"message": str(error)})
            if answer.status != 503 or time.monotonic() > deadline:
                return answer
            await asyncio.sleep(0.2)


@dataclass(frozen=True)
class ApiServer:
    """One namespace of the API server, as its administrator sees it."""

    transport: PatientTransport
    namespace: str

    @property
    def kube(self) -> KubeClient:
        return KubeClient(self.transport)

    async def make_namespace(self) -> None:
        """Create the namespace and wait until pods can be made in it."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        with contextlib.suppress(ConflictError):
            await self.send("POST", "/api/v1/namespaces", body)
        await until("the ServiceAccount", lambda: self.kube.get(SERVICE_ACCOUNT, self.namespace, "default"))

    async def delete_namespace(self) -> None:
        """Delete the namespace; it goes in its own time."""
        await self.send("DELETE", f"/api/v1/namespaces/{self.namespace}", None)

    async def send(self, method: str, path: str, body: Object | None, content_type: str = requests.JSON) -> Object:
        """Send any request; the answer's body is returned, an error is raised."""
        return await self.kube._send(Request(method, path, body=body, content_type=content_type))

    async def apply(self, name: str, spec: Object) -> Object:
        """Apply a ModelDeployment as `kubectl apply --server-side` does: what is not said any more goes."""
        manifest = {
            "apiVersion": MODEL_DEPLOYMENT.api_version,
            "kind": MODEL_DEPLOYMENT.kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }
        return dict(await self.kube.apply(MODEL_DEPLOYMENT, manifest, manager="kubectl"))

    async def scale(self, name: str, replicas: int) -> None:
        """`kubectl scale`."""
        path = requests.path_of(MODEL_DEPLOYMENT, self.namespace, name, "scale")
        await self.send("PATCH", path, {"spec": {"replicas": replicas}}, MERGE_PATCH)

    async def delete(self, resource: Resource, name: str) -> None:
        """`kubectl delete --wait=false`."""
        with contextlib.suppress(NotFoundError):
            await self.send("DELETE", requests.path_of(resource, self.namespace, name), None)

    async def get(self, resource: Resource, name: str) -> Object | None:
        found = await self.kube.get(resource, self.namespace, name)
        return None if found is None else dict(found)

    async def all(self, resource: Resource) -> list[Object]:
        """Return everything of ours of a kind."""
        selector = "" if resource == MODEL_DEPLOYMENT else OWNED_SELECTOR
        return [dict(body) for body in (await self.kube.list(resource, namespace=self.namespace, selector=selector))[0]]

    async def ready(self, name: str) -> Object:
        """Wait until the model is Ready for the spec that it has."""

        async def ready() -> Object | None:
            body = await self.get(MODEL_DEPLOYMENT, name)
            return body if body is not None and is_ready(body) else None

        return await until(f"{self.namespace}/{name} to be Ready", ready)


def condition(body: Object, kind: str) -> Object:
    """Return a condition of a ModelDeployment; an empty one when it has none."""
    conditions = body.get("status", {}).get("conditions", ())
    return next((dict(entry) for entry in conditions if entry["type"] == kind), {})


def is_told_fully(body: Object) -> bool:
    """Tell whether status lists the pods that there shall be; what only ticks is written some seconds late.

    Until then it may list those of an earlier revision, or of an earlier model of the name, which are still going.
    """
    status = body.get("status", {})
    listed = [state["revision"] for state in status.get("replicaStates", ())]
    return listed == [status.get("revisions", {}).get("current")] * body["spec"]["replicas"]


def is_ready(body: Object) -> bool:
    """Tell whether a ModelDeployment is Ready for the spec that it has."""
    ready = condition(body, "Ready")
    return ready.get("status") == "True" and ready.get("observedGeneration") == body["metadata"]["generation"]
