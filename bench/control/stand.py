"""The stand of the benchmark: a cluster of its own with played nodes, and everything of the chart but its pods.

The operator runs on the host as the chart would run it: the same environment variables, the same ServiceAccount, the
same RBAC. So its memory and CPU are those of one process that can be looked at.
"""

import asyncio
import base64
import contextlib
import json
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.control.audit import AuditLog
from bench.errors import BenchError
from nereid_operator.clients.connection import Connection, from_kubeconfig
from nereid_operator.settings import Settings, from_env
from tests.cluster import Backend
from tests.cluster.backends import Request, make_backend
from tests.stack.helm import CHART, NAMESPACE, RELEASE, Helm
from tests.stack.kubectl import Kubectl

# Each takes 110 pods; while an edit rolls out there are two of each ModelDeployment, and pods that are going.
_PODS_PER_NODE = 110
_PODS_PER_MODEL = 3
_LONGER_THAN_ANY_RUN = "12h"
# A cluster has 4,096 addresses for Services, fewer than the largest size; nobody sends to these.
_MORE_SERVICES = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "ServiceCIDR",
    "metadata": {"name": "bench"},
    "spec": {"cidrs": ["10.96.0.0/16"]},
}


@dataclass(frozen=True, slots=True)
class Stand:
    """A running cluster. `environment` is what the chart gives the operator, `user` its name in the audit log."""

    backend: Backend
    kubectl: Kubectl
    audit: AuditLog
    environment: Mapping[str, str]
    user: str
    administrator_user: str
    operator_kubeconfig: Path

    @property
    def administrator(self) -> Connection:
        """The way to the API server for what users and kubelets do."""
        return from_kubeconfig(self.backend.kubeconfig)

    @property
    def operator(self) -> Connection:
        """The way to the API server under the operator's name."""
        return from_kubeconfig(self.operator_kubeconfig)

    @property
    def settings(self) -> Settings:
        """The operator's settings."""
        return from_env(self.environment)

    def make_room(self, models: int) -> None:
        """Have as many played nodes as the pods of that many ModelDeployments need."""
        self.backend.add_fake_nodes(math.ceil(models * _PODS_PER_MODEL / _PODS_PER_NODE))

    def make_namespace(self, name: str) -> None:
        """Make an empty namespace."""
        self.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


@contextlib.asynccontextmanager
async def standing(cluster: str) -> AsyncIterator[Stand]:
    """Bring the cluster up, give the stand, and take the cluster down."""
    backend = make_backend(Request(name=cluster))
    try:
        await asyncio.to_thread(backend.up)
        yield await asyncio.to_thread(_prepare, backend)
    finally:
        await asyncio.to_thread(backend.down)


def _prepare(backend: Backend) -> Stand:
    if backend.audit_log is None:
        raise BenchError("this cluster's audit log is not on this machine, so there is nothing to measure by")
    kubectl = Kubectl(backend.kubeconfig)
    # Nothing here serves: the operator alone is measured.
    without = ("--set", "gateway.enabled=false")
    rendered = Helm(backend.kubeconfig).run("template", RELEASE, str(CHART), "-n", NAMESPACE, *without)
    objects = [found for found in yaml.safe_load_all(rendered) if found]
    (deployment,) = [found for found in objects if found["kind"] == "Deployment"]
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, _MORE_SERVICES)
    kubectl.apply(*(found for found in objects if found["kind"] != "Deployment"))
    pod = deployment["spec"]["template"]["spec"]
    account = pod["serviceAccountName"]
    token = kubectl.run("create", "token", account, "-n", NAMESPACE, f"--duration={_LONGER_THAN_ANY_RUN}").strip()
    kubeconfig = backend.kubeconfig.with_name("operator.kubeconfig")
    kubeconfig.write_text(yaml.safe_dump(_kubeconfig(from_kubeconfig(backend.kubeconfig), token)))
    return Stand(
        backend=backend,
        kubectl=kubectl,
        audit=AuditLog(backend.audit_log),
        environment=_environment(pod),
        user=f"system:serviceaccount:{NAMESPACE}:{account}",
        administrator_user=json.loads(kubectl.run("auth", "whoami", "-o", "json"))["status"]["userInfo"]["username"],
        operator_kubeconfig=kubeconfig,
    )


def _environment(pod: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that the chart sets by value; what comes from the pod itself is named here."""
    (container,) = pod["containers"]
    given = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    return {**given, "NEREID_POD_NAME": "nereid-operator-bench", "NEREID_POD_NAMESPACE": NAMESPACE}


def _kubeconfig(connection: Connection, token: str) -> dict[str, Any]:
    """Return a kubeconfig that names a user by a token."""
    authority = base64.b64encode(connection.ca or b"").decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "operator",
        "contexts": [{"name": "operator", "context": {"cluster": "bench", "user": "operator"}}],
        "clusters": [
            {"name": "bench", "cluster": {"server": connection.server, "certificate-authority-data": authority}}
        ],
        "users": [{"name": "operator", "user": {"token": token}}],
    }
