"""The S3 server behind a slow line: a pod that passes bytes on at a bounded rate, so that a fetch can be watched."""

from dataclasses import dataclass

from tests.stack.helm import NAMESPACE
from tests.stack.kubectl import Kubectl, Object
from tests.stack.store import PORT, Store

NAME = "slow-store"

# Any image with Python does; the operator's is on the nodes.
_PROXY = """
import asyncio, sys
host, port, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
async def pump(reader, writer, seconds_per_byte):
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(len(chunk) * seconds_per_byte)
    except OSError:
        pass
    writer.close()
async def serve(reader, writer):
    upstream, upstream_writer = await asyncio.open_connection(host, port)
    await asyncio.gather(pump(reader, upstream_writer, 0), pump(upstream, writer, 1 / rate))
async def main():
    async with await asyncio.start_server(serve, None, port) as server:
        await server.serve_forever()
asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class SlowStore:
    """The slow way to a store."""

    kubectl: Kubectl
    store: Store

    @property
    def endpoint(self) -> str:
        """The URL by which pods reach it."""
        return f"http://{NAME}.{self.store.namespace}.svc:{PORT}"

    def credentials(self, name: str, namespace: str) -> Object:
        """Return the Secret that a ModelDeployment names to read over the slow way."""
        secret = self.store.credentials(name, namespace)
        return {**secret, "stringData": {**secret["stringData"], "hosts": f"{NAME}.{self.store.namespace}.svc"}}

    def stop(self) -> None:
        """Remove it."""
        self.kubectl.run("delete", "deployment,service", NAME, "-n", self.store.namespace, "--wait=false")


def start_slow_store(kubectl: Kubectl, store: Store, *, bytes_per_second: int) -> SlowStore:
    """Start it in the store's namespace, each connection at this rate, and wait until it is ready."""
    operator = kubectl.get("deployment", "nereid-operator", NAMESPACE)
    if operator is None:
        raise LookupError("the slow store uses the operator's image, and there is no operator")
    image = operator["spec"]["template"]["spec"]["containers"][0]["image"]
    host = f"store.{store.namespace}.svc"
    kubectl.apply(*_objects(store.namespace, image, ["python3", "-c", _PROXY, host, str(PORT), str(bytes_per_second)]))
    kubectl.run("rollout", "status", f"deployment/{NAME}", "-n", store.namespace, "--timeout=60s")
    return SlowStore(kubectl, store)


def _objects(namespace: str, image: str, command: list[str]) -> list[Object]:
    labels = {"app.kubernetes.io/name": NAME}
    meta = {"name": NAME, "namespace": namespace, "labels": labels}
    container = {
        "name": "proxy",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    user = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": user,
        "containers": [container],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"name": "s3", "port": PORT}]},
        },
    ]
