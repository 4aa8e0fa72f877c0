"""A stand-in for the public hub, in the cluster: tests/stack/hubserver.py over TLS, with a certificate nobody knows.

It runs in the model-runtime image, whose Python it needs; its code comes by ConfigMap, its models by `kubectl cp`.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.stack.certificates import Authority
from tests.stack.kubectl import Kubectl, Object

PRIVATE = "acme/"
# A folder from where it redirects to an address that no policy of the tests opens.
ASTRAY, ELSEWHERE = "/astray", "https://192.168.77.7"
PORT = 8443
_DATA, _CODE, _TLS = "/data", "/code", "/tls"
_FAULTS = f"{_DATA}/.faults"
_TESTS = Path(__file__).parents[1]
_FILES = ("__init__.py", "stack/__init__.py", "stack/webserver.py", "stack/hubserver.py")


@dataclass(frozen=True, slots=True)
class Hub:
    """A running hub; it is a web server too. Repositories of the organization `acme` want the token."""

    namespace: str
    token: str
    certificates: str

    @property
    def url(self) -> str:
        """The URL by which pods reach it."""
        return f"https://hub.{self.namespace}.svc"


def start_hub(kubectl: Kubectl, namespace: str, image: str, authority: Authority, models: Mapping[str, Path]) -> Hub:
    """Start a hub with these models (repository, or folder of the web server → folder here) and fill it."""
    hub = Hub(namespace, secrets.token_hex(16), authority.certificate.read_text())
    certificate = authority.issue("hub", f"DNS:hub.{namespace}.svc")
    kubectl.apply(*_objects(hub, image, certificate.read_text()))
    kubectl.run("rollout", "status", "deployment/hub", "-n", namespace, "--timeout=120s")
    (pod,) = kubectl.select("pods", namespace, "app.kubernetes.io/name=hub")
    place = pod["metadata"]["name"]
    copied: dict[Path, str] = {}
    for repository, folder in models.items():
        path = f"{_DATA}/{repository}"
        kubectl.run("exec", "-n", namespace, place, "--", "mkdir", "-p", str(Path(path).parent))
        if folder in copied:
            kubectl.run("exec", "-n", namespace, place, "--", "ln", "-s", copied[folder], path)
        else:
            kubectl.run("cp", str(folder), f"{namespace}/{place}:{path}", seconds=240)
        copied.setdefault(folder, path)
    return hub


def in_hub(kubectl: Kubectl, hub: Hub, *command: str, stdin: str | None = None) -> None:
    """Run a command in the hub's pod."""
    reads = ["-i"] if stdin is not None else []
    kubectl.run("exec", *reads, "-n", hub.namespace, "deployment/hub", "--", *command, stdin=stdin)


def spoil(kubectl: Kubectl, hub: Hub, name: str, faults: Mapping[str, Mapping[str, object]]) -> None:
    """Give paths of the hub faults (path → fields of webserver.Fault), under a name by which `mend` ends them."""
    file = f"{_FAULTS}/{name}"
    text = json.dumps(faults)
    in_hub(kubectl, hub, "sh", "-c", f"mkdir -p {_FAULTS} && cat > {file}.new && mv {file}.new {file}.json", stdin=text)


def mend(kubectl: Kubectl, hub: Hub, name: str) -> None:
    """End the faults of a name."""
    in_hub(kubectl, hub, "rm", f"{_FAULTS}/{name}.json")


def _objects(hub: Hub, image: str, certificate: str) -> list[Object]:
    labels = {"app.kubernetes.io/name": "hub"}
    meta = {"name": "hub", "namespace": hub.namespace, "labels": labels}
    # A key of a ConfigMap has no slashes; the volume puts each file in its place.
    keys = {path.replace("/", "."): path for path in _FILES}
    code = {key: (_TESTS / path).read_text() for key, path in keys.items()}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": code},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": meta,
            "stringData": {"certificate": certificate, "token": hub.token},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": _pod(hub, image, keys)},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"name": "https", "port": 443, "targetPort": PORT}]},
        },
    ]


def _pod(hub: Hub, image: str, keys: Mapping[str, str]) -> Object:
    options = {"folder": _DATA, "certificate": f"{_TLS}/certificate", "url": hub.url, "private": PRIVATE, "port": PORT}
    options["faults"] = _FAULTS
    options["redirect"] = f"{ASTRAY}/SHA256SUMS={ELSEWHERE}/SHA256SUMS"
    container = {
        "name": "hub",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "tests.stack.hubserver"],
        "args": [f"--{name}={value}" for name, value in options.items()],
        "workingDir": _CODE,
        "env": [{"name": "HUB_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "data", "mountPath": _DATA},
            {"name": "code", "mountPath": _CODE, "readOnly": True},
            {"name": "tls", "mountPath": _TLS, "readOnly": True},
        ],
    }
    places = [{"key": key, "path": f"tests/{path}"} for key, path in keys.items()]
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {"name": "code", "configMap": {"name": "hub", "items": places}},
            {"name": "tls", "secret": {"secretName": "hub", "defaultMode": 0o440}},
        ],
    }
