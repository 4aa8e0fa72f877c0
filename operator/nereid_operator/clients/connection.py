"""Where the API server is and how to prove who we are: the pod's service account, or KUBECONFIG for development.

Comes in: environment and files. Goes out: `Connection`, used by clients/kube.py and, through handlers.py, by kopf.
"""

import base64
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nereid_operator.errors import ConnectionConfigError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Connection:
    """One way to the API server. Absent certificates are None; `token` is read anew each time, because it rotates."""

    server: str
    ca: bytes | None
    client_certificate: bytes | None
    client_key: bytes | None
    token: Callable[[], str | None]


def connect(environ: Mapping[str, str], *, service_account: Path = SERVICE_ACCOUNT) -> Connection:
    """Return the connection: KUBECONFIG when it is set, else the pod's service account."""
    if environ.get("KUBECONFIG"):
        return from_kubeconfig(Path(environ["KUBECONFIG"]))
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return _in_cluster(environ, service_account)
    raise ConnectionConfigError(
        "neither KUBECONFIG nor KUBERNETES_SERVICE_HOST is set; one must say where the API server is"
    )


def _in_cluster(environ: Mapping[str, str], service_account: Path) -> Connection:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    return Connection(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        ca=(service_account / "ca.crt").read_bytes(),
        client_certificate=None,
        client_key=None,
        token=lambda: (service_account / "token").read_text().strip(),
    )


def from_kubeconfig(path: Path) -> Connection:
    """Return the connection of a kubeconfig's current context: client certificate, token, or neither."""
    config = yaml.safe_load(path.read_text()) or {}
    context = _named(config, "contexts", config.get("current-context", ""), path)["context"]
    cluster = _named(config, "clusters", context["cluster"], path)["cluster"]
    user = _named(config, "users", context["user"], path).get("user") or {}
    token = user.get("token")
    return Connection(
        server=cluster["server"].rstrip("/"),
        ca=_data(cluster, "certificate-authority", path),
        client_certificate=_data(user, "client-certificate", path),
        client_key=_data(user, "client-key", path),
        token=lambda: token,
    )


def _named(config: Mapping[str, Any], section: str, name: str, path: Path) -> dict[str, Any]:
    found = [entry for entry in config.get(section) or () if entry.get("name") == name]
    if not found:
        raise ConnectionConfigError(f"{path}: {section} has no entry named {name!r}")
    entry: dict[str, Any] = found[0]
    return entry


def _data(section: Mapping[str, Any], field: str, path: Path) -> bytes | None:
    """Return what stands in `field`-data, or in the file that `field` names, relative to the kubeconfig."""
    if encoded := section.get(f"{field}-data"):
        return base64.b64decode(str(encoded))
    if file := section.get(field):
        return (path.parent / str(file)).read_bytes()
    return None


def ssl_context(connection: Connection) -> ssl.SSLContext:
    """Return the context for TLS to the API server."""
    context = ssl.create_default_context(cadata=connection.ca.decode() if connection.ca else None)
    if connection.client_certificate and connection.client_key:
        # The ssl module takes client certificates only from files.
        with tempfile.NamedTemporaryFile() as file:
            file.write(connection.client_certificate + b"\n" + connection.client_key)
            file.flush()
            context.load_cert_chain(file.name)
    return context
