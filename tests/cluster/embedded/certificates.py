"""Keys and certificates of the cluster: one authority, one certificate per component, by openssl.

In: the layout. Out: `<name>.crt` and `<name>.key` in its certificates folder, and kubeconfigs that carry them.
Called once per cluster: certificates that are there are kept.
"""

import json
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.commands import run
from tests.cluster.embedded.layout import Layout

_DAYS = "3650"
_EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a certificate speaks for: user and group as RBAC reads them, and addresses where it serves."""

    file: str
    user: str
    group: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The subject as openssl takes it; the group is Kubernetes' organisation."""
        return (f"/O={self.group}" if self.group else "") + f"/CN={self.user}"


def identities(layout: Layout) -> tuple[Identity, ...]:
    """Return every certificate of the cluster (pure)."""
    api = (
        *("DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc"),
        *("DNS:kubernetes.default.svc.cluster.local", "DNS:localhost", "IP:127.0.0.1"),
        *(f"IP:{layout.api_service_address}", f"IP:{layout.node_address}"),
    )
    return (
        Identity("apiserver", "kube-apiserver", addresses=api),
        Identity("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
        Identity("admin", "nereid-admin", "system:masters"),
        Identity("controller-manager", "system:kube-controller-manager"),
        Identity("scheduler", "system:kube-scheduler"),
        Identity("kube-proxy", "system:kube-proxy"),
        Identity("kubelet", f"system:node:{layout.node}", "system:nodes", (f"IP:{layout.node_address}",)),
    )


def ensure_certificates(layout: Layout) -> None:
    """Make what is not there yet: the authority, the key of service accounts, and a certificate per identity."""
    folder = layout.certificates
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / "ca.crt").exists():
        _write("ca", folder, "-x509", "-subj", "/CN=nereid-test-cluster")
    if not (folder / "service-account.pub").exists():
        key = folder / "service-account.key"
        run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)
        run("openssl", "pkey", "-in", key, "-pubout", "-out", folder / "service-account.pub")
    for identity in identities(layout):
        if not (folder / f"{identity.file}.crt").exists():
            _issue(identity, folder)


def kubeconfig(layout: Layout, file: str) -> dict[str, Any]:
    """Return a kubeconfig that carries its certificate, so that it can be copied."""
    ca, certificate, key = (
        b64encode((layout.certificates / name).read_bytes()).decode()
        for name in ("ca.crt", f"{file}.crt", f"{file}.key")
    )
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": layout.name, "cluster": {"server": layout.api_url, "certificate-authority-data": ca}}],
        "users": [{"name": file, "user": {"client-certificate-data": certificate, "client-key-data": key}}],
        "contexts": [{"name": layout.name, "context": {"cluster": layout.name, "user": file}}],
        "current-context": layout.name,
    }


def write_kubeconfigs(layout: Layout) -> None:
    """Write the administrator's kubeconfig and one per component."""
    layout.config.mkdir(parents=True, exist_ok=True)
    for file in ("controller-manager", "scheduler", "kube-proxy", "kubelet"):
        _write_private(layout.config / f"{file}.kubeconfig", json.dumps(kubeconfig(layout, file)))
    _write_private(layout.kubeconfig, json.dumps(kubeconfig(layout, "admin"), indent=1))


def _issue(identity: Identity, folder: Path) -> None:
    """Issue a certificate for both ends of a connection."""
    extensions = ["-addext", "extendedKeyUsage=clientAuth,serverAuth", "-addext", "basicConstraints=critical,CA:FALSE"]
    if identity.addresses:
        extensions += ["-addext", f"subjectAltName={','.join(identity.addresses)}"]
    authority = ("-CA", folder / "ca.crt", "-CAkey", folder / "ca.key")
    _write(identity.file, folder, "-x509", "-subj", identity.subject, *authority, *extensions)


def _write(file: str, folder: Path, *options: str | Path) -> None:
    """Make key and certificate; the certificate appears last and in one step, so it stands for both."""
    fresh = folder / f"{file}.crt.new"
    run("openssl", "req", *_EC_KEY, "-days", _DAYS, "-keyout", folder / f"{file}.key", "-out", fresh, *options)
    fresh.rename(folder / f"{file}.crt")


def _write_private(path: Path, content: str) -> None:
    path.touch(mode=0o600)
    path.write_text(content)
