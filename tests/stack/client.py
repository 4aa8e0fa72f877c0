"""A pod that asks an embeddings model all the time, over a Service as clients in the cluster do.

Every request is a new connection; connecting is tried again, as clients do, what was sent is not. Each request prints
a line of JSON.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from tests.cluster.images import REPOSITORY, image_tag
from tests.stack.kubectl import Kubectl, Object
from tests.stack.wait import wait_for

_SCRIPT = """
import http.client, json, sys, time

def connected(host):
    for attempt in range(50):
        connection = http.client.HTTPConnection(host, timeout=20)
        try:
            connection.connect()
            return connection
        except OSError:
            time.sleep(0.1)
    raise OSError("no connection in 50 tries")

def ask(host, model):
    connection = connected(host)
    body = json.dumps({"model": model, "input": "hello"})
    connection.request("POST", "/v1/embeddings", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status

for number in range(6000):
    try:
        said = ask(*sys.argv[1:])
    except (OSError, http.client.HTTPException) as error:
        said = repr(error)
    print(json.dumps({"number": number, "at": time.time(), "said": said}), flush=True)
    time.sleep(0.1)
"""


@dataclass(frozen=True, slots=True)
class SteadyClient:
    """The pod that asks."""

    kubectl: Kubectl
    namespace: str
    name: str
    lines: list[str]

    def more(self) -> None:
        """Wait until it has asked a few times more."""
        count = len(self._read())
        wait_for("more requests", lambda: len(self._read()) > count + 5, seconds=60)

    def failures(self) -> list[Object]:
        """Return the requests that were not answered with 200."""
        return [line for line in map(json.loads, self.lines) if line["said"] != 200]

    def _read(self) -> list[str]:
        return self.kubectl.run("logs", self.name, "-n", self.namespace).splitlines()


@contextlib.contextmanager
def steady_client(
    kubectl: Kubectl, namespace: str, model: str, address: tuple[str, str] | None = None
) -> Iterator[SteadyClient]:
    """Run the pod as long as the block, and keep what it printed.

    `address` is whom it asks for what: a host and the name that the model has there, by default the model's Service.
    """
    client = SteadyClient(kubectl, namespace, f"{model}-client", [])
    kubectl.apply(_pod(client.name, namespace, address or (model, model)))
    try:
        wait_for("the first answer", lambda: _is_running(kubectl.get("pod", client.name, namespace)), seconds=60)
        client.more()
        yield client
        client.lines.extend(client._read())
    finally:
        kubectl.run("delete", "pod", client.name, "-n", namespace, "--grace-period=1")


def _is_running(pod: Object | None) -> bool:
    return pod is not None and pod["status"].get("phase") == "Running"


def _pod(name: str, namespace: str, address: tuple[str, str]) -> Object:
    container = {
        "name": "client",
        "image": image_tag("model-runtime", REPOSITORY),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", _SCRIPT, *address],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        },
    }
