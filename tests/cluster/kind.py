"""The back end for machines with a Docker engine: kind. Thin, and not run yet, since no Docker engine was at hand."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.commands import require, run
from tests.cluster.embedded.settings import audit_policy
from tests.cluster.errors import ClusterError
from tests.cluster.progress import say

_ADVICE = "install kind, or choose --backend embedded"


@dataclass(frozen=True, slots=True)
class Kind:
    """A cluster made by kind."""

    name: str
    state_home: Path

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self._state / "kubeconfig"

    @property
    def audit_log(self) -> Path | None:
        """The API server's audit log, in a folder that the node mounts."""
        return self._state / "audit" / "audit.log"

    def up(self) -> None:
        """Create the cluster where it is missing."""
        require("kind", _ADVICE)
        if self.is_running():
            say(f"kind cluster {self.name} is up already")
            return
        (self._state / "audit").mkdir(parents=True, exist_ok=True)
        (self._state / "audit" / "policy.json").write_text(json.dumps(audit_policy()))
        config = json.dumps(kind_config(self._state / "audit"))
        arguments = ("--name", self.name, "--kubeconfig", self.kubeconfig, "--config", "-", "--wait", "120s")
        run("kind", "create", "cluster", *arguments, stdin=config)

    def down(self) -> None:
        """Delete the cluster."""
        run(require("kind", _ADVICE), "delete", "cluster", "--name", self.name, "--kubeconfig", self.kubeconfig)

    def status(self) -> list[str]:
        """Say whether it is there."""
        state = "up" if self.is_running() else "down"
        return [
            f"cluster {self.name} (kind, a thin back end that has not been tried) is {state}",
            f"KUBECONFIG={self.kubeconfig}",
        ]

    def is_running(self) -> bool:
        """Tell whether kind lists the cluster."""
        return self.name in run(require("kind", _ADVICE), "get", "clusters").split()

    def image_id(self, tag: str) -> str:
        """Kind finds out by itself what its node has."""
        return ""

    def load(self, tag: str, image_id: str, archive: Path) -> None:
        """Load a docker archive into the node."""
        run("kind", "load", "image-archive", archive, "--name", self.name)

    def name_again(self, tag: str, other: str) -> None:
        """Give a loaded image another tag."""
        node = f"{self.name}-control-plane"
        run("docker", "exec", node, "ctr", "--namespace", "k8s.io", "images", "tag", "--force", tag, other)

    def add_fake_nodes(self, count: int) -> None:
        """Refuse: kwok runs beside the embedded cluster only."""
        raise ClusterError("kwok nodes are for the embedded cluster: choose --backend embedded")

    @property
    def _state(self) -> Path:
        return self.state_home / f"kind-{self.name}"


def kind_config(audit: Path) -> dict[str, Any]:
    """Return kind's configuration: one node whose API server keeps an audit log in a folder of the host (pure)."""
    volume = {"name": "audit", "hostPath": "/audit", "mountPath": "/audit", "pathType": "Directory"}
    patch = {
        "kind": "ClusterConfiguration",
        "apiServer": {
            "extraArgs": {
                "audit-log-path": "/audit/audit.log",
                "audit-policy-file": "/audit/policy.json",
                "enable-admission-plugins": "NodeRestriction,OwnerReferencesPermissionEnforcement",
            },
            "extraVolumes": [volume],
        },
    }
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [
            {
                "role": "control-plane",
                "kubeadmConfigPatches": [json.dumps(patch)],
                "extraMounts": [{"hostPath": str(audit), "containerPath": "/audit"}],
            }
        ],
    }
