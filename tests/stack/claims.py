"""Claims on volumes in the cluster, and models copied to them by a pod: what `pvc://` reads."""

from collections.abc import Mapping
from pathlib import Path

from tests.stack.kubectl import Kubectl, Object
from tests.stack.manifests import claim

_DATA = "/data"


def fill_claim(kubectl: Kubectl, namespace: str, name: str, image: str, folders: Mapping[str, Path]) -> None:
    """Make a claim and copy folders to it (path in the claim → folder here); the image needs tar, for kubectl."""
    writer = f"{name}-writer"
    kubectl.apply(claim(name, namespace), _writer(writer, namespace, name, image))
    kubectl.run("wait", "-n", namespace, f"pod/{writer}", "--for=condition=Ready", "--timeout=120s", seconds=150)
    for path, folder in folders.items():
        place = f"{_DATA}/{path}"
        kubectl.run("exec", "-n", namespace, writer, "--", "mkdir", "-p", str(Path(place).parent))
        kubectl.run("cp", str(folder), f"{namespace}/{writer}:{place}", seconds=240)
    kubectl.run("delete", "pod", writer, "-n", namespace, "--grace-period=1")


def _writer(name: str, namespace: str, claim_name: str, image: str) -> Object:
    container = {
        "name": "writer",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "600"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "data", "mountPath": _DATA}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim_name}}],
        },
    }
