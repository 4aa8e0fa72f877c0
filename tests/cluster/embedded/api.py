"""The few calls to the API server that bringing a cluster up needs, over the standard library alone."""

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.cluster.embedded.layout import Layout
from tests.cluster.errors import ClusterError

Object = dict[str, Any]

# Kind → path prefix, plural, whether it lives in a namespace.
_KINDS = {
    "Namespace": ("api/v1", "namespaces", False),
    "Node": ("api/v1", "nodes", False),
    "ServiceAccount": ("api/v1", "serviceaccounts", True),
    "ConfigMap": ("api/v1", "configmaps", True),
    "Service": ("api/v1", "services", True),
    "Deployment": ("apis/apps/v1", "deployments", True),
    "ClusterRole": ("apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "StorageClass": ("apis/storage.k8s.io/v1", "storageclasses", False),
}


def path_of(kind: str, name: str, namespace: str = "") -> str:
    """Return the path of an object (pure)."""
    prefix, plural, namespaced = _KINDS[kind]
    return f"/{prefix}/namespaces/{namespace}/{plural}/{name}" if namespaced else f"/{prefix}/{plural}/{name}"


@dataclass(frozen=True, slots=True)
class Api:
    """The API server, seen as the administrator."""

    url: str
    opener: urllib.request.OpenerDirector

    def get(self, path: str) -> Object | None:
        """Return an object, or None where there is none or the API server does not answer."""
        try:
            return dict(json.loads(self._call("GET", path)))
        except OSError:
            return None

    def ready(self) -> bool:
        """Tell whether the API server says that it is ready."""
        try:
            return self._call("GET", "/readyz") == b"ok"
        except OSError:
            return False

    def apply(self, item: Object) -> None:
        """Apply an object server-side."""
        meta = item["metadata"]
        path = path_of(item["kind"], meta["name"], meta.get("namespace", ""))
        self._send("PATCH", f"{path}?fieldManager=nereid-cluster&force=true", item, "application/apply-patch+yaml")

    def merge(self, path: str, change: Object) -> None:
        """Merge a change into an object or a subresource."""
        self._send("PATCH", path, change, "application/merge-patch+json")

    def _send(self, method: str, path: str, body: Object, content_type: str) -> None:
        try:
            self._call(method, path, json.dumps(body).encode(), content_type)
        except urllib.error.HTTPError as refused:
            said = refused.read().decode(errors="replace")[:500]
            raise ClusterError(f"{method} {path} answered {refused.code}: {said}") from None
        except OSError as lost:
            raise ClusterError(f"{method} {path}: {lost}") from None

    def _call(self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json") -> bytes:
        request = urllib.request.Request(
            self.url + path, data=body, method=method, headers={"Content-Type": content_type}
        )
        with self.opener.open(request, timeout=10) as answer:
            return bytes(answer.read())


def connect(layout: Layout) -> Api:
    """Return the API with the administrator's certificate; opens no connection, and never goes through a proxy."""
    files = layout.certificates
    context = ssl.create_default_context(cafile=str(files / "ca.crt"))
    context.load_cert_chain(str(files / "admin.crt"), str(files / "admin.key"))
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    return Api(layout.api_url, direct)
